//! `--budget`: refuses what would take too long, and finds what would not.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;

use super::Failure;
use super::folders::Folders;
use super::session::Session;
use crate::cli::Shared;
use crate::cost::{Bill, Costs, Forecast, duration};
use crate::input_file;
use crate::publish;
use crate::runner;
use crate::spec::Experiment;
use crate::store::Store;

/// Refuses a run that takes longer than the budget, most likely.
pub fn refuse(budget: Duration, forecast: &Forecast, bill: &Bill, session: &Session, shared: &Shared) -> Result<(), Failure> {
    let [low, likely, high] = forecast.wall;
    if likely <= budget.as_secs_f64() {
        return Ok(());
    }
    let what = format!(
        "`{}` takes about {} ({} to {}), more than the budget of {}",
        session.experiment.name,
        duration(likely),
        duration(low),
        duration(high),
        duration(budget.as_secs_f64())
    );
    let fitting = profiles(&session.path).into_iter().filter(|profile| shared.profile.as_ref() != Some(profile));
    let fitting: Vec<String> = fitting
        .filter_map(|profile| {
            let seconds = of_profile(session, shared, &profile)?;
            (seconds <= budget.as_secs_f64()).then(|| format!("`--profile {profile}` (about {})", duration(seconds)))
        })
        .collect();
    let hint = match shorter(bill, &session.experiment, likely, budget.as_secs_f64()) {
        _ if !fitting.is_empty() => format!("{} would fit", fitting.join(" or ")),
        Some(sets) => format!("{sets} would fit, and is another experiment"),
        None => "no profile of the spec would fit: lower `models`, `replicates` or what is evaluated".to_owned(),
    };
    Err(Failure::Input(anyhow!("{what}\nhint: {hint}")))
}

/// How long the same spec takes under another profile.
fn of_profile(session: &Session, shared: &Shared, profile: &str) -> Option<f64> {
    let shared = Shared { profile: Some(profile.to_owned()), ..shared.clone() };
    let overrides = crate::spec::Overrides { profile: shared.profile.clone(), sets: shared.sets.clone(), environment: true };
    let mut session = Session::load(&session.path, &overrides, session.places.clone()).ok()?;
    let digests = session.digests();
    let plan = session.plan(&digests, &shared).ok()?;
    let store = Store::new(Folders::of(&shared).store);
    let statuses = runner::survey(&plan, &store, &publish::targets(), false).ok()?;
    let bill = Costs::of(&store, session.places.clone()).bill(&plan, &statuses);
    Some(bill.forecast(shared.jobs(), cores()).wall[1])
}

/// The trainings as long as they would have to be, as options; `None` where that is not even an epoch.
fn shorter(bill: &Bill, experiment: &Experiment, likely: f64, budget: f64) -> Option<String> {
    let all: f64 = bill.items.iter().map(|item| item.seconds.likely).sum();
    let trained: f64 = bill.items.iter().filter(|item| item.kind == "train").map(|item| item.seconds.likely).sum();
    // Everything takes its share of the time; what is not training stays as long as it is.
    let part = (all * budget / likely - (all - trained)) / trained;
    if !part.is_finite() || part <= 0.0 {
        return None;
    }
    let trainings = experiment.origin.settings.get("trainings")?.as_object()?;
    let mut sets = Vec::new();
    for (name, training) in trainings {
        for unit in ["epochs", "steps"] {
            if let Some(length) = training.get(unit).and_then(Value::as_f64) {
                let length = (length * part).floor();
                if length < 1.0 {
                    return None;
                }
                sets.push(format!("`--set trainings.{name}.{unit}={length}`"));
            }
        }
    }
    (!sets.is_empty()).then(|| sets.join(" "))
}

/// The profiles of a spec.
fn profiles(spec: &Path) -> Vec<String> {
    let table: Option<toml::Table> = input_file::text(spec).ok().and_then(|text| text.parse().ok());
    let profiles = table.as_ref().and_then(|table| table.get("profiles")).and_then(toml::Value::as_table);
    profiles.into_iter().flat_map(|profiles| profiles.keys().cloned()).collect()
}

/// The cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
