//! `onebasin compare`: the accuracies of several results folders side by side.

use anyhow::{Context, anyhow};

use super::{Failure, Verdict, at_least_two, unwritable};
use crate::cli;
use crate::console;
use crate::drawing::MethodRow;
use crate::report::beside;
use crate::table::Row;
use crate::whole_file::make_folder;

/// Writes `beside.csv`, `beside.md` and a picture.
pub fn compare(arguments: &cli::Compare) -> Result<Verdict, Failure> {
    at_least_two(&arguments.folders, "results folders")?;
    let to = &arguments.to;
    if beside::holds_results(to) {
        let problem = format!("`{}` holds the results of a run, and `{}` among them would be written over", to.display(), MethodRow::FILE);
        return Err(Failure::Input(anyhow!("{problem}\nhint: choose another folder with `--to DIR`")));
    }
    let read = beside::read(&arguments.folders).map_err(Failure::Input)?;
    make_folder(to).with_context(|| format!("cannot make the folder `{}`", to.display())).map_err(unwritable)?;
    beside::write(&read, to).map_err(unwritable)?;
    console::note(&format!("the tables are in `{}`", to.display()));
    Ok(Verdict::Fine)
}
