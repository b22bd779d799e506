mod draw;
mod strokes;

use onebasin_repro::{Fingerprint, Stream};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::DatasetError;
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};
use draw::{Manner, draw};

/// Raised when the same options give other images.
const VERSION: u32 = 1;

/// Digits and capital letters drawn from strokes, each rotated, sheared, scaled, bent and stained by its own random numbers.
///
/// Image `i` of a split depends on the options `seed`, `classes`, `size`, `colour` and `difficulty` and on `i` alone, not on the number of
/// images or threads. Pixels are made with correctly rounded operations only (no sine, no logarithm), so bytes agree across platforms.
/// Classes are balanced: every run of `classes` images, from the first, holds each class once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Glyphs {
    /// 2 to 36: digits first, then letters.
    pub classes: usize,
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Seed of the images.
    pub seed: u64,
    /// Width and height in pixels, 12 to 128; default: 28, or 32 for colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Three channels, coloured ink on coloured paper, instead of light grey on dark.
    pub colour: bool,
    /// 0 (clean) to 2; 1 is the usual amount of every distortion.
    pub difficulty: f64,
}

impl Default for Glyphs {
    fn default() -> Glyphs {
        Glyphs { classes: 10, train: 20_000, test: 5_000, seed: 0, size: None, colour: false, difficulty: 1.0 }
    }
}

impl Glyphs {
    fn side(&self) -> usize {
        self.size.unwrap_or(if self.colour { 32 } else { 28 })
    }

    fn check(&self) -> Result<(), DatasetError> {
        let within = |key, value: usize, low: usize, high: usize, hint: &str| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let expected = format!("a whole number from {low} to {high}");
            Err(DatasetError::Setting { key, expected, got: value.to_string(), hint: hint.into() })
        };
        within("classes", self.classes, 2, strokes::CHARACTERS.len(), "10 for the digits, 36 for digits and letters")?;
        within("train", self.train, 1, 10_000_000, "20000 is the usual number")?;
        within("test", self.test, 1, 10_000_000, "5000 is the usual number")?;
        within("size", self.side(), 12, 128, "28 in grey and 32 in colour are usual")?;
        if !(0.0..=2.0).contains(&self.difficulty) {
            let (expected, got) = ("a number from 0 to 2".into(), self.difficulty.to_string());
            return Err(DatasetError::Setting { key: "difficulty", expected, got, hint: "1.0 is the usual amount".into() });
        }
        Ok(())
    }

    pub(crate) fn geometry(&self) -> Result<Geometry, DatasetError> {
        self.check()?;
        let side = self.side();
        Ok(Geometry { shape: (if self.colour { 3 } else { 1 }, side, side), classes: self.classes })
    }

    pub(crate) fn digest(&self) -> Result<Fingerprint, DatasetError> {
        self.check()?;
        Ok(Fingerprint::of_json(&json!({
            "format": "glyphs",
            "version": VERSION,
            "classes": self.classes,
            "train": self.train,
            "test": self.test,
            "seed": self.seed,
            "size": self.side(),
            "colour": self.colour,
            "difficulty": self.difficulty,
        })))
    }

    pub(crate) fn open(&self) -> Result<Dataset, DatasetError> {
        let stream = Stream::root(self.seed).child("glyphs");
        let train = self.split(self.train, &stream.child("train"))?;
        let test = self.split(self.test, &stream.child("test"))?;
        let normalisation = Normalisation::of(&train);
        Ok(Dataset { name: "glyphs".to_owned(), train, test, normalisation, digest: self.digest()? })
    }

    fn split(&self, count: usize, stream: &Stream) -> Result<Split, DatasetError> {
        let Geometry { shape, classes } = self.geometry()?;
        let manner = Manner { side: shape.1, colour: self.colour, difficulty: self.difficulty as f32 };
        let rounds = stream.child("labels");
        let labels: Vec<u8> = (0..count.div_ceil(classes))
            .into_par_iter()
            // At most 36 classes: every label is a byte.
            .flat_map_iter(|round| rounds.child(round.to_string()).shuffled(classes).into_iter().map(|label| label as u8))
            .collect::<Vec<u8>>()
            .into_iter()
            .take(count)
            .collect();
        let mut pixels = vec![0; count * shape.0 * shape.1 * shape.2];
        pixels.par_chunks_exact_mut(shape.0 * shape.1 * shape.2).zip(&labels).enumerate().for_each(|(index, (picture, &label))| {
            draw(usize::from(label), manner, stream.child(index.to_string()).rng(), picture);
        });
        Ok(Split { shape, classes, pixels, labels })
    }
}
