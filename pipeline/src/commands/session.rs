//! What every command that reads a spec starts from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use onebasin_datasets::{DatasetError, SearchPaths, Source, digest, is_official, open, to_unpack};

use super::Failure;
use crate::cli::Shared;
use crate::comparison::Deviation;
use crate::console;
use crate::devices;
use crate::experiment;
use crate::plan::Plan;
use crate::runner::{Outcome, Status};
use crate::spec::{Experiment, Lost, Overrides, Pair, chain};
use crate::stage::StageId;

/// A checked spec and the places of its data.
#[derive(Clone)]
pub struct Session {
    /// The file.
    pub path: PathBuf,
    pub experiment: Experiment,
    pub places: SearchPaths,
    /// Where networks run: the list of `--device`.
    pub device: String,
}

impl Session {
    /// Reads a spec under the options of the command line, and tells what they change in it.
    pub fn read(path: &Path, shared: &Shared, fetch: bool) -> Result<Session, Failure> {
        let places = SearchPaths::standard(shared.data.as_deref(), fetch);
        let overrides = Overrides { profile: shared.profile.clone(), sets: shared.sets.clone(), environment: true };
        let session = Session::load(path, &overrides, places)?;
        for given in &session.experiment.origin.overrides {
            console::note(&format!("overridden: {}", given.text()));
        }
        Ok(Session { device: shared.device.clone(), ..session })
    }

    /// Reads a spec with what is laid over it.
    pub fn load(path: &Path, overrides: &Overrides, places: SearchPaths) -> Result<Session, Failure> {
        let places = places.with_spec_folder(path.parent().unwrap_or(Path::new("")));
        let experiment = experiment::load(path, overrides, &places).map_err(Failure::input)?;
        Ok(Session { path: path.to_owned(), experiment, places, device: "cpu".to_owned() })
    }

    /// The names of the data's content, as far as the data is there. Other images than those of the name keep figures from being compared.
    pub fn digests(&mut self) -> Digests {
        let mut digests = Digests::default();
        for pair in &self.experiment.pairs {
            if digests.found.contains_key(&pair.dataset) || digests.absent.contains_key(&pair.dataset) {
                continue;
            }
            let packed = to_unpack(&pair.source, &self.places).len();
            if packed > 0 {
                let files = if packed == 1 { "1 file".to_owned() } else { format!("{packed} files") };
                console::note(&format!("unpacking {files} of data set `{}` into the cache (once)", pair.dataset));
            }
            match digest(&pair.source, &self.places) {
                Ok(digest) => {
                    if is_official(&pair.source, &digest) == Some(false) {
                        digests.unofficial.insert(pair.dataset.clone());
                    }
                    digests.found.insert(pair.dataset.clone(), digest.to_string());
                }
                Err(error) => drop(digests.absent.insert(pair.dataset.clone(), error)),
            }
        }
        let pairs = self.experiment.pairs.iter().filter(|pair| digests.unofficial.contains(&pair.dataset));
        for pair in pairs.map(Pair::name).collect::<Vec<_>>() {
            self.experiment.comparison.deviate(&pair, Deviation::of_all(unofficial(&pair.dataset)));
        }
        digests
    }

    /// As [`Session::digests`], when all data must be there: fetches what may be fetched.
    pub fn complete(&mut self) -> Result<Digests, Failure> {
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
        digests.whole()?;
        digests.warn();
        match digests.absent.values().next() {
            None => Ok(digests),
            Some(error) => Err(Failure::Input(anyhow::anyhow!("{}", chain(error)))),
        }
    }

    /// Reads the data sets of the pairs that have stages to run: a damaged file is better found before anything runs.
    ///
    /// Data sets that are absent are passed over. Pictures in folders are decoded where they are digested, and generated ones are never damaged.
    pub fn inspect(&self, plan: &Plan, statuses: &[Status]) -> Result<(), Failure> {
        let runs = plan.stages.iter().zip(statuses).filter(|(_, status)| matches!(status, Status::Run(_)));
        let slugs: BTreeSet<&str> = runs.filter_map(|(planned, _)| planned.stage.id().pair_slug()).collect();
        let mut seen = BTreeSet::new();
        for pair in &self.experiment.pairs {
            let is_file = matches!(pair.source, Source::Idx(_) | Source::Cifar(_));
            if is_file && slugs.contains(self.experiment.slug(pair).as_str()) && seen.insert(&pair.dataset) {
                match open(&pair.source, &self.places) {
                    Err(error) if !is_missing(&error) => return Err(unusable(&pair.dataset, &error)),
                    Err(_) | Ok(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Refuses a spec that sweeps where its own results are asked for: each setting has a folder of its own.
    pub fn one_setting(&self, results: &Path) -> Result<(), Failure> {
        let Some(key) = self.experiment.sweep.keys().next().filter(|_| !results.is_dir()) else { return Ok(()) };
        let (spec, results) = (self.path.display(), results.display());
        let message = format!("`{spec}` sweeps `{key}`, so that each setting has its own folder, and `{results}` is none of them");
        Err(Failure::Input(anyhow!("{message}\nhint: `--set {key}=VALUE` chooses a setting")))
    }

    /// The plan; stages over absent data get fingerprints that no artifact has.
    pub fn plan(&self, digests: &Digests, shared: &Shared) -> Result<Plan, Failure> {
        // A device that this build or machine lacks may be there where the plan is run; a name that is none is nowhere.
        devices::known(&shared.device).map_err(Failure::input)?;
        let absent = digests.absent.keys().map(|name| (name.clone(), "absent".to_owned()));
        let all = digests.found.clone().into_iter().chain(absent).collect();
        experiment::plan(&self.experiment, &all, &shared.device).map_err(Failure::input)
    }

    /// The same without what a run could not make: of a pair, the methods that failed, or all of it where a model as trained did.
    ///
    /// `None` where nothing is left.
    pub fn without(&self, plan: &Plan, outcome: &Outcome) -> Option<Session> {
        let mut experiment = self.experiment.clone();
        let of_pair = |stage: &StageId, pair: &Pair| stage.pair_slug() == Some(&self.experiment.slug(pair));
        for pair in &self.experiment.pairs {
            let failed = outcome.failed.iter().filter(|stage| of_pair(stage, pair));
            let of_models = failed.filter(|stage| stage.method().is_none() && ["train", "import", "evaluate"].contains(&stage.first()));
            let lost: Vec<Lost> = of_models.map(|stage| Lost { pair: pair.name(), method: None, stage: stage.to_string() }).collect();
            if !lost.is_empty() {
                experiment.lost.extend(lost);
                experiment.pairs.retain(|other| other.name() != pair.name());
                continue;
            }
            // In the order of the plan, so that the first stage to go is named; a shared stage takes every method with it.
            let gone: BTreeSet<&StageId> = outcome.failed.iter().chain(&outcome.skipped).collect();
            for stage in plan.stages.iter().map(|planned| planned.stage.id()).filter(|id| of_pair(id, pair) && gone.contains(id)) {
                let method = stage.method().map(str::to_owned);
                if !experiment.lost.iter().any(|lost| lost.pair == pair.name() && lost.method == method && lost.method.is_some()) {
                    experiment.lost.push(Lost { pair: pair.name(), method, stage: stage.to_string() });
                }
            }
        }
        (!experiment.lost.is_empty() && !experiment.pairs.is_empty()).then(|| Session { experiment, ..self.clone() })
    }

    /// The same without the pairs whose data is absent; `None` where all of it is.
    pub fn with_data(&self, digests: &Digests) -> Option<Session> {
        let mut experiment = self.experiment.clone();
        experiment.pairs.retain(|pair| digests.found.contains_key(&pair.dataset));
        (!experiment.pairs.is_empty()).then(|| Session { experiment, ..self.clone() })
    }
}

/// Content digests by the name of the data set.
#[derive(Default)]
pub struct Digests {
    pub found: BTreeMap<String, String>,
    /// Data sets that have none, because they are not here or damaged.
    pub absent: BTreeMap<String, DatasetError>,
    /// Data sets that bear the name of a known one and have other images.
    pub unofficial: BTreeSet<String>,
}

/// Tells that a data set is not what its name says.
pub fn warn_of_images(name: &str) {
    console::note(&format!("warning: {}\nhint: `onebasin data verify {name}` tells which files differ", unofficial(name)));
}

/// What is said of a data set that has another's name.
fn unofficial(name: &str) -> String {
    format!("the images of `{name}` here are not those of the official files")
}

impl Digests {
    /// Tells which data sets are not what their names say.
    pub fn warn(&self) {
        self.unofficial.iter().for_each(|name| warn_of_images(name));
    }

    /// Fails where a data set is here and cannot be used: that is a fault, and no reason to wait for its files.
    pub fn whole(&self) -> Result<(), Failure> {
        match self.absent.iter().find(|(_, error)| !is_missing(error)) {
            Some((name, error)) => Err(unusable(name, error)),
            None => Ok(()),
        }
    }
}

/// Whether a data set is not here, rather than here and damaged.
pub fn is_missing(error: &DatasetError) -> bool {
    matches!(error, DatasetError::Missing { .. } | DatasetError::Fetch { .. } | DatasetError::Interrupted { .. })
}

fn unusable(name: &str, error: &DatasetError) -> Failure {
    Failure::Input(anyhow::anyhow!("{}", chain(error)).context(format!("data set `{name}` cannot be used")))
}
