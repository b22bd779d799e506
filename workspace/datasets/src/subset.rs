use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::split::Split;

/// The part of the training images that a model sees: a share of them or a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl Subset {
    /// A fraction of the images.
    pub fn share(share: f64) -> Subset {
        Subset { share: Some(share), count: None, stratified: false }
    }

    /// A number of images.
    pub fn count(count: usize) -> Subset {
        Subset { share: None, count: Some(count), stratified: false }
    }

    /// The same, every class in proportion.
    pub fn stratified(self) -> Subset {
        Subset { stratified: true, ..self }
    }

    /// How many of `available` images this is; a share is rounded to the nearest image, at least 1.
    ///
    /// # Errors
    /// When neither or both of `share` and `count` are given, or the value is out of range.
    pub fn size(&self, available: usize) -> Result<usize, DatasetError> {
        let wrong = |key, expected: String, got: String, hint: &str| Err(DatasetError::Setting { key, expected, got, hint: hint.into() });
        match (self.share, self.count) {
            (Some(share), None) if share > 0.0 && share <= 1.0 => {
                Ok(((available as f64 * share).round() as usize).clamp(1, available.max(1)))
            }
            (Some(share), None) => {
                wrong("subset.share", "a number above 0, at most 1".into(), share.to_string(), "`share = 0.5` takes half of the images")
            }
            (None, Some(count)) if count >= 1 && count <= available => Ok(count),
            (None, Some(count)) => wrong(
                "subset.count",
                format!("a whole number from 1 to {available}, the images there are"),
                count.to_string(),
                "`share = 1.0` takes all of them",
            ),
            (None, None) => wrong("subset", "`share` or `count`".into(), "neither".into(), "write `subset = { share = 0.5 }`"),
            (Some(_), Some(_)) => wrong("subset", "`share` or `count`".into(), "both".into(), "keep one of them"),
        }
    }

    /// The indices of the chosen images, ascending, out of those with these labels.
    ///
    /// The choice depends on the stream and the labels alone. For unstratified subsets of one stream a smaller one is part of a larger one.
    ///
    /// # Errors
    /// As [`Subset::size`].
    pub fn indices(&self, labels: &[u8], stream: &Stream) -> Result<Vec<u32>, DatasetError> {
        let size = self.size(labels.len())?;
        let order = stream.shuffled(labels.len());
        let mut chosen = if self.stratified { proportional(&order, labels, size) } else { order[..size.min(order.len())].to_vec() };
        chosen.sort_unstable();
        Ok(chosen)
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

/// The images of `split` that `subset` chooses with `stream`, in their old order.
///
/// # Errors
/// As [`Subset::size`].
pub fn subset(split: &Split, subset: &Subset, stream: &Stream) -> Result<Split, DatasetError> {
    Ok(split.select(&subset.indices(&split.labels, stream)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<u8> {
        // 60 of class 0, 30 of class 1, 10 of class 3.
        [vec![0; 60], vec![1; 30], vec![3; 10]].concat()
    }

    fn histogram(labels: &[u8], indices: &[u32]) -> [usize; 4] {
        let mut counts = [0; 4];
        indices.iter().for_each(|&index| counts[usize::from(labels[index as usize])] += 1);
        counts
    }

    #[test]
    fn a_stratified_subset_keeps_the_proportions() {
        let labels = labels();
        let stream = Stream::root(1).child("subset");
        let indices = Subset::share(0.5).stratified().indices(&labels, &stream).unwrap();
        assert_eq!(histogram(&labels, &indices), [30, 15, 0, 5]);
        // 7 of 100: 4.2, 2.1 and 0.7 images; the largest remainder is class 3's.
        let indices = Subset::count(7).stratified().indices(&labels, &stream).unwrap();
        assert_eq!(histogram(&labels, &indices), [4, 2, 0, 1]);
        assert!(indices.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn a_smaller_subset_of_one_stream_is_part_of_a_larger_one_and_another_stream_chooses_others() {
        let labels = labels();
        let stream = Stream::root(1).child("subset");
        let small = Subset::count(10).indices(&labels, &stream).unwrap();
        let large = Subset::share(0.4).indices(&labels, &stream).unwrap();
        assert_eq!((small.len(), large.len()), (10, 40));
        assert!(small.iter().all(|index| large.contains(index)));
        assert_ne!(small, Subset::count(10).indices(&labels, &Stream::root(2)).unwrap());
        assert_eq!(small, Subset::count(10).indices(&labels, &stream).unwrap());
    }

    #[test]
    fn a_subset_out_of_range_says_which_key_and_which_value() {
        for (subset, words) in [
            (Subset::share(0.0), ["`subset.share`", "`0`"]),
            (Subset::share(1.5), ["at most 1", "`1.5`"]),
            (Subset::share(f64::NAN), ["`subset.share`", "`NaN`"]),
            (Subset::count(0), ["`subset.count`", "`0`"]),
            (Subset::count(101), ["from 1 to 100", "`101`"]),
            (Subset { share: None, count: None, stratified: true }, ["`share` or `count`", "`neither`"]),
            (Subset { share: Some(0.5), count: Some(3), stratified: false }, ["`share` or `count`", "`both`"]),
        ] {
            let text = subset.indices(&labels(), &Stream::root(1)).unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_errors_and_the_written_form_is_read_back() {
        assert!(serde_json::from_str::<Subset>(r#"{"share": 0.5, "seed": 3}"#).unwrap_err().to_string().contains("`seed`"));
        let subset = Subset::count(7).stratified();
        let text = serde_json::to_string(&subset).unwrap();
        assert_eq!(text, r#"{"count":7,"stratified":true}"#);
        assert_eq!(serde_json::from_str::<Subset>(&text).unwrap(), subset);
    }
}
