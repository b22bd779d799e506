//! `report`, `why`, `compare` and `diff`.

use std::path::PathBuf;

use clap::Args;

use super::Shared;

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Specs that have been run
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Tell what moved since another results folder, or since one at a revision of git: results/smoke@HEAD~3
    #[arg(long, value_name = "FOLDER")]
    pub since: Option<PathBuf>,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `why`.
#[derive(Clone, Debug, Args)]
pub struct Why {
    /// A table of a results folder: results/NAME/merged.csv, or a row of it: results/NAME/merged.csv:4
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A line of it, as editors count: the first row is line 2
    #[arg(value_name = "LINE")]
    pub line: Option<usize>,
    /// The rows with these values instead: `--where method=c2m3,models=5`
    #[arg(long, value_name = "COLUMN=VALUE,...", value_delimiter = ',', conflicts_with = "line")]
    pub r#where: Vec<String>,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Where artifacts are kept [default: .store, here or in the nearest folder above that has one]
    #[arg(long, value_name = "DIR", env = "ONEBASIN_STORE")]
    pub store: Option<PathBuf>,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Results folders, two or more, such as results/mpf-published results/mpf-fair
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<PathBuf>,
    /// The folder that beside.csv, beside.md and the picture are written to
    #[arg(long, value_name = "DIR", default_value = "results/beside")]
    pub to: PathBuf,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A results folder, such as results/smoke, or one at a revision of git: results/smoke@HEAD~3
    #[arg(value_name = "FOLDER")]
    pub first: PathBuf,
    /// Another one
    #[arg(value_name = "OTHER")]
    pub second: PathBuf,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
}
