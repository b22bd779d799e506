mod crop;
mod flip;
mod resized_crop;
mod rng;
mod rotate;
mod spec_form;
mod zoom_shift_rotate;

use onebasin_repro::{ChaCha8Rng, Stream};
use serde::{Deserialize, Serialize};

pub use crop::Crop;
pub use flip::Flip;
pub use resized_crop::ResizedCrop;
pub use rotate::Rotate;
pub use zoom_shift_rotate::ZoomShiftRotate;

use crate::error::DatasetError;
use crate::split::Split;
use rng::Uniform;

/// How training images are augmented before a network sees them: a recipe of a paper, or a list of steps.
///
/// In a spec: a name (`"cifar-c2m3"`), one step (`{ kind = "flip" }`) or a list of steps, done in order.
///
/// The image that a network sees depends on the stream, the epoch and the image's index alone, never on the batch it is in, on the order
/// of work or on threads. Pixels are made by integers and by functions that round the same on every platform.
///
/// ```
/// use onebasin_datasets::{Augmentation, Flip, Split, Step};
/// use onebasin_repro::Stream;
/// let split = Split { shape: (1, 1, 3), classes: 2, pixels: vec![1, 2, 3], labels: vec![0] };
/// let mirror = Augmentation::Steps(vec![Step::Flip(Flip { probability: 1.0 })]);
/// let mut seen = [0; 3];
/// mirror.apply(&split, 0, 7, &Stream::root(42).child("augmentation"), &mut seen);
/// assert_eq!(seen, [3, 2, 1]);
/// ```
///
/// One image of 32x32x3 costs some 8 µs of one core by the first two recipes, 1 µs by the third.
#[derive(Clone, Debug, PartialEq)]
pub enum Augmentation {
    /// `cifar-c2m3`: a resized crop of 0.8 to 1.2 of the area, a rotation by up to 30 degrees, a flip.
    /// Source: "C²M³: Cycle-Consistent Multi-Model Merging", and the data configuration of the repository
    /// crisostomi/cycle-consistent-model-merging in 2024.
    CifarC2m3,
    /// `cifar-git-rebasin`: zoom by 0.8 to 1.2 with a shift, a flip and a rotation by up to 30 degrees in one resampling.
    /// Source: "Git Re-Basin", section on CIFAR-10; the definitions of augmax 0.2.1, which its repository uses.
    CifarGitRebasin,
    /// `cifar-otfusion`: a crop after padding by 4, a flip. Source: the repository sidak/otfusion, loader of CIFAR-10.
    CifarOtfusion,
    /// These steps in order. An empty list leaves images as they are.
    Steps(Vec<Step>),
}

/// One transformation; the size of the image stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// `crop`: pads with zeros, then crops to the old size.
    Crop(Crop),
    /// `flip`: mirrors left and right.
    Flip(Flip),
    /// `resized-crop`: crops a random window and scales it up.
    ResizedCrop(ResizedCrop),
    /// `rotate`: rotates about the centre.
    Rotate(Rotate),
    /// `zoom-shift-rotate`: zooms, shifts, flips and rotates in one resampling.
    ZoomShiftRotate(ZoomShiftRotate),
}

const C2M3: [Step; 3] =
    [Step::ResizedCrop(ResizedCrop { scale: [0.8, 1.2], ratio: [0.75, 4.0 / 3.0] }), Step::Rotate(Rotate { degrees: 30.0 }), FLIP];
const GIT_REBASIN: [Step; 1] = [Step::ZoomShiftRotate(ZoomShiftRotate { zoom: [0.8, 1.2], degrees: 30.0, flip: 0.5 })];
const OTFUSION: [Step; 2] = [Step::Crop(Crop { padding: 4 }), FLIP];
const FLIP: Step = Step::Flip(Flip { probability: 0.5 });

/// Memory that steps reuse.
#[derive(Default)]
struct Scratch {
    pixels: Vec<u8>,
    packed: Vec<u64>,
    places: Vec<u32>,
}

impl Augmentation {
    /// The recipes known by name.
    pub const NAMES: &[&str] = &["cifar-c2m3", "cifar-git-rebasin", "cifar-otfusion"];

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        match self {
            Augmentation::CifarC2m3 => &C2M3,
            Augmentation::CifarGitRebasin => &GIT_REBASIN,
            Augmentation::CifarOtfusion => &OTFUSION,
            Augmentation::Steps(steps) => steps,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting out of its range.
    pub fn check(&self) -> Result<(), DatasetError> {
        self.steps().iter().try_for_each(|step| match step {
            Step::Crop(crop) => crop.check(),
            Step::Flip(flip) => flip.check(),
            Step::ResizedCrop(crop) => crop.check(),
            Step::Rotate(rotate) => rotate.check(),
            Step::ZoomShiftRotate(zoom) => zoom.check(),
        })
    }

    /// Writes image `index` of `split`, `[c, h, w]`, as it is seen in `epoch` into `out`, transformed by random numbers from
    /// `stream/epoch-EPOCH/INDEX`.
    ///
    /// # Panics
    /// When there is no such image, or when `out` is not as long as an image.
    pub fn apply(&self, split: &Split, index: usize, epoch: usize, stream: &Stream, out: &mut [u8]) {
        self.transform(split, index, &of_epoch(stream, epoch), &mut Scratch::default(), out);
    }

    /// Writes these images one after the other, as [`Augmentation::apply`] does, at less cost.
    ///
    /// # Panics
    /// When there is no such image, or when `out` is not as long as these images together.
    pub fn apply_batch(&self, split: &Split, indices: &[u32], epoch: usize, stream: &Stream, out: &mut [u8]) {
        assert_eq!(out.len(), indices.len() * split.image_len(), "room for {} images", indices.len());
        let (stream, mut scratch) = (of_epoch(stream, epoch), Scratch::default());
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(split.image_len().max(1))) {
            self.transform(split, index as usize, &stream, &mut scratch, out);
        }
    }

    fn transform(&self, split: &Split, index: usize, stream: &Stream, scratch: &mut Scratch, out: &mut [u8]) {
        out.copy_from_slice(split.image(index));
        let mut rng: Uniform<ChaCha8Rng> = Uniform(stream.child(index.to_string()).rng());
        for step in self.steps() {
            match step {
                Step::Crop(crop) => crop.apply(&mut rng, split.shape, scratch, out),
                Step::Flip(flip) => flip.apply(&mut rng, split.shape, out),
                Step::ResizedCrop(crop) => crop.apply(&mut rng, split.shape, scratch, out),
                Step::Rotate(rotate) => rotate.apply(&mut rng, split.shape, scratch, out),
                Step::ZoomShiftRotate(zoom) => zoom.apply(&mut rng, split.shape, scratch, out),
            }
        }
    }
}

fn of_epoch(stream: &Stream, epoch: usize) -> Stream {
    stream.child(format!("epoch-{epoch}"))
}

/// A setting out of its range.
fn wrong(key: &'static str, expected: &str, got: impl std::fmt::Debug, hint: &str) -> DatasetError {
    DatasetError::Setting { key, expected: expected.into(), got: format!("{got:?}"), hint: hint.into() }
}
