use onebasin_repro::{Fingerprint, Stream};
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// Labelled images of one shape, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Channels, height, width.
    pub shape: (usize, usize, usize),
    /// Number of classes; labels are below it.
    pub classes: usize,
    /// Image after image, each channel after channel, each row after row: `len · c · h · w` bytes.
    pub pixels: Vec<u8>,
    /// One label per image.
    pub labels: Vec<u8>,
}

/// Both splits of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The known name, or the name of the folder.
    pub name: String,
    /// What models are trained on.
    pub train: Split,
    /// What they are measured on.
    pub test: Split,
    /// What a network should see instead of bytes.
    pub normalisation: Normalisation,
    /// Names the content that was really read, as [`digest`](crate::digest()) does: another one when the files have changed since then.
    pub digest: Fingerprint,
}

/// The mean and the standard deviation of `pixel / 255`, per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Normalisation {
    /// Subtracted first.
    pub mean: Vec<f32>,
    /// Divided by afterwards.
    pub deviation: Vec<f32>,
}

/// How many of so many images [`Split::hold_out`] puts aside.
pub fn held_out(images: usize, share: f64) -> usize {
    ((images as f64 * share).round() as usize).clamp(1, images.saturating_sub(1).max(1)).min(images)
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        let (channels, height, width) = self.shape;
        channels * height * width
    }

    /// The bytes of image `i`, `[c, h, w]` row-major.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn image(&self, i: usize) -> &[u8] {
        let length = self.image_len();
        &self.pixels[i * length..(i + 1) * length]
    }

    /// The images of these indices, in their order.
    ///
    /// # Panics
    /// When an index is not below `len`.
    pub fn select(&self, indices: &[u32]) -> Split {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        for &index in indices {
            pixels.extend_from_slice(self.image(index as usize));
        }
        let labels = indices.iter().map(|&index| self.labels[index as usize]).collect();
        Split { shape: self.shape, classes: self.classes, pixels, labels }
    }

    /// Puts a share of the images aside: those that stay, and those put aside, both in their old order. At least one image is on either side
    /// where there are two.
    pub fn hold_out(&self, share: f64, stream: &Stream) -> (Split, Split) {
        let order = stream.shuffled(self.len());
        let (held, stays) = order.split_at(held_out(self.len(), share));
        let sorted = |indices: &[u32]| {
            let mut indices = indices.to_vec();
            indices.sort_unstable();
            self.select(&indices)
        };
        (sorted(stays), sorted(held))
    }

    /// Images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}

impl Normalisation {
    /// Whether it has a finite mean and a deviation above 0 for each channel.
    pub(crate) fn check(&self, channels: usize) -> Result<(), DatasetError> {
        let wrong = |expected: String, got: String| {
            Err(DatasetError::Setting { key: "normalisation", expected, got, hint: "leave it out to use the images' own".into() })
        };
        if self.mean.len() != channels || self.deviation.len() != channels {
            let expected = match channels {
                1 => "one mean and one deviation, as for one channel".to_owned(),
                _ => format!("{channels} means and {channels} deviations, as for {channels} channels"),
            };
            return wrong(expected, format!("{} and {}", self.mean.len(), self.deviation.len()));
        }
        for (mean, deviation) in self.mean.iter().zip(&self.deviation) {
            if !(*deviation > 0.0 && deviation.is_finite() && mean.is_finite()) {
                return wrong("a finite mean and a deviation above 0".into(), format!("{mean} and {deviation}"));
            }
        }
        Ok(())
    }

    /// The constants of these images: sums of integers, so exact whatever the order.
    ///
    /// A channel without variation gets deviation 1; an empty split mean 0 and deviation 1.
    pub fn of(split: &Split) -> Normalisation {
        let channels = split.shape.0;
        let plane = split.shape.1 * split.shape.2;
        let mut sums = vec![(0u64, 0u64); channels];
        for (index, pixels) in split.pixels.chunks_exact(plane.max(1)).enumerate() {
            let (sum, squares) = &mut sums[index % channels];
            // A plane of up to 2^16 pixels cannot overflow: 2^16 · 255^2 < 2^32.
            for part in pixels.chunks(1 << 16) {
                *sum += u64::from(part.iter().map(|&pixel| u32::from(pixel)).sum::<u32>());
                *squares += u64::from(part.iter().map(|&pixel| u32::from(pixel) * u32::from(pixel)).sum::<u32>());
            }
        }
        let count = (split.len() * plane).max(1) as f64;
        let (mean, deviation) = sums
            .into_iter()
            .map(|(sum, squares)| {
                let mean = sum as f64 / count;
                let variance = (squares as f64 / count - mean * mean).max(0.0);
                let deviation = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
                ((mean / 255.0) as f32, deviation as f32)
            })
            .unzip();
        Normalisation { mean, deviation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Split {
        Split { shape: (2, 1, 2), classes: 3, pixels: vec![0, 255, 10, 10, 255, 0, 10, 10, 0, 255, 10, 10], labels: vec![0, 2, 2] }
    }

    #[test]
    fn selected_images_keep_the_order_of_the_indices() {
        let chosen = split().select(&[2, 0, 2]);
        assert_eq!(chosen.labels, [2, 0, 2]);
        assert_eq!(chosen.image(1), [0, 255, 10, 10]);
        assert_eq!(split().class_counts(), [1, 0, 2]);
    }

    #[test]
    fn images_put_aside_and_those_that_stay_are_all_there_are() {
        let all = Split { shape: (1, 1, 1), classes: 20, pixels: (0..20).collect(), labels: (0..20).collect() };
        let (stays, held) = all.hold_out(0.25, &Stream::root(1));
        assert_eq!((stays.len(), held.len()), (15, 5));
        let mut together = [stays.pixels.clone(), held.pixels.clone()].concat();
        together.sort_unstable();
        assert_eq!(together, all.pixels);
        assert!(stays.labels.is_sorted() && held.labels.is_sorted());
        assert_eq!(all.hold_out(0.25, &Stream::root(1)).1, held);
        assert_ne!(all.hold_out(0.25, &Stream::root(2)).1, held);
        // One image on either side at least.
        assert_eq!([0.0, 1.0].map(|share| all.hold_out(share, &Stream::root(1)).1.len()), [1, 19]);
    }

    #[test]
    fn normalisation_is_the_mean_and_deviation_of_each_channel() {
        let normalisation = Normalisation::of(&split());
        assert_eq!(normalisation.mean, [0.5, 10.0 / 255.0]);
        // Half the pixels of the first channel are 0, half 1; the second channel does not vary.
        assert_eq!(normalisation.deviation, [0.5, 1.0]);
    }
}
