//! What every command that reads a spec starts from.

use std::collections::BTreeMap;
use std::path::Path;

use onebasin_datasets::{DatasetError, SearchPaths, digest};
use onebasin_training::Device;

use super::Failure;
use crate::cli::Shared;
use crate::experiment;
use crate::plan::Plan;
use crate::spec::{Experiment, Overrides, Pair, chain};
use crate::stage::StageId;

/// A checked spec and the places of its data.
pub struct Session {
    pub experiment: Experiment,
    pub places: SearchPaths,
}

impl Session {
    /// Reads a spec under the options of the command line.
    pub fn read(path: &Path, shared: &Shared, fetch: bool) -> Result<Session, Failure> {
        let places = SearchPaths::standard(shared.data.as_deref(), fetch);
        let overrides = Overrides { profile: shared.profile.clone(), sets: shared.sets.clone(), environment: true };
        Session::load(path, &overrides, places)
    }

    /// Reads a spec with what is laid over it.
    pub fn load(path: &Path, overrides: &Overrides, places: SearchPaths) -> Result<Session, Failure> {
        let places = places.with_spec_folder(path.parent().unwrap_or(Path::new("")));
        let experiment = experiment::load(path, overrides, &places).map_err(Failure::input)?;
        Ok(Session { experiment, places })
    }

    /// The names of the data's content, as far as the data is there.
    pub fn digests(&self) -> Digests {
        let mut digests = Digests::default();
        for pair in &self.experiment.pairs {
            if digests.found.contains_key(&pair.dataset) || digests.absent.contains_key(&pair.dataset) {
                continue;
            }
            match digest(&pair.source, &self.places) {
                Ok(digest) => drop(digests.found.insert(pair.dataset.clone(), digest.to_string())),
                Err(error) => drop(digests.absent.insert(pair.dataset.clone(), error)),
            }
        }
        digests
    }

    /// As [`Session::digests`], when all data must be there: fetches what may be fetched.
    pub fn complete(&self) -> Result<Digests, Failure> {
        for pair in &self.experiment.pairs {
            if let Err(error) = super::data::fetch_for(&pair.source, &self.places) {
                if matches!(error, DatasetError::Interrupted { .. }) {
                    return Err(Failure::running(error));
                }
                let offline = SearchPaths { fetch: false, ..self.places.clone() };
                let missing = digest(&pair.source, &offline).err().map_or_else(String::new, |missing| chain(&missing));
                return Err(Failure::Input(anyhow::anyhow!("fetching failed: {}", chain(&error)).context(missing)));
            }
        }
        let digests = self.digests();
        match digests.absent.values().next() {
            None => Ok(digests),
            Some(error) => Err(Failure::Input(anyhow::anyhow!("{}", chain(error)))),
        }
    }

    /// The plan; stages over absent data get fingerprints that no artifact has.
    pub fn plan(&self, digests: &Digests, shared: &Shared) -> Result<Plan, Failure> {
        // A device that this build or machine lacks may be there where the plan is run; a name that is none is nowhere.
        if !["cpu", "ndarray", "cuda"].contains(&shared.device.split(':').next().unwrap_or_default()) {
            Device::select(&shared.device).map_err(Failure::input)?;
        }
        let absent = digests.absent.keys().map(|name| (name.clone(), "absent".to_owned()));
        let all = digests.found.clone().into_iter().chain(absent).collect();
        experiment::plan(&self.experiment, &all, &shared.device).map_err(Failure::input)
    }

    /// The same without the pairs that have one of these stages; `None` where none or all of them have.
    pub fn without(&self, failed: &[StageId]) -> Option<Session> {
        let mut experiment = self.experiment.clone();
        let of = |pair: &Pair| failed.iter().find(|stage| stage.pair_slug() == Some(&self.experiment.slug(pair)));
        experiment.missing = experiment.pairs.iter().filter_map(|pair| Some(format!("{}: `{}`", pair.name(), of(pair)?))).collect();
        experiment.pairs.retain(|pair| of(pair).is_none());
        let some = !experiment.missing.is_empty() && !experiment.pairs.is_empty();
        some.then(|| Session { experiment, places: self.places.clone() })
    }

    /// The same without the pairs whose data is absent; `None` where all of it is.
    pub fn with_data(&self, digests: &Digests) -> Option<Session> {
        let mut experiment = self.experiment.clone();
        experiment.pairs.retain(|pair| digests.found.contains_key(&pair.dataset));
        (!experiment.pairs.is_empty()).then(|| Session { experiment, places: self.places.clone() })
    }
}

/// Content digests by the name of the data set.
#[derive(Default)]
pub struct Digests {
    pub found: BTreeMap<String, String>,
    pub absent: BTreeMap<String, DatasetError>,
}
