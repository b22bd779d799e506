//! Tables of typed columns, written and read as CSV with polars.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use polars::prelude::{
    Column, CsvParseOptions, CsvReadOptions, CsvWriter, DataFrame, DataType, IntoColumn, NamedFrom, SerReader, SerWriter, Series,
};

use crate::input_file;
use crate::number;

/// A table under construction: columns in the order in which they are added.
#[derive(Default)]
pub struct Table {
    columns: Vec<Column>,
}

impl Table {
    /// A table without columns.
    pub fn new() -> Table {
        Table::default()
    }

    /// Adds a column of text; empty text becomes an empty cell.
    pub fn text<S: AsRef<str>>(mut self, name: &str, values: impl IntoIterator<Item = S>) -> Table {
        // Polars writes an empty text as two quotes, and nothing for none.
        let values: Vec<Option<String>> =
            values.into_iter().map(|value| Some(value.as_ref().to_owned()).filter(|text| !text.is_empty())).collect();
        self.columns.push(Series::new(name.into(), values).into_column());
        self
    }

    /// Adds a column of whole numbers.
    pub fn whole(mut self, name: &str, values: impl IntoIterator<Item = usize>) -> Table {
        let values: Vec<u64> = values.into_iter().map(|value| value as u64).collect();
        self.columns.push(Series::new(name.into(), values).into_column());
        self
    }

    /// Adds a column of numbers, as `number::csv` writes them; `None` becomes an empty cell.
    pub fn number(self, name: &str, values: impl IntoIterator<Item = Option<f64>>) -> Table {
        self.text(name, values.into_iter().map(|value| value.map(number::csv).unwrap_or_default()))
    }

    /// Writes the table as CSV.
    ///
    /// # Errors
    /// When the columns differ in length or the file cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        std::fs::write(path, self.bytes()?).with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// The table as CSV: a header, commas, line feeds, a fixed number of digits, so equal tables have equal bytes.
    ///
    /// # Errors
    /// When the columns differ in length.
    pub fn bytes(self) -> Result<Vec<u8>> {
        let mut frame = DataFrame::new_infer_height(self.columns).context("columns of one table must be equally long")?;
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes).finish(&mut frame)?;
        Ok(bytes)
    }
}

/// A CSV file in memory: every cell as text, columns found by name.
pub struct Csv {
    frame: DataFrame,
    origin: String,
}

impl Csv {
    /// Reads a CSV file with a header, as [`Table::write`] writes it.
    ///
    /// # Errors
    /// When the file is absent, no CSV, or cut off.
    pub fn read(path: &Path) -> Result<Csv> {
        let bytes = input_file::bytes(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        // Half a number is a number too.
        ensure!(bytes.ends_with(b"\n"), "`{}` is cut off: its last line has no end\nhint: make it anew", path.display());
        Csv::parse(&bytes, &path.display().to_string())
    }

    /// Reads CSV from memory; `origin` names it in errors.
    ///
    /// # Errors
    /// When the bytes are no CSV.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Csv> {
        even(bytes, origin)?;
        // Every column as text: the readers below say which cell is wrong, which polars' own inference cannot.
        let frame = CsvReadOptions::default()
            .with_infer_schema_length(Some(0))
            .with_parse_options(CsvParseOptions::default().with_try_parse_dates(false))
            .into_reader_with_file_handle(std::io::Cursor::new(bytes.to_vec()))
            .finish()
            .with_context(|| format!("`{origin}` is not a CSV file"))?;
        Ok(Csv { frame, origin: origin.to_owned() })
    }

    /// Number of rows below the header.
    pub fn height(&self) -> usize {
        self.frame.height()
    }

    /// The names of its columns.
    pub fn names(&self) -> Vec<&str> {
        self.frame.get_column_names().into_iter().map(|name| name.as_str()).collect()
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// A column as text, empty cells as empty text.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let column =
            self.frame.column(name).map_err(|_| anyhow!("`{}` has no column `{name}`, only {}", self.origin, self.names().join(", ")))?;
        let column = column.cast(&DataType::String)?;
        Ok(column.str()?.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect())
    }

    /// A column whose cells `parse` reads; `expected` says in an error what they should be.
    ///
    /// # Errors
    /// When there is no such column or a cell cannot be read; the error names the row.
    pub fn parsed<T>(&self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        let read = |(row, cell): (usize, String)| {
            let text = cell.trim();
            parse(text).ok_or_else(|| match text {
                "" => anyhow!("`{}`, row {}: `{name}` is empty, expected {expected}", self.origin, row + 2),
                text => anyhow!("`{}`, row {}: `{name}` is `{text}`, expected {expected}", self.origin, row + 2),
            })
        };
        self.texts(name)?.into_iter().enumerate().map(read).collect()
    }

    /// A column of numbers, empty cells as `None`.
    ///
    /// # Errors
    /// As [`Csv::parsed`].
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        self.parsed(name, "a number", |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) })
    }

    /// A column of whole numbers, none missing.
    ///
    /// # Errors
    /// As [`Csv::parsed`].
    pub fn wholes(&self, name: &str) -> Result<Vec<usize>> {
        self.parsed(name, "a whole number", |text| text.parse().ok())
    }

    /// A column of numbers of which none may be missing.
    ///
    /// # Errors
    /// As [`Csv::parsed`].
    pub fn required(&self, name: &str) -> Result<Vec<f64>> {
        self.parsed(name, "a number", |text| text.parse().ok())
    }
}

/// Fails where a line has more or fewer cells than the first one: polars fills in what is not there.
fn even(bytes: &[u8], origin: &str) -> Result<()> {
    let (mut line, mut begins, mut cells, mut is_quoted, mut is_empty) = (1, 1, 1, false, true);
    let mut expected = None;
    let last = (!bytes.ends_with(b"\n")).then_some(&b'\n');
    for byte in bytes.iter().chain(last) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => cells += 1,
            b'\n' if !is_quoted => {
                let expected = *expected.get_or_insert(cells);
                if cells != expected && !is_empty {
                    let cut = if cells < expected { ": the file may be cut off" } else { "" };
                    let found = if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") };
                    bail!("line {begins} of `{origin}` has {found}, expected {expected}{cut}");
                }
                (cells, is_empty, line) = (1, true, line + 1);
                begins = line;
                continue;
            }
            b'\n' => line += 1,
            _ => {}
        }
        is_empty &= *byte == b'\r';
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_numbers_their_digits_and_gaps_stay_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let table = Table::new()
            .text("name", ["b", "a,c"])
            .whole("count", [1, 20])
            .number("value", [Some(0.5), None])
            .number("error", [Some(-0.0), Some(1.25e-7)])
            .text("why", ["", "x"]);
        table.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "name,count,value,error,why\nb,1,0.5,0.0,\n\"a,c\",20,,1.25e-7,x\n");
        let csv = Csv::read(&path).unwrap();
        assert_eq!(csv.texts("name").unwrap(), ["b", "a,c"]);
        assert_eq!(csv.numbers("value").unwrap(), [Some(0.5), None]);
    }

    #[test]
    fn a_row_that_lacks_cells_is_no_row() {
        let error = |text: &str| Csv::parse(text.as_bytes(), "a.csv").err().map(|error| error.to_string());
        assert_eq!(error("a,b\n1,2\n\"x,\ny\",2\n").as_deref(), None, "what is quoted parts nothing");
        assert_eq!(error("a,b\r\n1,2\r\n\r\n").as_deref(), None);
        assert_eq!(error("a,b\n1,2\n0").unwrap(), "line 3 of `a.csv` has 1 cell, expected 2: the file may be cut off");
        assert_eq!(error("a,b\n1,2,3\n").unwrap(), "line 2 of `a.csv` has 3 cells, expected 2");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a,b\n1,0.5").unwrap();
        assert!(Csv::read(&path).err().unwrap().to_string().contains("is cut off: its last line has no end"));
    }

    #[test]
    fn a_wrong_cell_is_named_by_file_row_and_column() {
        let csv = Csv::parse(b"value\n1\ntwo\n", "figures.csv").unwrap();
        assert_eq!(csv.numbers("value").unwrap_err().to_string(), "`figures.csv`, row 3: `value` is `two`, expected a number");
        assert_eq!(csv.texts("other").unwrap_err().to_string(), "`figures.csv` has no column `other`, only value");
    }
}
