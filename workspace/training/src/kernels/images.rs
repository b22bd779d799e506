//! Work on a batch image by image, on one thread or on several with the same bytes.

use onebasin_network::Threads;
use rayon::prelude::*;

use super::buffers;

/// `work(place, chunk, scratch)` for every chunk of `size` values (the last may be shorter), its results in order. Which thread does a
/// chunk decides nothing, because no chunk sees another and `scratch` holds whatever was there.
pub(super) fn for_each_chunk<R: Send>(
    values: &mut [f32],
    size: usize,
    scratch: usize,
    threads: Threads,
    work: impl Fn(usize, &mut [f32], &mut [f32]) -> R + Send + Sync,
) -> Vec<R> {
    let size = size.max(1);
    if threads == Threads::One || rayon::current_num_threads() == 1 {
        let mut scratch = buffers::take(scratch);
        let results = values.chunks_mut(size).enumerate().map(|(place, chunk)| work(place, chunk, &mut scratch)).collect();
        buffers::keep(scratch);
        return results;
    }
    let chunks = values.par_chunks_mut(size).enumerate();
    chunks.map_init(|| vec![0.0; scratch], |scratch, (place, chunk)| work(place, chunk, scratch)).collect()
}

/// Sums of rows of numbers, one row an image, in their order and in `f64`.
pub(super) fn sum_in_order(parts: &[Vec<f32>], length: usize) -> Vec<f64> {
    let mut sums = vec![0.0; length];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums
}

/// `max(value, 0)`; a comparison, so that a NaN stays one and a diverged training is seen.
#[inline(always)]
pub(super) fn positive(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

/// Calls an `#[inline(always)]` function compiled for the widest vectors of this processor. A closure would stay a function of its own,
/// compiled for the narrowest.
macro_rules! vectorised {
    ($function:ident($($argument:ident: $kind:ty = $value:expr),* $(,)?) -> $output:ty) => {{
        struct Call<'a> {
            $($argument: $kind),*
        }
        impl pulp::WithSimd for Call<'_> {
            type Output = $output;

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, _: S) -> $output {
                $function($(self.$argument),*)
            }
        }
        pulp::Arch::new().dispatch(Call { $($argument: $value),* })
    }};
}

pub(super) use vectorised;
