//! Data sets in memory: each opened once a process, however many stages look at it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use onebasin_datasets::{Dataset, Normalisation, Places, Split, open};

use crate::identity::Part;
use crate::task::Task;

/// The data sets that stages share, by content.
#[derive(Debug)]
pub struct DatasetCache {
    places: Places,
    opened: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// Filled by the first that asks, while others of the same data set wait.
type Slot = Mutex<Option<Arc<Dataset>>>;

impl DatasetCache {
    /// Nothing opened yet; files are looked for in `places`.
    pub fn new(places: Places) -> DatasetCache {
        DatasetCache { places, opened: Mutex::new(BTreeMap::new()) }
    }

    /// Where files are looked for.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The data set of a task.
    ///
    /// # Errors
    /// When it cannot be read; the next that asks tries again.
    pub fn of(&self, task: &Task) -> Result<Arc<Dataset>> {
        let slot = self.opened.lock().unwrap_or_else(PoisonError::into_inner).entry(task.digest.clone()).or_default().clone();
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = &*slot {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(open(&task.source, &self.places).context("cannot open the data set")?);
        *slot = Some(dataset.clone());
        Ok(dataset)
    }
}

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
    match task.measured {
        Some(images) if images < split.len() => Cow::Owned(split.select(&(0..images as u32).collect::<Vec<_>>())),
        _ => Cow::Borrowed(split),
    }
}

/// What the networks of a task see instead of bytes.
pub fn normalisation<'a>(task: &'a Task, dataset: &'a Dataset) -> &'a Normalisation {
    task.normalisation.as_ref().unwrap_or(&dataset.normalisation)
}
