//! Matrix products on views.

use gemm::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2};

/// How many threads share one product. The bytes of the result do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread.
    One,
    /// Those of the rayon pool that the call is made in.
    All,
}

/// `c = alpha a b + beta c`, with `a` of shape `[m, k]`, `b` of shape `[k, n]` and `c` of shape `[m, n]`, in any strides.
///
/// With `beta` zero the old `c` is not read, so NaN in it does no harm. Products of `f32` accumulate in `f32`; an entry of the
/// result is a sum of `k` of them. Cost: `2 m n k` operations.
///
/// # Panics
/// If the shapes do not fit, or if entries of `c` share memory.
pub fn multiply_add(
    alpha: f32,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    beta: f32,
    mut c: ArrayViewMut2<'_, f32>,
    threads: Threads,
) {
    let ((m, k), (inner, n)) = (a.dim(), b.dim());
    assert_eq!(k, inner, "the columns of `a` and the rows of `b` differ");
    assert_eq!(c.dim(), (m, n), "the shape of `c` is not that of the product");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.mapv_inplace(|value| if beta == 0.0 { 0.0 } else { beta * value });
        return;
    }
    let stride = |strides: &[isize], axis: usize, length: usize| if length == 1 { 1 } else { strides[axis] };
    let (c_rows, c_columns) = (stride(c.strides(), 0, m), stride(c.strides(), 1, n));
    assert!(apart((m, c_rows), (n, c_columns)), "entries of `c` share memory");
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    #[expect(unsafe_code, reason = "gemm takes pointers; the views vouch for them")]
    // SAFETY: the extents handed over are those of the views (m, n and k are checked against all three), so every address
    // `pointer + row * row stride + column * column stride` is an entry of its view. Entries of `c` are distinct (checked above),
    // and the exclusive borrow of `c` keeps them apart from `a` and `b`, which are only read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c.strides()[1],
            c.strides()[0],
            beta != 0.0,
            a.as_ptr(),
            a.strides()[1],
            a.strides()[0],
            b.as_ptr(),
            b.strides()[1],
            b.strides()[0],
            beta,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Whether the entries of a matrix with these extents and strides lie at different addresses: one step along the outer axis
/// passes over everything the inner axis reaches.
fn apart((rows, row_stride): (usize, isize), (columns, column_stride): (usize, isize)) -> bool {
    let (row, column) = (row_stride.unsigned_abs(), column_stride.unsigned_abs());
    let clear = |inner: usize, length: usize, outer: usize| inner > 0 && outer > inner * (length - 1);
    if rows == 1 || columns == 1 {
        return row > 0 && column > 0;
    }
    clear(row, rows, column) || clear(column, columns, row)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, ShapeBuilder, s};
    use proptest::prelude::*;

    use super::*;

    /// Small whole numbers: their products and sums are exact, so results are compared bit by bit.
    fn whole(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(row, column)| ((row * 31 + column * 17 + seed * 7) % 13) as f32 - 6.0)
    }

    /// Numbers whose sums do round.
    fn rough(rows: usize, columns: usize, seed: u32) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_simple_fn((rows, columns), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
    }

    fn naive(alpha: f32, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, beta: f32, c: ArrayView2<'_, f32>) -> Array2<f32> {
        Array2::from_shape_fn(c.dim(), |(row, column)| {
            let sum: f32 = (0..a.ncols()).map(|inner| a[[row, inner]] * b[[inner, column]]).sum();
            alpha * sum + beta * c[[row, column]]
        })
    }

    /// The same numbers in another memory layout: transposed, backwards, or with gaps.
    fn laid_out(array: &Array2<f32>, layout: usize) -> Array2<f32> {
        let (rows, columns) = array.dim();
        let mut view = match layout % 4 {
            0 => Array2::zeros((rows, columns)),
            1 => Array2::zeros((rows, columns).f()),
            2 => Array2::zeros((2 * rows, 3 * columns)).slice_move(s![..;2, ..;3]),
            _ => Array2::zeros((rows, columns)).slice_move(s![..;-1, ..;-1]),
        };
        view.assign(array);
        view
    }

    proptest! {
        #[test]
        fn any_shape_and_layout_agrees_with_three_loops(
            (m, k, n) in (0_usize..40, 0_usize..40, 0_usize..40),
            layouts in (0_usize..4, 0_usize..4, 0_usize..4),
            alpha in prop::sample::select(vec![0.0_f32, 1.0, -2.0]),
            beta in prop::sample::select(vec![0.0_f32, 1.0, 3.0]),
            threads in prop::sample::select(vec![Threads::One, Threads::All]),
        ) {
            let a = laid_out(&whole(m, k, 1), layouts.0);
            let b = laid_out(&whole(k, n, 2), layouts.1);
            let mut c = laid_out(&whole(m, n, 3), layouts.2);
            let expected = naive(alpha, a.view(), b.view(), beta, c.view());
            multiply_add(alpha, a.view(), b.view(), beta, c.view_mut(), threads);
            prop_assert_eq!(c, expected);
        }
    }

    #[test]
    fn rounding_stays_within_that_of_a_sum() {
        for (m, k, n) in [(7, 300, 5), (64, 784, 33), (1, 500, 64), (64, 500, 1)] {
            let (a, b) = (rough(m, k, 1), rough(k, n, 2));
            let mut c = Array2::zeros((m, n));
            multiply_add(1.0, a.view(), b.view(), 0.0, c.view_mut(), Threads::One);
            for ((row, column), &value) in c.indexed_iter() {
                let exact: f64 = (0..k).map(|inner| f64::from(a[[row, inner]]) * f64::from(b[[inner, column]])).sum();
                assert!((f64::from(value) - exact).abs() < 1e-4, "{value} is not {exact}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let pools: Vec<rayon::ThreadPool> =
            [2, 3, 7].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).into();
        for size in [32, 100, 256, 511, 512, 784, 1024, 1100] {
            for (m, k, n) in [(size, size, size), (size, 784, 100), (100, size, 10), (size, size, 1)] {
                let (a, b, start) = (rough(m, k, 3), rough(k, n, 4), rough(m, n, 5));
                for layout in 0..4 {
                    let (a, b, start) = (laid_out(&a, layout), laid_out(&b, layout / 2), laid_out(&start, 3 - layout));
                    let run = |threads| {
                        let mut c = start.clone();
                        multiply_add(0.5, a.view(), b.view(), 0.25, c.view_mut(), threads);
                        c
                    };
                    let alone = run(Threads::One);
                    for pool in &pools {
                        let together = pool.install(|| run(Threads::All));
                        let differing = alone.iter().zip(&together).filter(|(one, all)| one.to_bits() != all.to_bits()).count();
                        assert_eq!(differing, 0, "{m} x {k} x {n}, layout {layout}, {} threads", pool.current_num_threads());
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_inner_dimension_leaves_beta_times_c() {
        let mut c = whole(3, 4, 1);
        let expected = &c * 3.0;
        multiply_add(1.0, Array2::zeros((3, 0)).view(), Array2::zeros((0, 4)).view(), 3.0, c.view_mut(), Threads::All);
        assert_eq!(c, expected);
    }

    #[test]
    fn beta_zero_ignores_what_was_there() {
        for k in [0, 5] {
            let mut c = Array2::from_elem((3, 4), f32::NAN);
            multiply_add(1.0, whole(3, k, 1).view(), whole(k, 4, 2).view(), 0.0, c.view_mut(), Threads::One);
            assert!(c.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn broadcast_inputs_may_repeat_memory() {
        let row = whole(1, 20, 1);
        let a = row.broadcast((30, 20)).unwrap();
        let b = whole(20, 9, 2);
        let mut c = whole(30, 9, 3);
        let expected = naive(1.0, a, b.view(), 1.0, c.view());
        multiply_add(1.0, a, b.view(), 1.0, c.view_mut(), Threads::One);
        assert_eq!(c, expected);
    }

    #[test]
    fn a_single_row_or_column_of_a_larger_matrix_is_fine() {
        let (a, b) = (whole(5, 6, 1), whole(6, 8, 2));
        let mut c = whole(5, 8, 3);
        let expected = naive(1.0, a.view(), b.slice(s![.., 2..3]), 0.0, c.slice(s![.., 2..3]));
        multiply_add(1.0, a.view(), b.slice(s![.., 2..3]), 0.0, c.slice_mut(s![.., 2..3]), Threads::One);
        assert_eq!(c.slice(s![.., 2..3]), expected);
        let row = a.index_axis(Axis(0), 1).insert_axis(Axis(0));
        let mut out = whole(1, 8, 3);
        multiply_add(1.0, row, b.view(), 0.0, out.view_mut(), Threads::One);
        assert_eq!(out, naive(1.0, row, b.view(), 0.0, out.view()));
    }

    #[test]
    fn an_output_that_shares_memory_is_recognised() {
        assert!(apart((3, 4), (4, 1)) && apart((3, 1), (4, 3)) && apart((3, -4), (4, -1)) && apart((1, 1), (4, 1)));
        assert!(!apart((3, 0), (4, 1)) && !apart((3, 1), (4, 1)) && !apart((3, 3), (4, 1)) && !apart((1, 1), (4, 0)));
    }

    #[test]
    #[should_panic(expected = "the shape of `c`")]
    fn a_wrong_output_shape_is_a_bug() {
        multiply_add(1.0, whole(2, 3, 1).view(), whole(3, 4, 1).view(), 0.0, whole(4, 2, 1).view_mut(), Threads::One);
    }
}
