//! `onebasin compare`: the accuracies of several results folders side by side.

use anyhow::Context;

use super::{Failure, Verdict, unwritable};
use crate::cli;
use crate::console;
use crate::report::beside;

/// Writes `beside.csv`, `beside.md` and a picture.
pub fn compare(arguments: &cli::Compare) -> Result<Verdict, Failure> {
    let read = beside::read(&arguments.folders).map_err(Failure::Input)?;
    std::fs::create_dir_all(&arguments.to)
        .with_context(|| format!("cannot make the folder `{}`", arguments.to.display()))
        .map_err(unwritable)?;
    beside::write(&read, &arguments.to).map_err(unwritable)?;
    console::note(&format!("the tables are in `{}`", arguments.to.display()));
    Ok(Verdict::Fine)
}
