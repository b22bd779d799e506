//! Data sets in memory: each opened once a process, however many stages look at it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use onebasin_datasets::{Dataset, Normalisation, SearchPaths, Split, open};

use crate::identity::Part;
use crate::task::{Task, Validation};

/// The data sets that stages share, by content.
#[derive(Debug)]
pub struct DatasetCache {
    places: SearchPaths,
    opened: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// Filled by the first that asks, while others of the same data set wait.
type Slot = Mutex<Option<Opened>>;

/// A data set, and the training images put aside.
#[derive(Clone, Debug)]
struct Opened {
    dataset: Arc<Dataset>,
    validation: Option<Arc<Split>>,
}

impl DatasetCache {
    /// Nothing opened yet; files are looked for in `places`.
    pub fn new(places: SearchPaths) -> DatasetCache {
        DatasetCache { places, opened: Mutex::new(BTreeMap::new()) }
    }

    /// Where files are looked for.
    pub fn places(&self) -> &SearchPaths {
        &self.places
    }

    /// The data set of a task, without the training images that are put aside.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the plan names: its files have changed since. The next that asks tries again.
    pub fn of(&self, task: &Task) -> Result<Arc<Dataset>> {
        Ok(self.opened(task)?.dataset)
    }

    /// The training images of a task that no training sees.
    ///
    /// # Errors
    /// As [`DatasetCache::of`]; and when none are put aside.
    pub fn validation(&self, task: &Task) -> Result<Arc<Split>> {
        self.opened(task)?.validation.context("no training images are put aside for validation")
    }

    fn opened(&self, task: &Task) -> Result<Opened> {
        let name = task.content_recipe().to_string();
        let slot = self.opened.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone();
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*slot {
            return Ok(opened.clone());
        }
        let dataset = open(&task.source, &self.places).context("cannot open the data set")?;
        let found = dataset.digest.to_string();
        if found != task.digest {
            return Err(Changed { dataset: dataset.name.clone(), planned: task.digest.clone(), found }.into());
        }
        tracing::debug!(dataset = %dataset.name, digest = %found, "data set opened");
        let (dataset, validation) = hold_out(dataset, task.validation.as_ref());
        let opened = Opened { dataset: Arc::new(dataset), validation: validation.map(Arc::new) };
        *slot = Some(opened.clone());
        Ok(opened)
    }
}

/// Puts training images aside.
pub fn hold_out(dataset: Dataset, validation: Option<&Validation>) -> (Dataset, Option<Split>) {
    let Some(Validation { share, stream }) = validation else { return (dataset, None) };
    let (train, held) = dataset.train.hold_out(*share, stream);
    (Dataset { train, ..dataset }, Some(held))
}

/// The files of a data set are others than those that the plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub dataset: String,
    /// The digest of its content when the run was planned.
    pub planned: String,
    /// The digest of what is there.
    pub found: String,
}

impl fmt::Display for Changed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        let (name, expected, got) = (&self.dataset, short(&self.planned), short(&self.found));
        write!(
            formatter,
            "data set `{name}` has changed since the run was planned: expected content `{expected}`, got `{got}`\nhint: run again"
        )
    }
}

impl std::error::Error for Changed {}

/// One half of a data set.
pub fn part(dataset: &Dataset, part: Part) -> &Split {
    match part {
        Part::Train => &dataset.train,
        Part::Test => &dataset.test,
    }
}

/// The images of one half that measurements look at.
pub fn measured<'a>(task: &Task, dataset: &'a Dataset, of: Part) -> Cow<'a, Split> {
    let split = part(dataset, of);
    match task.measured.of(of) {
        Some(images) if images < split.len() => Cow::Owned(split.select(&(0..images as u32).collect::<Vec<_>>())),
        _ => Cow::Borrowed(split),
    }
}

/// What the networks of a task see instead of bytes.
pub fn normalisation<'a>(task: &'a Task, dataset: &'a Dataset) -> &'a Normalisation {
    task.normalisation.as_ref().unwrap_or(&dataset.normalisation)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use onebasin_datasets::{Idx, Source, digest};
    use onebasin_network::{Blueprint, Graph, Shape};

    use super::*;

    /// Images of one pixel with these labels, the same for training and test.
    fn write(folder: &Path, labels: [u8; 2]) {
        for split in ["train", "t10k"] {
            std::fs::write(folder.join(format!("{split}-images-idx3-ubyte")), [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9])
                .unwrap();
            let labels = [&[0, 0, 8, 1, 0, 0, 0, 2], &labels[..]].concat();
            std::fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
        }
    }

    #[test]
    fn files_that_changed_since_the_plan_are_not_used_under_the_name_of_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), [0, 1]);
        let source = Source::Idx(Idx::in_directory(folder.path().to_str().unwrap()));
        let places = SearchPaths::offline([], folder.path().join("cache"));
        let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [2]}"#).unwrap();
        let architecture = blueprint.build(Shape { channels: 1, height: 1, width: 1 }, 10).unwrap();
        let planned = digest(&source, &places).unwrap().to_string();
        let task = Task {
            source,
            digest: planned.clone(),
            normalisation: None,
            trained: Graph::build(&architecture).unwrap(),
            graph: Graph::build(&architecture).unwrap(),
            others: Vec::new(),
            device: "cpu".to_owned(),
            measured: Default::default(),
            validation: None,
        };
        assert_eq!(DatasetCache::new(places.clone()).of(&task).unwrap().train.labels, [0, 1]);

        write(folder.path(), [1, 0]);
        let datasets = DatasetCache::new(places.clone());
        let text = datasets.of(&task).unwrap_err().to_string();
        let found = digest(&task.source, &places).unwrap();
        for words in [&format!("expected content `{}`", &planned[..12]), &format!("got `{}`", found.short()), "hint: run again"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        // With the files back the same process reads them.
        write(folder.path(), [0, 1]);
        assert_eq!(datasets.of(&task).unwrap().train.labels, [0, 1]);
    }
}
