//! Layers without weights that files of other programs have: rare, so by burn's own operations.

use burn::tensor::{Int, Tensor, TensorData};

/// Means over windows that cover `[n, c, h, w]`, so that `[n, c, size, size]` comes out: row `i` is the mean of rows `floor(i h / size)` to
/// `ceil((i + 1) h / size)`. Source: PyTorch, `torch.nn.AdaptiveAvgPool2d`.
pub(crate) fn adaptive_mean(image: Tensor<4>, size: usize) -> Tensor<4> {
    let [n, c, h, w] = image.dims();
    if [h, w] == [size, size] {
        return image;
    }
    let device = image.device();
    let shares = |extent: usize| Tensor::<2>::from_data(TensorData::new(window_shares(extent, size), [extent, size]), &device);
    let across = image.reshape([n * c * h, w]).matmul(shares(w)).reshape([n * c, h, size]);
    let down = across.swap_dims(1, 2).reshape([n * c * size, h]).matmul(shares(h)).reshape([n * c, size, size]);
    down.swap_dims(1, 2).reshape([n, c, size, size])
}

/// `[extent, size]`: what each pixel counts in each mean.
fn window_shares(extent: usize, size: usize) -> Vec<f32> {
    let mut shares = vec![0.0; extent * size];
    for place in 0..size {
        let window = place * extent / size..((place + 1) * extent).div_ceil(size);
        let share = 1.0 / window.len() as f32;
        window.for_each(|pixel| shares[pixel * size + place] = share);
    }
    shares
}

/// Every `stride`-th pixel of `[n, c, h, w]` from the first on, between so many channels of zeros.
pub(crate) fn pad_channels(image: Tensor<4>, [before, behind]: [usize; 2], stride: usize) -> Tensor<4> {
    let device = image.device();
    let mut image = image;
    for axis in [2, 3] {
        let extent = image.dims()[axis];
        if stride > 1 {
            image = image.select(axis, Tensor::<1, Int>::arange_step(0..extent as i64, stride, &device));
        }
    }
    let [n, _, h, w] = image.dims();
    let zeros = |channels: usize| Tensor::<4>::zeros([n, channels, h, w], &device);
    let mut parts = Vec::with_capacity(3);
    if before > 0 {
        parts.push(zeros(before));
    }
    parts.push(image);
    if behind > 0 {
        parts.push(zeros(behind));
    }
    Tensor::cat(parts, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: [usize; 4], values: &[f32]) -> Tensor<4> {
        let device = crate::Device::select("cpu").unwrap().burn();
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &device)
    }

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn adaptive_means_cover_the_image_and_enlarge_a_small_one() {
        let one = tensor([1, 2, 1, 1], &[3.0, 5.0]);
        assert_eq!(numbers(adaptive_mean(one, 2)), [3.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0, 5.0]);
        // Windows of three rows onto two overlap in the middle one; columns 0 and 1, and 1 and 2.
        let three = tensor([1, 1, 3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(numbers(adaptive_mean(three, 2)), [3.0, 4.0, 6.0, 7.0]);
        let wide = tensor([1, 1, 1, 4], &[1.0, 3.0, 5.0, 7.0]);
        assert_eq!(numbers(adaptive_mean(wide, 2)), [2.0, 6.0, 2.0, 6.0]);
    }

    #[test]
    fn channels_are_padded_and_pixels_passed_over() {
        let image = tensor([1, 1, 3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(numbers(pad_channels(image, [1, 0], 2)), [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 7.0, 9.0]);
        let image = tensor([1, 2, 1, 1], &[1.0, 2.0]);
        assert_eq!(numbers(pad_channels(image, [1, 2], 1)), [0.0, 1.0, 2.0, 0.0, 0.0]);
    }
}
