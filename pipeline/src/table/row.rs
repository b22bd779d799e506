//! Typed rows: one declaration of a row gives the header of its CSV file, its writer and its reader.

use std::cmp::Ordering;
use std::path::Path;

use anyhow::Result;

use super::{Csv, Table};

/// A row of one CSV file. The macro `row!` declares it.
pub trait Row: Columns + Clone + Send + 'static {
    /// The name of the file.
    const FILE: &'static str;

    /// The order of rows in the file; equal rows stay as they came.
    fn order(&self, other: &Self) -> Ordering;

    /// The rows as columns.
    fn table(rows: &[Self]) -> Table {
        Self::add(Table::new(), "", rows.iter())
    }

    /// The rows of the file in a folder.
    ///
    /// # Errors
    /// When the file is absent or malformed.
    fn read_from(folder: &Path) -> Result<Vec<Self>> {
        <Self as Columns>::read(&Csv::read(&folder.join(Self::FILE))?, "")
    }

    /// The rows of the file in a folder, none where it is absent.
    ///
    /// # Errors
    /// When the file is malformed.
    fn read_if_present(folder: &Path) -> Result<Vec<Self>> {
        if folder.join(Self::FILE).exists() { Self::read_from(folder) } else { Ok(Vec::new()) }
    }
}

/// A field of a row: one column, or several that belong together.
pub trait Columns: Sized {
    /// Adds the columns of these values. `name` is what a single column is called.
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table
    where
        Self: 'a;

    /// Reads the columns back.
    ///
    /// # Errors
    /// A column that is absent, or a cell that is not of this type.
    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>>;
}

impl Columns for String {
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        table.text(name, values)
    }

    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>> {
        csv.texts(name)
    }
}

impl Columns for usize {
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        table.whole(name, values.copied())
    }

    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>> {
        csv.wholes(name)
    }
}

impl Columns for Option<usize> {
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        table.text(name, values.map(|value| value.map(|value| value.to_string()).unwrap_or_default()))
    }

    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>> {
        csv.parsed(name, "a whole number", |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) })
    }
}

impl Columns for f64 {
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        table.number(name, values.map(|value| Some(*value)))
    }

    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>> {
        csv.required(name)
    }
}

impl Columns for Option<f64> {
    fn add<'a>(table: Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        table.number(name, values.copied())
    }

    fn read(csv: &Csv, name: &str) -> Result<Vec<Self>> {
        csv.numbers(name)
    }
}

/// Makes a struct a group of columns: each field is a column, or several, in this order.
macro_rules! columns {
    ($name:ident { $( $field:ident: $type:ty ),* $(,)? }) => {
        impl $crate::table::Columns for $name {
            fn add<'a>(
                table: $crate::table::Table,
                _: &str,
                values: impl Iterator<Item = &'a Self> + Clone,
            ) -> $crate::table::Table {
                $( let table = <$type as $crate::table::Columns>::add(table, stringify!($field), values.clone().map(|row| &row.$field)); )*
                table
            }

            fn read(csv: &$crate::table::Csv, _: &str) -> anyhow::Result<Vec<Self>> {
                $( let mut $field = <$type as $crate::table::Columns>::read(csv, stringify!($field))?.into_iter(); )*
                let mut rows = Vec::with_capacity(csv.height());
                while let ($( Some($field), )*) = ($( $field.next(), )*) {
                    rows.push($name { $( $field, )* });
                }
                Ok(rows)
            }
        }
    };
}
pub(crate) use columns;

/// Declares a row and the file it is a row of. Its fields are its columns, see [`columns!`]. `order` compares two rows.
macro_rules! row {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident in $file:literal, order $order:expr;
        { $( $(#[$field_meta:meta])* $field:ident: $type:ty ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $visibility struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        $crate::table::columns!($name { $( $field: $type ),* });

        impl $crate::table::Row for $name {
            const FILE: &'static str = $file;

            fn order(&self, other: &Self) -> std::cmp::Ordering {
                let order: fn(&Self, &Self) -> std::cmp::Ordering = $order;
                order(self, other)
            }
        }
    };
}
pub(crate) use row;

/// Makes a type that is `Display` and `FromStr` a column of text.
macro_rules! text_column {
    ($type:ty, $expected:literal) => {
        impl $crate::table::Columns for $type {
            fn add<'a>(table: $crate::table::Table, name: &str, values: impl Iterator<Item = &'a Self> + Clone) -> $crate::table::Table {
                table.text(name, values.map(ToString::to_string))
            }

            fn read(csv: &$crate::table::Csv, name: &str) -> anyhow::Result<Vec<Self>> {
                csv.parsed(name, $expected, |text| text.parse().ok())
            }
        }
    };
}
pub(crate) use text_column;

#[cfg(test)]
mod tests {
    use super::*;

    row! {
        /// A row of every kind of column.
        struct Sample in "sample.csv", order |a, b| a.name.cmp(&b.name);
        {
            name: String,
            count: usize,
            width: Option<usize>,
            value: f64,
            step: Option<f64>,
        }
    }

    #[test]
    fn a_row_is_read_back_as_it_was_written() {
        let rows = [
            Sample { name: "a,c".to_owned(), count: 3, width: None, value: 0.25, step: Some(-1.5) },
            Sample { name: "b".to_owned(), count: 0, width: Some(16), value: 2.0, step: None },
        ];
        let bytes = Sample::table(&rows).bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text.lines().next(), Some("name,count,width,value,step"));
        assert_eq!(Sample::read(&Csv::parse(&bytes, "sample.csv").unwrap(), "").unwrap(), rows);
    }

    #[test]
    fn a_cell_of_another_type_is_named_by_its_row() {
        let csv = Csv::parse(b"name,count,width,value,step\na,1.5,,1,\n", "sample.csv").unwrap();
        assert_eq!(Sample::read(&csv, "").unwrap_err().to_string(), "`sample.csv`, row 2: `count` is `1.5`, expected a whole number");
    }
}
