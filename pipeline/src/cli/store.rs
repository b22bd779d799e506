//! Arguments of `store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `store`.
#[derive(Debug, Args)]
pub struct Store {
    /// What to do; without it, the size is shown.
    #[command(subcommand)]
    pub action: Option<StoreAction>,
    /// Where artifacts are kept [default: .store, here or in the nearest folder above that has one]
    #[arg(long, value_name = "DIR", env = "ONEBASIN_STORE", global = true)]
    pub store: Option<PathBuf>,
    /// Print for a program
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Remove the artifacts that no given spec needs, under any of its profiles; without `--delete`, list them
    Gc(Gc),
}

/// `store gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Specs whose artifacts stay, or folders of them
    #[arg(required = true, value_name = "SPEC|FOLDER")]
    pub specs: Vec<PathBuf>,
    /// Remove them
    #[arg(long, visible_alias = "yes")]
    pub delete: bool,
    /// Also remove what was made of data that is not here now
    #[arg(long)]
    pub forget_absent_data: bool,
    /// Where files of data sets are looked for first; then $ONEBASIN_DATA, the folder of the spec, the cache
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}
