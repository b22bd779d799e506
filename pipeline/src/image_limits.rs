//! How many images of each split are measured.

use serde_json::{Value, json};

use crate::identity::Part;

/// The first so many images of each split are measured; `None`: all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageLimits {
    /// Of the training images.
    pub train: Option<usize>,
    /// Of the test images.
    pub test: Option<usize>,
}

impl ImageLimits {
    /// Of one split.
    pub fn of(self, part: Part) -> Option<usize> {
        match part {
            Part::Train => self.train,
            Part::Test => self.test,
        }
    }

    /// As recipes say it: nothing where all images are measured, one number where it holds for both splits.
    pub fn recipe(self) -> Option<Value> {
        match self {
            ImageLimits { train: None, test: None } => None,
            ImageLimits { train, test } if train == test => Some(json!(train)),
            ImageLimits { train, test } => Some(json!({ "train": train, "test": test })),
        }
    }

    /// The keys of a spec that say it of these splits: `` `evaluation.images = 100` ``.
    pub fn keys(self, parts: &[Part]) -> String {
        let train = self.train.filter(|_| parts.contains(&Part::Train) && self.train != self.test);
        let keys = [("images", self.test), ("train-images", train)];
        let keys = keys.into_iter().filter_map(|(key, images)| Some(format!("`evaluation.{key} = {}`", images?)));
        keys.collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_limit_for_both_splits_is_one_number() {
        let both = ImageLimits { train: Some(100), test: Some(100) };
        assert_eq!(both.recipe(), Some(json!(100)));
        assert_eq!(both.keys(&[Part::Train, Part::Test]), "`evaluation.images = 100`");
        assert_eq!(ImageLimits::default().recipe(), None);
    }

    #[test]
    fn a_limit_of_the_training_images_is_a_limit_of_these_alone() {
        let train = ImageLimits { train: Some(100), test: None };
        assert_eq!((train.of(Part::Train), train.of(Part::Test)), (Some(100), None));
        assert_eq!(train.recipe(), Some(json!({ "train": 100, "test": null })));
        assert_eq!(train.keys(&[Part::Train, Part::Test]), "`evaluation.train-images = 100`");
    }
}
