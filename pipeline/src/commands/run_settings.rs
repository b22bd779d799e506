//! What a run is asked for: each spec, and of one that sweeps each setting by itself.

use std::path::PathBuf;

use anyhow::anyhow;

use super::Failure;
use super::folders::Folders;
use super::session::Session;
use super::sweep_table::SweepTable;
use crate::cli::{self, Shared};
use crate::spec::{Override, Sweep};

/// A spec under the options of one setting, and where its results go.
pub struct RunSetting {
    pub session: Session,
    /// The options that it was read with.
    pub shared: Shared,
    pub results: PathBuf,
    pub plots: PathBuf,
}

/// Reads every spec under every setting, and says which tables over settings there will be.
pub fn of(arguments: &cli::Run, folders: &Folders) -> Result<(Vec<RunSetting>, Vec<SweepTable>), Failure> {
    let shared = &arguments.shared;
    let asked = Sweep::parse(&arguments.sweep).map_err(Failure::input)?;
    let (mut found, mut tables) = (Vec::new(), Vec::new());
    for path in &arguments.specs {
        let session = Session::read(path, shared, !arguments.offline)?;
        let settings = &session.experiment.origin.settings;
        let given = given(&shared.sets, &session.experiment.origin.overrides);
        for (set, layer) in &given {
            if let Some(key) = asked.contradicted(std::slice::from_ref(set), settings) {
                return Err(Failure::Input(anyhow!("`--sweep` and `{layer}` both give `{key}`\nhint: leave one of them out")));
            }
        }
        let sets: Vec<String> = given.iter().map(|(set, _)| set.clone()).collect();
        let sweep = if asked.is_empty() { session.experiment.sweep.without(&sets, settings) } else { asked.clone() };
        for (set, layer) in &given {
            if let Some(key) = sweep.undermined(std::slice::from_ref(set), settings) {
                let message = format!("`{layer}` sets `{set}`, a part of what the sweep gives `{key}`");
                return Err(Failure::Input(anyhow!("{message}\nhint: leave one of them out")));
            }
        }
        if let Some((one, other)) = sweep.overlapping(settings) {
            return Err(Failure::Input(anyhow!("the sweep gives `{one}` and `{other}`, which set the same\nhint: leave one of them out")));
        }
        if sweep.is_empty() {
            let (results, plots) = (folders.results_of(&session.experiment), folders.plots_of(&session.experiment));
            found.push(RunSetting { session, shared: shared.clone(), results, plots });
            continue;
        }
        let mut table = SweepTable::new(&sweep, folders, &session.experiment);
        for setting in sweep.settings() {
            let sets = sweep.sets_with(&setting, &shared.sets, settings);
            let shared = Shared { sets, ..shared.clone() };
            let swept = Session::read(path, &shared, !arguments.offline).map_err(|failure| {
                // A person may have written no `--set`.
                failure.hint(&format!("the sweep sets `{}`", sweep.sets(&setting).join("`, `")))
            })?;
            let (results, plots) = folders.of_setting(&swept.experiment, &[]);
            table.add(setting, &results);
            found.push(RunSetting { session: swept, shared, results, plots });
        }
        tables.push(table);
    }
    Ok((found, tables))
}

/// What goes over a sweep as over everything else, each with its layer: the arguments of `--set`, and variables of the environment that change something.
fn given<'o>(sets: &[String], overrides: &'o [Override]) -> Vec<(String, &'o str)> {
    let variables = overrides.iter().filter(|given| given.layer != "--set").map(|given| (given.set(), given.layer.as_str()));
    sets.iter().map(|set| (set.clone(), "--set")).chain(variables).collect()
}
