//! `onebasin check`: our figures against reported or earlier ones.

use serde_json::json;

use super::session::Session;
use super::{Failure, Verdict};
use crate::baseline::{self, Changed, Recipes};
use crate::cli;
use crate::console::{self, columns};

use crate::plan::Plan;
use crate::report::{self, Compared};

/// Compares the results of a spec with a file; says no when a figure is out of its band, and what may have moved it.
pub fn check(arguments: &cli::Check) -> Result<Verdict, Failure> {
    let session = Session::read(&arguments.spec, &arguments.shared, false)?;
    let results = arguments.shared.results.join(&session.experiment.name);
    // Fingerprints tell of recipes only where the data are.
    let digests = session.digests();
    let plan = session.plan(&digests, &arguments.shared)?;
    // Without the data no fingerprint is known, and nothing can be said.
    let foreign = |rows: &[Compared]| {
        let known = digests.absent.is_empty();
        known && rows.iter().flat_map(|row| &row.stages).any(|stage| !Recipes::plans(&plan, stage))
    };
    let elsewhere = format!("the results in `{}` were made at other settings than these, or by another version", results.display());
    if arguments.renew {
        if foreign(&report::made(&results).map_err(Failure::Input)?) {
            return Err(Failure::Input(anyhow::anyhow!("{elsewhere}\nhint: run the spec with the same profile and `--set` first")));
        }
        let (figures, differences) = report::renewed(&results, &arguments.against).map_err(Failure::Input)?;
        let none = vec!["nothing changes".to_owned()];
        console::data(&if differences.is_empty() { none } else { differences }.join("\n"))?;
        baseline::renew(&arguments.against, &figures, &Recipes::of(&plan)).map_err(Failure::Running)?;
        return Ok(Verdict::Fine);
    }
    let compared = report::check(&results, &arguments.against).map_err(Failure::Input)?;
    if foreign(&compared) {
        console::note(&format!("warning: {elsewhere}"));
    }
    let recipes = Recipes::beside(&arguments.against).map_err(Failure::Input)?;
    let reasons: Vec<Vec<Changed>> = compared.iter().map(|row| reasons(row, recipes.as_ref(), &plan)).collect();
    let fine = compared.iter().all(|row| row.holds);
    if arguments.json {
        let figures: Vec<_> = compared.iter().zip(&reasons).map(|(row, changed)| json!({ "figure": row, "changed": changed })).collect();
        console::data(&format!("{:#}", json!({ "holds": fine, "figures": figures })))?;
    } else {
        let row = |row: &Compared| {
            let ours = row.ours.map_or("absent".to_owned(), |ours| format!("{ours:.4}"));
            [row.cell.clone(), format!("{ours:>8}"), format!("{:.4} to {:.4}", row.low, row.high)]
        };
        let figures = columns(&compared.iter().map(row).collect::<Vec<_>>());
        let mut lines = Vec::new();
        for ((row, changed), figure) in compared.iter().zip(&reasons).zip(figures) {
            let verdict = console::word(if row.holds { "fine" } else { "OUT " });
            let mut line = format!("{verdict}  {figure}");
            if let Some(outside) = row.outside().filter(|_| !row.holds) {
                line.push_str(&format!("  off by {outside:.4}, made by {}", row.stages.join(", ")));
            }
            lines.push(line);
            lines.extend(changed.iter().map(|changed| format!("      {}: {}", changed.stage, changed.how)));
            let planned = digests.absent.is_empty() && row.stages.iter().all(|stage| Recipes::plans(&plan, stage));
            if !row.holds && row.ours.is_some() && recipes.is_some() && changed.is_empty() && planned {
                lines.push("      no recipe on the way to it changed: the program or the platform did".to_owned());
            }
        }
        console::data(&lines.join("\n"))?;
    }
    Ok(if fine { Verdict::Fine } else { Verdict::No })
}

/// What changed on the way to a figure out of its band, as far as the recipes of the expected one are known.
fn reasons(row: &Compared, recipes: Option<&Recipes>, plan: &Plan) -> Vec<Changed> {
    let Some(recipes) = recipes.filter(|_| !row.holds) else { return Vec::new() };
    let mut changed: Vec<Changed> = Vec::new();
    for found in row.stages.iter().flat_map(|stage| recipes.changed(plan, stage)) {
        if !changed.contains(&found) {
            changed.push(found);
        }
    }
    changed
}
