use burn::tensor::{Device as BurnDevice, Int, Tensor, TensorData};
use onebasin_datasets::{Augmentation, Normalisation, Split};
use onebasin_network::Graph;
use onebasin_repro::Stream;

use crate::kernels::buffers;
use crate::{Device, TrainingError};

/// Turns bytes of a split into what a network sees: `(pixel / 255 - mean) / deviation`, by a table per channel.
pub(crate) struct Inputs<'a> {
    pub(crate) data: &'a Split,
    tables: Vec<[f32; 256]>,
    /// All images, on the device that computes on its own.
    resident: Option<Tensor<4>>,
}

/// Bytes of images that may stay on a device for one training: all of MNIST or CIFAR-10, and no more of a larger data set than a batch.
const MOST_RESIDENT: usize = 1 << 30;

/// Bytes that the images of a training take on a device that computes on its own, `numbers` of them in all: 0 where they go there by batch.
pub fn resident_bytes(numbers: usize) -> u64 {
    let bytes = size_of::<f32>().saturating_mul(numbers);
    if stays(bytes, None) { bytes as u64 } else { 0 }
}

/// Whether so many bytes of images stay on a device whose tensors have at most `largest` bytes.
fn stays(bytes: usize, largest: Option<u64>) -> bool {
    bytes <= MOST_RESIDENT && largest.is_none_or(|largest| bytes as u64 <= largest)
}

impl<'a> Inputs<'a> {
    /// # Errors
    /// When the images are none, or of another shape or number of classes than the network's.
    pub(crate) fn new(graph: &Graph, data: &'a Split, normalisation: &Normalisation) -> Result<Inputs<'a>, TrainingError> {
        let input = graph.architecture.input;
        let error = |what, got: String, expected: String, hint| Err(TrainingError::Data { what, got, expected, hint });
        let (channels, height, width) = data.shape;
        if (channels, height, width) != (input.channels, input.height, input.width) {
            let expected = format!("{} × {} × {}", input.channels, input.height, input.width);
            let hint = "build the network for the data set it is given";
            return error("the shape of an image", format!("{channels} × {height} × {width}"), expected, hint);
        }
        if data.classes > graph.architecture.classes {
            let expected = format!("at most {}", graph.architecture.classes);
            return error("the number of classes", data.classes.to_string(), expected, "build the network for the data set it is given");
        }
        if data.labels.is_empty() {
            return error("the number of images", "0".to_owned(), "at least 1".to_owned(), "check the split and its subset");
        }
        for (what, values) in [("the number of means", &normalisation.mean), ("the number of deviations", &normalisation.deviation)] {
            if values.len() != channels {
                let hint = "give one per channel";
                return error(what, values.len().to_string(), channels.to_string(), hint);
            }
        }
        let table = |channel: usize| {
            let (mean, deviation) = (f64::from(normalisation.mean[channel]), f64::from(normalisation.deviation[channel]));
            std::array::from_fn(|pixel| ((pixel as f64 / 255.0 - mean) / deviation) as f32)
        };
        Ok(Inputs { data, tables: (0..channels).map(table).collect(), resident: None })
    }

    /// The same with all images on a device that computes on its own, where a batch is then gathered: the places of its images alone go there.
    /// Where one tensor of the device cannot hold them all, batches go there as they are asked for. `burn` is the device as images are asked for.
    pub(crate) fn resident_on(mut self, device: &Device, burn: &BurnDevice) -> Inputs<'a> {
        if !device.is_host() && stays(size_of::<f32>() * self.data.pixels.len(), device.largest_buffer()) {
            self.resident = Some(self.tensor(self.data.pixels.chunks_exact(self.data.image_len()), burn));
        }
        self
    }

    /// The images of `indices` as `[n, c, h, w]`.
    pub(crate) fn gather(&self, indices: impl ExactSizeIterator<Item = usize>, device: &BurnDevice) -> Tensor<4> {
        if let Some(images) = &self.resident {
            let places: Vec<i32> = indices.map(|index| i32::try_from(index).expect("what fits on a device has few images")).collect();
            let count = places.len();
            return images.clone().select(0, Tensor::<1, Int>::from_data(TensorData::new(places, [count]), device));
        }
        let size = self.data.image_len();
        self.tensor(indices.map(|index| &self.data.pixels[index * size..(index + 1) * size]), device)
    }

    /// The images of `indices` as `augmentation` shows them in `epoch`, `[n, c, h, w]`; `pixels` is memory to use again.
    pub(crate) fn gather_augmented(
        &self,
        indices: &[u32],
        (augmentation, epoch, stream): (&Augmentation, usize, &Stream),
        pixels: &mut Vec<u8>,
        device: &BurnDevice,
    ) -> Tensor<4> {
        let size = self.data.image_len();
        pixels.resize(indices.len() * size, 0);
        augmentation.apply_batch(self.data, indices, epoch, stream, pixels);
        self.tensor(pixels.chunks_exact(size), device)
    }

    fn tensor<'i>(&self, images: impl ExactSizeIterator<Item = &'i [u8]>, device: &BurnDevice) -> Tensor<4> {
        let (channels, height, width) = self.data.shape;
        let (area, size) = (height * width, channels * height * width);
        let count = images.len();
        let mut values = buffers::take(count * size);
        for (image, row) in images.zip(values.chunks_exact_mut(size)) {
            for ((plane, table), values) in image.chunks_exact(area).zip(&self.tables).zip(row.chunks_exact_mut(area)) {
                values.iter_mut().zip(plane).for_each(|(value, &pixel)| *value = table[usize::from(pixel)]);
            }
        }
        Tensor::from_data(TensorData::new(values, [count, channels, height, width]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stay_on_a_device_where_one_of_its_tensors_holds_them_all() {
        let mnist = 60_000 * 784 * size_of::<f32>();
        assert!(stays(mnist, None) && stays(mnist, Some(1 << 28)));
        assert!(!stays(mnist, Some(128 << 20)), "lavapipe has tensors of 128 MiB");
        assert!(!stays(MOST_RESIDENT + 1, None));
        assert_eq!((resident_bytes(mnist / 4), resident_bytes(MOST_RESIDENT)), (mnist as u64, 0));
    }
}
