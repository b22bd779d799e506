mod part;

use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::split::Split;

pub use part::SubsetPart;

/// The part of the training images that a model sees: a share of them, a number, or parts chosen by label and place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Subset {
    /// A fraction in (0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// A number of images, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Whether every class keeps its proportion (to within one image).
    #[serde(default)]
    pub stratified: bool,
    /// In which order images stand when some are taken.
    #[serde(default, skip_serializing_if = "Order::is_drawn")]
    pub order: Order,
    /// Parts that have no image in common; all of them are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<SubsetPart>,
}

impl Subset {
    /// A fraction of the images.
    pub fn share(share: f64) -> Subset {
        Subset { share: Some(share), ..Subset::default() }
    }

    /// A number of images.
    pub fn count(count: usize) -> Subset {
        Subset { count: Some(count), ..Subset::default() }
    }

    /// Parts by label and place.
    pub fn parts(parts: Vec<SubsetPart>, order: Order) -> Subset {
        Subset { parts, order, ..Subset::default() }
    }

    /// The same, every class in proportion.
    pub fn stratified(self) -> Subset {
        Subset { stratified: true, ..self }
    }

    /// How many of `available` images this is; a share is rounded to the nearest image, at least 1. `None` where it depends on the labels.
    ///
    /// # Errors
    /// When not exactly one of `share`, `count` and `parts` is given, or a value is out of range.
    pub fn size(&self, available: usize) -> Result<Option<usize>, DatasetError> {
        let wrong = |key, expected: &str, got: String, hint: &str| {
            Err(DatasetError::Setting { key, expected: expected.into(), got, hint: hint.into() })
        };
        match (self.share, self.count, self.parts.as_slice()) {
            (Some(share), None, []) if share > 0.0 && share <= 1.0 => {
                Ok(Some(((available as f64 * share).round() as usize).clamp(1, available.max(1))))
            }
            (Some(share), None, []) => {
                wrong("subset.share", "a number above 0, at most 1", share.to_string(), "`share = 0.5` takes half of the images")
            }
            (None, Some(count), []) if count >= 1 && count <= available => Ok(Some(count)),
            (None, Some(0), []) => wrong("subset.count", "a whole number from 1", "0".into(), "`share = 1.0` takes all images"),
            (None, Some(count), []) => {
                let expected = format!("a whole number from 1 to {available}, the images there are");
                wrong("subset.count", &expected, count.to_string(), "`share = 1.0` takes all of them")
            }
            (None, None, [_, ..]) if self.stratified => wrong(
                "subset.stratified",
                "`share` or `count` beside it",
                "`parts`".into(),
                "say the share of each label as a part of its own",
            ),
            (None, None, parts @ [_, ..]) => {
                parts.iter().try_for_each(SubsetPart::check)?;
                if let Some(place) = parts.iter().position(|part| part.range(available).is_empty()) {
                    let got = format!("no image of {available} in part {place}");
                    return wrong(
                        "subset.parts",
                        "parts with images",
                        got,
                        "`from` and `to` are shares, `skip` and `count` numbers of images",
                    );
                }
                let whole = parts.iter().all(|part| part.labels.is_none() && part.except.is_none());
                Ok(whole.then(|| parts.iter().map(|part| part.range(available).len()).sum()))
            }
            (None, None, []) => wrong("subset", "`share`, `count` or `parts`", "neither".into(), "write `subset = { share = 0.5 }`"),
            (share, count, parts) => {
                let there = [("`share`", share.is_some()), ("`count`", count.is_some()), ("`parts`", !parts.is_empty())];
                let names: Vec<&str> = there.into_iter().filter_map(|(name, there)| there.then_some(name)).collect();
                wrong("subset", "one of `share`, `count` and `parts`", names.join(" beside "), "keep one of them")
            }
        }
    }

    /// How many of `available` images this is, about: as if each of so many classes had as many as any other.
    pub fn rough_size(&self, available: usize, classes: usize) -> usize {
        match self.size(available) {
            Ok(Some(size)) => size,
            _ => self.parts.iter().map(|part| part.of_even_classes(available, classes)).sum::<usize>().min(available),
        }
    }

    /// Says whether the labels of parts can be found among so many classes, and whether no two parts share images for certain: those of one
    /// list of labels whose shares overlap, and whole ones with a label in common.
    ///
    /// # Errors
    /// The first part that is empty, of a label that no image has, or overlaps with an earlier one.
    pub fn check_labels(&self, classes: usize) -> Result<(), DatasetError> {
        let wrong = |expected: &str, got: String, hint: &str| {
            Err(DatasetError::Setting { key: "subset.parts", expected: expected.into(), got, hint: hint.into() })
        };
        let mut earlier: Vec<(&SubsetPart, Vec<usize>)> = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            let named = part.labels.iter().chain(&part.except).flatten();
            if let Some(label) = named.map(|&label| usize::from(label)).find(|&label| label >= classes) {
                let expected = format!("labels from 0 to {}", classes.saturating_sub(1));
                return wrong(&expected, format!("{label} in part {place}"), "labels are counted from 0; `onebasin describe` lists them");
            }
            let labels: Vec<usize> = (0..classes).filter(|&label| part.has(label as u8)).collect();
            if labels.is_empty() {
                let except = |_| format!("every label in `except` of part {place}, which leaves none");
                let got = part.except.as_ref().map_or_else(|| format!("no label in part {place}"), except);
                return wrong("parts with labels", got, "leave `labels` and `except` out to take every label");
            }
            let overlaps = |(other, theirs): &(&SubsetPart, Vec<usize>)| {
                // How many images there are is not known here, so only shares can be compared.
                let shares = |part: &SubsetPart| part.skip.is_none() && part.count.is_none();
                let meet = other.from < part.to && part.from < other.to && shares(part) && shares(other);
                let alike = *theirs == labels && meet;
                alike || (part.is_whole() && other.is_whole() && theirs.iter().any(|label| labels.contains(label)))
            };
            if let Some(other) = earlier.iter().position(overlaps) {
                let got = format!("parts {other} and {place} with the same images");
                return wrong("parts without common images", got, "let one part end where the next begins");
            }
            earlier.push((part, labels));
        }
        Ok(())
    }

    /// The indices of the chosen images, ascending, out of those with these labels.
    ///
    /// The choice depends on the labels and on one stream: `own`, or `shared` for the order of that name. For unstratified subsets of one
    /// stream a smaller one is part of a larger one.
    ///
    /// # Errors
    /// As [`Subset::size`]; and when a part is empty, or an image belongs to two.
    pub fn indices(&self, labels: &[u8], own: &Stream, shared: &Stream) -> Result<Vec<u32>, DatasetError> {
        let size = self.size(labels.len())?;
        let order = match self.order {
            Order::Drawn => own.shuffled(labels.len()),
            Order::Shared => shared.shuffled(labels.len()),
            Order::File => (0..labels.len() as u32).collect(),
        };
        let mut chosen = match size {
            _ if !self.parts.is_empty() => self.chosen(&order, labels)?,
            Some(size) if self.stratified => proportional(&order, labels, size),
            size => order[..size.unwrap_or(order.len()).min(order.len())].to_vec(),
        };
        chosen.sort_unstable();
        Ok(chosen)
    }

    /// The images of all parts.
    fn chosen(&self, order: &[u32], labels: &[u8]) -> Result<Vec<u32>, DatasetError> {
        let mut chosen = Vec::new();
        let mut taken = vec![false; labels.len()];
        for (place, part) in self.parts.iter().enumerate() {
            let wrong = |expected: &str, got: &str, hint: &str| {
                let (got, hint) = (format!("{got} by part {place}"), hint.to_owned());
                Err(DatasetError::Setting { key: "subset.parts", expected: expected.to_owned(), got, hint })
            };
            let of_labels: Vec<u32> = order.iter().copied().filter(|&index| part.has(labels[index as usize])).collect();
            let images = &of_labels[part.range(of_labels.len())];
            if part.count.is_some_and(|count| count > images.len()) {
                let (there, hint) = (images.len().to_string(), "take fewer, or leave `count` out to take all");
                return wrong("as many images as `count` says", &there, hint);
            }
            if images.is_empty() {
                return wrong("parts with images", "none", "labels are counted from 0; `from` and `to` are shares of the images with them");
            }
            for &image in images {
                if std::mem::replace(&mut taken[image as usize], true) {
                    return wrong("parts without common images", "an image of an earlier part", "let one part end where the next begins");
                }
                chosen.push(image);
            }
        }
        Ok(chosen)
    }
}

/// The order in which images stand when some of them are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Shuffled anew for each model.
    #[default]
    Drawn,
    /// Shuffled once for all models, so that two of them can share the images out.
    Shared,
    /// As they are stored.
    File,
}

impl Order {
    fn is_drawn(&self) -> bool {
        *self == Order::Drawn
    }
}

/// The first images of each class in `order`, as many as its quota: largest remainders, ties to the lower class.
fn proportional(order: &[u32], labels: &[u8], size: usize) -> Vec<u32> {
    let mut counts = [0usize; 256];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    let total = labels.len().max(1);
    let mut quotas: Vec<usize> = counts.iter().map(|&count| count * size / total).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&class| (std::cmp::Reverse(counts[class] * size % total), class));
    let missing = size - quotas.iter().sum::<usize>();
    for &class in &by_remainder[..missing] {
        quotas[class] += 1;
    }
    let mut chosen = Vec::with_capacity(size);
    for &index in order {
        let quota = &mut quotas[usize::from(labels[index as usize])];
        if *quota > 0 {
            *quota -= 1;
            chosen.push(index);
        }
    }
    chosen
}

/// The images of `split` that `subset` chooses with one of two streams, in their old order.
///
/// # Errors
/// As [`Subset::indices`].
pub fn subset(split: &Split, subset: &Subset, own: &Stream, shared: &Stream) -> Result<Split, DatasetError> {
    Ok(split.select(&subset.indices(&split.labels, own, shared)?))
}

#[cfg(test)]
mod tests;
