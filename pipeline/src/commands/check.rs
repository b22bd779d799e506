//! `onebasin check`: our figures against reported or earlier ones.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::folders::Folders;
use super::session::Session;
use super::{Failure, Verdict};
use crate::baseline::{self, Changed, Recipes};
use crate::checksums;
use crate::cli;
use crate::console::{self, columns};
use crate::number::legible;
use crate::plan::Plan;
use crate::report::{self, Compared};
use crate::reported;
use crate::run_record::RunRecord;
use crate::spec;
use crate::table::Row as _;
use crate::untrained::{self, UntrainedRow};

/// Compares the results of a spec with a file; says no when a figure is out of its band, and what may have moved it.
pub fn check(arguments: &cli::Check) -> Result<Verdict, Failure> {
    let mut session = Session::read(&arguments.spec, &arguments.shared, false)?;
    let results = Folders::of(&arguments.shared).results_of(&session.experiment);
    session.one_setting(&results)?;
    let against = match &arguments.against {
        Some(file) => file.clone(),
        None => reported(&session)?,
    };
    // Fingerprints tell of recipes only where the data are.
    let digests = session.digests();
    let plan = session.plan(&digests, &arguments.shared)?;
    // Without the data no fingerprint is known, and nothing can be said.
    let known = digests.absent.is_empty();
    let foreign = |rows: &[Compared]| known && rows.iter().flat_map(|row| &row.stages).any(|stage| !Recipes::plans(&plan, stage));
    let record = RunRecord::read(&results);
    let made = record.as_ref().map(|record| format!(" (with {})", record.settings_text())).unwrap_or_default();
    let is_edited = record.as_ref().is_some_and(|record| record.settings != session.experiment.origin.settings);
    // A row may be made by the very stage that the plan has, and be another method's or of fewer replicates than it has now.
    let has_moved = known && is_edited && record.as_ref().is_some_and(|record| !record.is_of(&plan));
    let other_data = record.as_ref().map(|record| record.other_data(&digests.found)).unwrap_or_default();
    if let Some(altered) = checksums::altered_text(&results) {
        return Err(Failure::Input(anyhow!("{altered}\nhint: run the spec again: it writes the tables anew")));
    }
    let elsewhere = format!("the results in `{}` were made at other settings than these{made}, or by another version", results.display());
    if arguments.renew {
        if has_moved || foreign(&report::made(&results).map_err(Failure::Input)?) {
            return Err(Failure::Input(anyhow!("{elsewhere}\nhint: run the spec with the same profile, `--set` and `--device` first")));
        }
        let (figures, differences) = report::renewed(&results, &against).map_err(Failure::Input)?;
        let none = vec!["nothing changes".to_owned()];
        console::data(&if differences.is_empty() { none } else { differences }.join("\n"))?;
        baseline::renew(&against, &figures, &Recipes::of(&plan)).map_err(Failure::Running)?;
        return Ok(Verdict::Fine);
    }
    let recipes = Recipes::beside(&against).map_err(Failure::Input)?;
    let is_moved = |stages: &[String]| moved_device(stages, &plan, recipes.as_ref(), record.as_ref());
    let compared = match arguments.against {
        Some(_) => report::check(&results, &against, &|stages| if is_moved(stages) { WIDENED } else { 1.0 }),
        None => report::check_reported(&results, &against, &session.experiment.comparison),
    };
    let mut compared = compared.map_err(Failure::Input)?;
    // Those that the spec names itself are looked at with the spec.
    if let Some(file) = &arguments.against {
        let figures = reported::read(file).map_err(Failure::Input)?;
        console::notices(&spec::unknown_names(&figures, &file.display().to_string(), &session.experiment));
    }
    if let ([name, ..], Some(_)) = (other_data.as_slice(), &arguments.against) {
        return Err(Failure::Input(anyhow!(
            "the results in `{}` are of other images of `{name}`\nhint: run the spec first",
            results.display()
        )));
    }
    if has_moved || foreign(&compared) {
        // A verdict on figures of another spec says nothing of this one. Another version or another kind of device is what is asked about.
        if arguments.against.is_some() && is_edited {
            return Err(Failure::Input(anyhow!(
                "{elsewhere}\nhint: run the spec, or give the profile and the `--set` that they were made with"
            )));
        }
        console::note(&format!("warning: {elsewhere}"));
        // What is reported is of the settings that the spec has now; earlier figures are of whatever made them.
        if arguments.against.is_none() {
            compared.iter_mut().for_each(|row| row.not_judged = row.not_judged.or(Some("results of other settings")));
        }
    }
    let moved = compared.iter().filter(|row| arguments.against.is_some() && is_moved(&row.stages)).count();
    if moved > 0 {
        console::note(&format!(
            "{moved} of {} figures are of another kind of device, which rounds otherwise: their bands are twice as wide",
            compared.len()
        ));
    }
    for (pair, rows) in untrained::by_pair(&UntrainedRow::read_if_present(&results).map_err(Failure::Input)?) {
        console::note(&format!("warning: of {pair}, not trained: {}", untrained::named(rows)));
    }
    let reasons: Vec<Vec<Changed>> = compared.iter().map(|row| reasons(row, recipes.as_ref(), &plan)).collect();
    let count = |standing: &str| compared.iter().filter(|row| row.standing() == standing).count();
    let (fine, out, not_run, not_judged) = (count("fine"), count("out"), count("not-run"), count("not-judged"));
    let holds = out == 0 && (not_run == 0 || !arguments.all);
    if arguments.json {
        let figures: Vec<Value> = compared
            .iter()
            .zip(&reasons)
            .map(|(row, changed)| json!({ "figure": row, "standing": row.standing(), "changed": changed }))
            .collect();
        let report = json!({ "holds": holds, "fine": fine, "out": out, "not_run": not_run, "not_judged": not_judged, "figures": figures });
        console::data(&format!("{report:#}"))?;
    } else {
        let row = |row: &Compared| {
            let ours = row.ours.map_or("-".to_owned(), |ours| legible(ours, 4));
            [row.cell.clone(), format!("{ours:>8}"), format!("{} to {}", legible(row.low, 4), legible(row.high, 4))]
        };
        let figures = columns(&compared.iter().map(row).collect::<Vec<_>>());
        let mut lines = Vec::new();
        for ((row, changed), figure) in compared.iter().zip(&reasons).zip(figures) {
            let word = match row.standing() {
                "out" => "OUT",
                "fine" => "fine",
                "not-judged" => "-",
                _ => "not run",
            };
            let mut line = format!("{}  {figure}", console::word(&format!("{word:<7}")));
            if let Some(why) = row.not_judged.filter(|_| row.ours.is_some()) {
                line.push_str(&format!("  {why}"));
            }
            let outside = row.outside().filter(|_| row.standing() == "out");
            if let Some(outside) = outside {
                line.push_str(&format!("  outside by {}, made by {}", legible(outside, 4), row.stages.join(", ")));
            }
            lines.push(line);
            lines.extend(changed.iter().map(|changed| format!("         {}: {}", changed.stage, changed.how)));
            let planned = known && row.stages.iter().all(|stage| Recipes::plans(&plan, stage));
            if outside.is_some() && recipes.is_some() && changed.is_empty() && planned {
                lines.push("         no recipe on the way to it changed: the program or the platform did".to_owned());
            }
        }
        let unjudged = if not_judged > 0 { format!(", {not_judged} not judged") } else { String::new() };
        lines.push(format!("{fine} fine, {out} out, {not_run} not run{unjudged}"));
        lines.extend(by_chance(&compared));
        console::data(&lines.join("\n"))?;
    }
    if fine + out == 0 {
        let why = if not_judged > 0 {
            "the settings are not the reported ones, or draws are compared by their spread"
        } else {
            "the results have none of these"
        };
        console::note(&format!("warning: no figure was compared: {why}"));
    }
    Ok(if holds { Verdict::Fine } else { Verdict::No })
}

/// How many figures may lie outside of their bands although nothing differs, where both sides have a spread.
fn by_chance(compared: &[Compared]) -> Option<String> {
    let judged = compared.iter().filter(|row| row.not_judged.is_none());
    let chances: Vec<f64> = judged.filter_map(|row| row.chance).collect();
    let expected: f64 = chances.iter().sum();
    (!chances.is_empty()).then(|| {
        format!("by chance alone about {expected:.1} of {} would be out, given the spread over seeds there and here", chances.len())
    })
}

/// How many times as wide the band of an earlier run is for a figure that another kind of device made. Rounding grows along a training until two
/// networks of one seed are as far apart as those of two, and each of the two figures then has the band's spread.
const WIDENED: f64 = 2.0;

/// Whether another kind of device is behind a figure here than behind the expected one. Of a stage that the plan does not have, as where results are of
/// another device than is asked for now, the record tells.
fn moved_device(stages: &[String], plan: &Plan, recipes: Option<&Recipes>, record: Option<&RunRecord>) -> bool {
    let Some(recipes) = recipes else { return false };
    stages.iter().any(|stage| match Recipes::planned(plan, stage) {
        Some(planned) => {
            let settings = planned.stage.recipe().settings;
            settings["device"].as_str().zip(recipes.device_of(planned.stage.id())).is_some_and(|(here, there)| here != there)
        }
        None => record.is_some_and(|record| !record.device.contains(',') && recipes.devices().any(|there| there != record.device)),
    })
}

/// The file that the spec compares itself with.
fn reported(session: &Session) -> Result<PathBuf, Failure> {
    let file = session.experiment.origin.settings["reported"]["file"].as_str();
    let file = file.map(|file| session.path.parent().unwrap_or(Path::new("")).join(file));
    file.ok_or_else(|| {
        let spec = session.path.display();
        Failure::Input(anyhow!(
            "`{spec}` names no reported figures to compare with\nhint: say `--against FILE`, or set `reported.file` in the spec"
        ))
    })
}

/// What changed on the way to a figure out of its band, as far as the recipes of the expected one are known.
fn reasons(row: &Compared, recipes: Option<&Recipes>, plan: &Plan) -> Vec<Changed> {
    let Some(recipes) = recipes.filter(|_| row.standing() == "out") else { return Vec::new() };
    let mut changed: Vec<Changed> = Vec::new();
    for found in row.stages.iter().flat_map(|stage| recipes.changed(plan, stage)) {
        if !changed.contains(&found) {
            changed.push(found);
        }
    }
    changed
}
