//! How long stages take and how much memory they use, before they run.
//!
//! From the receipts of like stages, as far as there are any; else from their operations and how fast this machine is; else it is a guess, and
//! said to be one. Each estimate is a range. Times are those of one core: what several do at once takes their part of it.

mod rate;
mod samples;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use onebasin_datasets::SearchPaths;

use crate::plan::{Plan, Planned};
use crate::runner::{Load, Status, wall_clock};
use crate::stage::StageId;
use crate::store::Store;

pub use rate::Rate;
pub use samples::Samples;

/// What a stage without like ones before it is taken to need: what most measurements of small networks do.
const GUESS: f64 = 1.0;
/// How far off a guess may be.
const GUESS_WITHIN: f64 = 10.0;
/// How far off it may be to take another network for this one, or operations for seconds.
const LIKE_WITHIN: f64 = 3.0;
/// How far off either is on a device of which nothing was measured: one that computes in software is as much slower as a large GPU is faster.
const DEVICE_WITHIN: f64 = 30.0;
/// What a process needs besides.
const MEMORY: u64 = 300 << 20;

/// How long a stage takes on one core, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// At least.
    pub low: f64,
    /// Most likely.
    pub likely: f64,
    /// At most.
    pub high: f64,
    /// How that is known.
    pub basis: Basis,
}

/// How a time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Stages with the same settings, but for their seeds, took so long.
    Same,
    /// Stages of the same kind did.
    Kind,
    /// It does so many operations.
    Operations,
    /// It is not.
    Guess,
}

impl Estimate {
    fn within(likely: f64, factor: f64, basis: Basis) -> Estimate {
        Estimate { low: likely / factor, likely, high: likely * factor, basis }
    }
}

/// What stages cost.
#[derive(Clone)]
pub struct Costs {
    samples: Arc<Samples>,
    rate: Rate,
    places: SearchPaths,
}

impl Costs {
    /// From what lies in a store.
    pub fn of(store: &Store, places: SearchPaths) -> Costs {
        Costs { samples: Arc::new(Samples::read(store)), rate: Rate::of(store), places }
    }

    /// The same where data sets are looked for elsewhere.
    #[must_use]
    pub fn at(&self, places: SearchPaths) -> Costs {
        Costs { places, ..self.clone() }
    }

    /// Keeps what is known in the store, and how fast this machine is: the next time is quick.
    pub fn keep(&self, store: &Store) {
        self.rate.keep(store);
        self.samples.keep(store);
    }

    /// How long a stage takes on one core.
    pub fn seconds(&self, planned: &Planned) -> Estimate {
        let recipe = planned.stage.recipe();
        let slug = planned.stage.id().pair_slug().unwrap_or_default();
        if let Some(same) = self.samples.same(recipe.kind, slug, &recipe.settings) {
            return same;
        }
        let is_elsewhere = recipe.settings["device"].as_str().is_some_and(|device| device != "cpu");
        let like = |seconds: f64, basis: Basis| match is_elsewhere {
            true => Estimate::within(seconds, DEVICE_WITHIN, Basis::Guess),
            false => Estimate::within(seconds, LIKE_WITHIN, basis),
        };
        let demand = planned.stage.demand(&self.places);
        let operations = demand.map(|demand| demand.operations / self.rate.per_second());
        match (operations, self.samples.kind(recipe.kind)) {
            (Some(seconds), _) if seconds > 0.0 => like(seconds, Basis::Operations),
            (_, Some(seconds)) => like(seconds, Basis::Kind),
            _ => Estimate::within(GUESS, GUESS_WITHIN, Basis::Guess),
        }
    }

    /// Bytes that a stage holds at once.
    pub fn memory(&self, planned: &Planned) -> u64 {
        MEMORY + planned.stage.demand(&self.places).map_or(0, |demand| demand.memory)
    }

    /// The stages of a plan that run, each once, with what they cost.
    pub fn bill(&self, plan: &Plan, statuses: &[Status]) -> Bill {
        let mut bill = Bill::default();
        let mut place_of: HashMap<_, usize> = HashMap::new();
        for (planned, status) in plan.stages.iter().zip(statuses) {
            if !matches!(status, Status::Run(_)) || place_of.contains_key(&planned.fingerprint) {
                continue;
            }
            let inputs: BTreeSet<usize> = planned.inputs.iter().filter_map(|input| place_of.get(input).copied()).collect();
            place_of.insert(planned.fingerprint, bill.items.len());
            let (stage, kind) = (planned.stage.id().clone(), planned.stage.recipe().kind.to_owned());
            let (seconds, memory) = (self.seconds(planned), self.memory(planned));
            bill.items.push(Item { stage, kind, seconds, memory, inputs: inputs.into_iter().collect() });
        }
        bill
    }
}

/// The stages that run, inputs first.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    /// Each once.
    pub items: Vec<Item>,
}

/// A stage that runs.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which.
    pub stage: StageId,
    /// Of its recipe.
    pub kind: String,
    /// On one core.
    pub seconds: Estimate,
    /// In bytes.
    pub memory: u64,
    /// What it waits for, by place.
    pub inputs: Vec<usize>,
}

/// What a run takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// From its start to its end, in seconds: at least, most likely, at most.
    pub wall: [f64; 3],
    /// Of all cores together, in seconds.
    pub cores: [f64; 3],
    /// The most that stages side by side hold, in bytes, as an upper bound.
    pub memory: u64,
    /// How many stages run.
    pub stages: usize,
    /// How their times are known.
    pub basis: BTreeMap<Basis, usize>,
}

impl Bill {
    /// What it takes with so many stages side by side on so many cores.
    pub fn forecast(&self, jobs: usize, cores: usize) -> Forecast {
        let share = (cores as f64 / jobs.max(1) as f64).max(f64::MIN_POSITIVE);
        let of = |seconds: fn(&Estimate) -> f64| {
            let load = |item: &Item| Load { seconds: seconds(&item.seconds) / share, inputs: item.inputs.clone() };
            let total: f64 = self.items.iter().map(|item| seconds(&item.seconds)).sum();
            let wall = wall_clock(&self.items.iter().map(load).collect::<Vec<_>>(), jobs);
            (wall, total)
        };
        let three: [fn(&Estimate) -> f64; 3] = [|it| it.low, |it| it.likely, |it| it.high];
        let [low, likely, high] = three.map(of);
        let mut basis = BTreeMap::new();
        self.items.iter().for_each(|item| *basis.entry(item.seconds.basis).or_default() += 1);
        let mut memory: Vec<u64> = self.items.iter().map(|item| item.memory - MEMORY).collect();
        memory.sort_unstable_by(|one, other| other.cmp(one));
        let memory = if memory.is_empty() { 0 } else { MEMORY + memory.iter().take(jobs.max(1)).sum::<u64>() };
        Forecast { wall: [low.0, likely.0, high.0], cores: [low.1, likely.1, high.1], memory, stages: self.items.len(), basis }
    }
}

impl Forecast {
    /// `about 12 min (8 min to 20 min), 0.4 core hours; ...`.
    pub fn text(&self) -> String {
        let [low, likely, high] = self.wall.map(duration);
        let words = [
            (Basis::Same, "by like ones before"),
            (Basis::Kind, "by their kind"),
            (Basis::Operations, "by their operations"),
            (Basis::Guess, "guessed"),
        ];
        let known: Vec<String> = words.iter().filter_map(|(basis, text)| Some(format!("{} {text}", self.basis.get(basis)?))).collect();
        let stages = if self.stages == 1 { "stage".to_owned() } else { "stages".to_owned() };
        let known = known.join(", ");
        format!(
            "about {likely} ({low} to {high}), {:.2} core hours, {:.1} GB at most; {} {stages}: {known}",
            self.cores[1] / 3600.0,
            self.memory as f64 / 1e9,
            self.stages
        )
    }
}

/// `45 s`, `12 min`, `3.5 h`, `2.1 days`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => "1 s".to_owned(),
        _ if seconds < 90.0 => format!("{seconds:.0} s"),
        _ if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(likely: f64, inputs: &[usize], basis: Basis) -> Item {
        let seconds = Estimate::within(likely, 2.0, basis);
        Item { stage: StageId::new("a"), kind: "train".to_owned(), seconds, memory: MEMORY + 1_000_000_000, inputs: inputs.to_vec() }
    }

    #[test]
    fn a_forecast_is_a_range_and_says_what_it_stands_on() {
        let bill = Bill { items: vec![item(60.0, &[], Basis::Same), item(60.0, &[], Basis::Same), item(30.0, &[0, 1], Basis::Guess)] };
        let forecast = bill.forecast(2, 2);
        assert_eq!(forecast.wall, [45.0, 90.0, 180.0]);
        assert_eq!(forecast.cores, [75.0, 150.0, 300.0]);
        assert_eq!(
            forecast.text(),
            "about 2 min (45 s to 3 min), 0.04 core hours, 2.3 GB at most; 3 stages: 2 by like ones before, 1 guessed"
        );
        assert_eq!(bill.forecast(1, 1).wall[1], 150.0);
        assert_eq!(bill.forecast(1, 2).wall[1], 75.0, "one stage at a time has both cores");
        assert_eq!(Bill::default().forecast(2, 2).wall, [0.0; 3]);
    }

    #[test]
    fn durations_are_told_in_the_unit_a_person_would_take() {
        assert_eq!([0.0, 45.2, 600.0, 12_600.0, 259_200.0].map(duration), ["1 s", "45 s", "10 min", "3.5 h", "3.0 days"]);
    }
}
