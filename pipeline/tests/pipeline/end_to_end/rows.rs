//! The rows of a published table, by the names of their columns.

use std::fs;

use super::place::Place;

pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Rows {
    pub fn read(place: &Place, name: &str) -> Rows {
        Rows::parse(&fs::read_to_string(place.result(name)).unwrap())
    }

    /// Of a file without quotes.
    pub fn parse(text: &str) -> Rows {
        assert!(!text.contains('"'), "quotes are not read here: {text}");
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Rows { columns: lines.next().unwrap(), rows: lines.collect() }
    }

    pub fn text<'t>(&'t self, row: &'t [String], column: &str) -> &'t str {
        &row[self.columns.iter().position(|name| name == column).unwrap_or_else(|| panic!("no `{column}` in {:?}", self.columns))]
    }

    pub fn number(&self, row: &[String], column: &str) -> f64 {
        self.text(row, column).parse().unwrap()
    }

    /// The rows that have these texts.
    pub fn with(&self, wanted: &[(&str, &str)]) -> Vec<&Vec<String>> {
        self.rows.iter().filter(|row| wanted.iter().all(|(column, value)| self.text(row, column) == *value)).collect()
    }
}
