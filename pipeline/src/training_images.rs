//! Which training images a model sees, and how many of each class.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anyhow::{Context, Result};
use onebasin_datasets::{DatasetError, Order, Split, Subset, subset};
use onebasin_repro::Stream;
use serde_json::{Value, json};

/// Images of several models, on which what is merged of them is trained: of each all that it sees, or so many, drawn once.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The part that each model sees, with the streams of all models and its own.
    pub models: Vec<(Option<Subset>, [Stream; 2])>,
    /// Of each.
    pub count: Option<usize>,
}

impl Replay {
    /// The images, in their old order, each once.
    ///
    /// # Errors
    /// When the images do not have what a subset asks for, or a model sees fewer than are drawn.
    pub fn images(&self, all: &Split) -> Result<Split> {
        let mut chosen = BTreeSet::new();
        for (part, streams) in &self.models {
            let [shared, own] = streams.each_ref().map(|stream| stream.child("subset"));
            let seen = match part {
                None => (0..all.len() as u32).collect(),
                Some(part) => part.indices(&all.labels, &own, &shared).context("cannot choose the subset")?,
            };
            match self.count {
                None => chosen.extend(seen),
                Some(count) => {
                    if count > seen.len() {
                        let (expected, got) = (format!("at most the {} images that a model sees", seen.len()), count.to_string());
                        return Err(DatasetError::Setting { key: "replay", expected, got, hint: "lower it".to_owned() }.into());
                    }
                    let order = streams[1].child("replay").shuffled(seen.len());
                    chosen.extend(order[..count].iter().map(|&place| seen[place as usize]));
                }
            }
        }
        Ok(all.select(&chosen.into_iter().collect::<Vec<_>>()))
    }

    /// How many images these are, about, before labels are read: images that several models see are counted for each.
    pub fn rough_size(&self, available: usize, classes: usize) -> usize {
        let seen = |part: &Option<Subset>| part.as_ref().map_or(available, |part| part.rough_size(available, classes));
        self.models.iter().map(|(part, _)| self.count.unwrap_or_else(|| seen(part))).sum::<usize>().min(available)
    }

    /// As a recipe says it.
    pub fn recipe(&self) -> Value {
        let model = |(part, [shared, own]): &(Option<Subset>, [Stream; 2])| {
            let shares = part.as_ref().is_some_and(|part| part.order == Order::Shared);
            json!({ "subset": part, "stream": own.path(), "shared-stream": shares.then(|| shared.path()) })
        };
        json!({ "models": self.models.iter().map(model).collect::<Vec<_>>(), "count": self.count })
    }
}

/// The training images of a model: all, or the part that its subset takes. The first stream is that of all models of a replicate, the second
/// the model's own.
///
/// # Errors
/// When the images do not have what the subset asks for.
pub fn training_images<'a>(all: &'a Split, part: Option<&Subset>, streams: &[Stream; 2]) -> Result<Cow<'a, Split>> {
    let Some(part) = part else { return Ok(Cow::Borrowed(all)) };
    let [shared, own] = streams.each_ref().map(|stream| stream.child("subset"));
    Ok(Cow::Owned(subset(all, part, &own, &shared).context("cannot choose the subset")?))
}

/// How many of some labels are of each class.
pub fn class_counts(labels: &[u8], classes: usize) -> Vec<usize> {
    (0..classes).map(|class| labels.iter().filter(|&&label| usize::from(label) == class).count()).collect()
}

#[cfg(test)]
mod tests {
    use onebasin_datasets::SubsetPart;

    use super::*;

    #[test]
    fn a_replay_has_so_many_images_of_each_model_and_grows_by_those_of_the_next() {
        let all = Split { shape: (1, 1, 1), classes: 4, pixels: (0..40).collect(), labels: (0..40).map(|image| image % 4).collect() };
        let of = |labels: [u8; 2]| {
            let part = SubsetPart { labels: Some(labels.to_vec()), ..SubsetPart::default() };
            let streams = [Stream::root(1), Stream::root(1).child(format!("{labels:?}"))];
            (Some(Subset::parts(vec![part], Order::File)), streams)
        };
        let images = |models: &[[u8; 2]], count| {
            let replay = Replay { models: models.iter().map(|&labels| of(labels)).collect(), count };
            replay.images(&all)
        };
        let first = images(&[[0, 1]], Some(5)).unwrap();
        let both = images(&[[0, 1], [2, 3]], Some(5)).unwrap();
        assert_eq!((first.len(), both.len()), (5, 10));
        assert!(first.labels.iter().all(|&label| label < 2));
        assert!(first.pixels.iter().all(|image| both.pixels.contains(image)), "those of earlier models are kept");
        assert_eq!(images(&[[0, 1], [2, 3]], None).unwrap(), all);
        let about = |count| Replay { models: vec![of([0, 1]), of([2, 2])], count }.rough_size(40, 4);
        assert_eq!([Some(5), None].map(about), [10, 30]);
        assert!(images(&[[0, 1]], Some(21)).unwrap_err().to_string().contains("at most the 20 images"));
    }
}
