//! All tables of an experiment, each a list of typed rows.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Result;

use super::Row;

/// Rows by their file.
#[derive(Default)]
pub struct Tables {
    files: BTreeMap<&'static str, Box<dyn File>>,
    /// The first characters of the fingerprint of the stage that makes the tables.
    maker: String,
    /// What rows follow from and no file holds, by its type.
    kept: HashMap<TypeId, Box<dyn Any + Send>>,
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
    /// No rows yet. `maker` is the stage that makes the tables: the first characters of its fingerprint.
    pub fn made_by(maker: String) -> Tables {
        Tables { maker, ..Tables::default() }
    }

    /// The stage of a row that follows from the rows of others: theirs where they have one, else the one that makes the tables.
    pub fn stage_of<'a>(&self, stages: impl IntoIterator<Item = &'a str>) -> String {
        let mut stages = stages.into_iter();
        match stages.next() {
            Some(first) if stages.all(|other| other == first) => first.to_owned(),
            _ => self.maker.clone(),
        }
    }

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

    /// Keeps what rows follow from and no file holds.
    pub fn keep<T: Send + 'static>(&mut self, value: T) {
        let kept = self.kept.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Vec::<T>::new()));
        kept.downcast_mut::<Vec<T>>().expect("values under their own type").push(value);
    }

    /// What was kept of a type, in the order in which it came.
    pub fn kept<T: Send + 'static>(&self) -> &[T] {
        self.kept.get(&TypeId::of::<T>()).and_then(|kept| kept.downcast_ref::<Vec<T>>()).map_or(&[], Vec::as_slice)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_one_stage_names_it_and_a_row_of_several_the_maker_of_the_tables() {
        let tables = Tables::made_by("maker".to_owned());
        assert_eq!(tables.stage_of(["a", "a"]), "a");
        assert_eq!(tables.stage_of(["a", "b"]), "maker");
        assert_eq!(tables.stage_of([]), "maker");
    }
}
