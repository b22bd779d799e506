//! All tables of an experiment, each a list of typed rows.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::Row;

/// Rows by their file.
#[derive(Default)]
pub struct Tables {
    files: BTreeMap<&'static str, Box<dyn File>>,
}

/// The rows of one file, whatever their type.
trait File: Send {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn sort(&mut self);
    fn write(&self, path: &Path) -> Result<()>;
}

impl<R: Row> File for Vec<R> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn sort(&mut self) {
        self.sort_by(Row::order);
    }

    fn write(&self, path: &Path) -> Result<()> {
        R::table(self).write(path)
    }
}

impl Tables {
    /// Makes sure that a file is written even without rows.
    pub fn declare<R: Row>(&mut self) {
        self.extend::<R>([]);
    }

    /// Adds rows to their file.
    ///
    /// # Panics
    /// When two types of rows name one file.
    pub fn extend<R: Row>(&mut self, rows: impl IntoIterator<Item = R>) {
        let file = self.files.entry(R::FILE).or_insert_with(|| Box::new(Vec::<R>::new()));
        let known = file.as_any_mut().downcast_mut::<Vec<R>>().expect("a file has rows of one type");
        known.extend(rows);
    }

    /// The rows of a file; none where nothing was added.
    pub fn of<R: Row>(&self) -> &[R] {
        self.files.get(R::FILE).and_then(|file| file.as_any().downcast_ref::<Vec<R>>()).map_or(&[], Vec::as_slice)
    }

    /// Puts the rows of every file into its order.
    pub fn sort(&mut self) {
        self.files.values_mut().for_each(|file| file.sort());
    }

    /// Writes every file into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|(name, file)| file.write(&folder.join(name)))
    }
}
