//! `onebasin check`: our figures against reported or earlier ones.

use super::setting::Setting;
use super::{Failure, Verdict};
use crate::cli;
use crate::console;
use crate::report;

/// Compares the results of a spec with a file; says no when a figure is out of its band.
pub fn check(arguments: &cli::Check) -> Result<Verdict, Failure> {
    let setting = Setting::read(&arguments.spec, &arguments.shared, false)?;
    let results = arguments.shared.results.join(&setting.experiment.name);
    let compared = report::check(&results, &arguments.against).map_err(Failure::Input)?;
    if arguments.json {
        console::data(&serde_json::to_string_pretty(&compared).map_err(Failure::running)?);
    } else {
        let width = compared.iter().map(|row| row.cell.len()).max().unwrap_or(0);
        let lines = compared.iter().map(|row| {
            let ours = row.ours.map_or("absent".to_owned(), |ours| format!("{ours:.4}"));
            let verdict = if row.holds() { "fine" } else { "OUT" };
            format!("{verdict:<4}  {:<width$}  {ours:>8}  {:.4} to {:.4}", row.cell, row.low, row.high)
        });
        console::data(&lines.collect::<Vec<_>>().join("\n"));
    }
    Ok(if compared.iter().all(report::Compared::holds) { Verdict::Fine } else { Verdict::No })
}
