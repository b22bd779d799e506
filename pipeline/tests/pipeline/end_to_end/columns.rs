//! Columns of the tables: one type each, enough digits, no negative zero.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use polars::prelude::{CsvReadOptions, DataType, SerReader};

use super::rows::Rows;
use super::shared::everything;

fn tables(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect();
    files.sort();
    files
}

/// The columns that hold something with the types that a reader finds who looks at every row.
fn types(path: &Path) -> Vec<(String, DataType)> {
    let reader = CsvReadOptions::default().with_infer_schema_length(None).try_into_reader_with_file_path(Some(path.to_owned()));
    let frame = reader.unwrap().finish().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let filled = frame.columns().iter().filter(|column| column.null_count() < column.len());
    filled.map(|column| (column.name().to_string(), column.dtype().clone())).collect()
}

#[test]
fn every_column_has_one_type_in_all_tables_and_no_number_is_a_negative_zero() {
    let mut known: BTreeMap<String, (DataType, PathBuf)> = BTreeMap::new();
    let files = tables(&everything().path().join("results/smoke"));
    assert!(files.len() > 18, "{files:?}");
    for path in files {
        for (column, found) in types(&path) {
            let (expected, first) = known.entry(column.clone()).or_insert_with(|| (found.clone(), path.clone()));
            assert_eq!(*expected, found, "`{column}` in `{}` and in `{}`", first.display(), path.display());
        }
        let text = fs::read_to_string(&path).unwrap();
        for cell in text.lines().flat_map(|line| line.split(',')).filter(|cell| cell.starts_with('-')) {
            assert!(cell.parse::<f64>().is_ok_and(|value| value != 0.0), "`{cell}` in `{}`", path.display());
        }
    }
    for (column, expected) in [("models", DataType::Int64), ("names", DataType::String), ("loss", DataType::Float64)] {
        assert_eq!(known[column].0, expected, "{column}");
    }
}

#[test]
fn numbers_have_the_first_seven_digits_of_what_was_measured() {
    let place = everything();
    let merged = Rows::read(place, "merged.csv");
    for row in &merged.rows {
        let stage = merged.text(row, "stage");
        let entry = place.entries().into_iter().find(|entry| entry.file_name().unwrap().to_str().unwrap().starts_with(stage)).unwrap();
        let text = fs::read_to_string(entry.join("evaluation.json")).unwrap();
        let measured: serde_json::Value = serde_json::from_str(&text).unwrap();
        let split = measured.as_array().unwrap().iter().find(|item| item["split"] == merged.text(row, "split")).unwrap();
        for figure in ["loss", "accuracy"] {
            let (exact, written) = (split[figure].as_f64().unwrap(), merged.number(row, figure));
            assert!((exact - written).abs() <= 5.1e-7 * exact, "{figure} {exact} is written {written}");
        }
    }
}

#[test]
fn every_row_that_follows_from_measurements_names_a_stage() {
    let place = everything();
    for name in ["summary.csv", "by-models.csv", "pairwise.csv", "seeds.csv", "classes.csv"] {
        let table = Rows::read(place, name);
        assert_eq!(table.columns.last().unwrap(), "stage", "{name}");
        let fingerprints: Vec<String> =
            place.entries().iter().map(|entry| entry.file_name().unwrap().to_str().unwrap()[..12].to_owned()).collect();
        for row in &table.rows {
            assert!(fingerprints.iter().any(|fingerprint| fingerprint == table.text(row, "stage")), "{name}: {row:?}");
        }
    }
    // One merged model is one stage, the mean over end points is several.
    let (summary, merged) = (Rows::read(place, "summary.csv"), Rows::read(place, "merged.csv"));
    let of = |method: &str| summary.text(summary.with(&[("method", method), ("metric", "loss"), ("split", "test")])[0], "stage").to_owned();
    assert_eq!(of("c2m3"), merged.text(merged.with(&[("method", "c2m3"), ("models", "3")])[0], "stage"));
    let timings = Rows::read(place, "timings.csv");
    assert_eq!(of("endpoints"), timings.text(timings.with(&[("stage", "tabulate")])[0], "fingerprint"));
}

#[test]
fn every_file_of_a_run_that_measures_everything_stands_in_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for path in tables(&everything().path().join("results/smoke")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("| `{name}` | ")), "the section `Results files` does not tell `{name}`");
    }
}

#[test]
fn classes_are_listed_with_their_images() {
    let classes = Rows::read(everything(), "classes.csv");
    assert_eq!(classes.columns.join(","), "dataset,label,class,train,test,stage");
    let counts: Vec<usize> = ["train", "test"].map(|split| classes.rows.iter().map(|row| classes.number(row, split) as usize).sum()).into();
    assert_eq!((classes.rows.len(), counts[1]), (10, 500), "{counts:?}");
}

#[test]
fn learning_curves_fall_from_the_first_row_to_the_last_step_of_every_training() {
    let curves = Rows::read(everything(), "learning-curves.csv");
    assert_eq!(curves.columns.join(","), "dataset,architecture,replicate,model,steps,epochs,loss,rate,stage");
    for model in ["a", "b", "c"] {
        let rows = curves.with(&[("model", model)]);
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        assert!((2..=200).contains(&rows.len()) && curves.number(last, "epochs") == 3.0, "{model}: {} rows, {last:?}", rows.len());
        assert!(curves.number(last, "loss") < 0.5 * curves.number(first, "loss"), "{model}");
    }
    assert!(everything().plot("learning-curves-tiny-glyphs-mlp.svg").exists());
}
