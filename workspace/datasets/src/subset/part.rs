//! A part of the images that a model sees: chosen by label, and by place in an order.

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// Images of some labels: from one share of them to another, in an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubsetPart {
    /// The labels, from 0; every one if neither they nor `except` are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<u8>>,
    /// All labels but these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<u8>>,
    /// A share of the images with these labels, from 0; the part begins behind them.
    #[serde(default)]
    pub from: f64,
    /// A share of the images with these labels, at most 1; the part ends with them.
    #[serde(default = "all")]
    pub to: f64,
    /// In place of `from`: how many images with these labels stand before the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<usize>,
    /// In place of `to`: how many images the part has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

fn all() -> f64 {
    1.0
}

impl Default for SubsetPart {
    fn default() -> SubsetPart {
        SubsetPart { labels: None, except: None, from: 0.0, to: all(), skip: None, count: None }
    }
}

impl SubsetPart {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        if !(self.from >= 0.0 && self.from < self.to && self.to <= 1.0) {
            return Err(DatasetError::Setting {
                key: "subset.parts",
                expected: "`from` below `to`, both from 0 to 1".into(),
                got: format!("{} and {}", self.from, self.to),
                hint: "`{ to = 0.1 }` takes the first tenth, `{ from = 0.1 }` the rest".into(),
            });
        }
        let wrong = |expected: &str, got: &str, hint: &str| {
            let (expected, got, hint) = (expected.to_owned(), got.to_owned(), hint.to_owned());
            Err(DatasetError::Setting { key: "subset.parts", expected, got, hint })
        };
        if self.skip.is_some() && self.from != 0.0 || self.count.is_some() && self.to != 1.0 {
            return wrong("a share or a number at each end", "both", "`from` and `to` are shares, `skip` and `count` numbers of images");
        }
        if self.count == Some(0) {
            return wrong("`count` from 1", "0", "leave `count` out to take all");
        }
        if self.labels.is_some() && self.except.is_some() {
            return Err(DatasetError::Setting {
                key: "subset.parts",
                expected: "`labels` or `except`".into(),
                got: "both".into(),
                hint: "keep one of them".into(),
            });
        }
        Ok(())
    }

    pub(super) fn has(&self, label: u8) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.contains(&label))
            && self.except.as_ref().is_none_or(|labels| !labels.contains(&label))
    }

    /// Whether it has all images of its labels.
    pub(super) fn is_whole(&self) -> bool {
        (self.from, self.to, self.skip.unwrap_or(0), self.count) == (0.0, 1.0, 0, None)
    }

    /// How many images it has where each of so many classes has as many as any other.
    pub(super) fn of_even_classes(&self, images: usize, classes: usize) -> usize {
        let named = (0..classes).filter(|&class| u8::try_from(class).is_ok_and(|label| self.has(label))).count();
        self.range(images * named / classes.max(1)).len()
    }

    /// The places of the part among so many images. Parts that meet at a share meet at an image.
    pub(super) fn range(&self, images: usize) -> std::ops::Range<usize> {
        let place = |share: f64| ((images as f64 * share).round() as usize).min(images);
        let start = self.skip.unwrap_or(place(self.from)).min(images);
        let end = self.count.map_or(place(self.to), |count| start.saturating_add(count)).clamp(start, images);
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::SubsetPart;
    use crate::{Order, Subset};

    #[test]
    fn how_many_images_parts_by_label_have_is_known_about_before_labels_are_read() {
        let part = |labels: &[u8], to: f64| SubsetPart { labels: Some(labels.to_vec()), to, ..SubsetPart::default() };
        let of = |parts: Vec<SubsetPart>| Subset::parts(parts, Order::File).rough_size(1000, 10);
        assert_eq!(of(vec![part(&[3, 4], 1.0)]), 200);
        let rest = SubsetPart { except: Some(vec![4]), to: 0.1, ..SubsetPart::default() };
        assert_eq!(of(vec![part(&[4], 1.0), rest.clone()]), 190);
        assert_eq!(of(vec![SubsetPart { count: Some(7), ..rest }, part(&[4], 0.5)]), 57);
        assert_eq!([Subset::share(0.25), Subset::count(9)].map(|subset| subset.rough_size(1000, 10)), [250, 9]);
    }
}
