//! Pairs of data set and architecture, and the tables that they name.

use std::collections::BTreeMap;

use figment::value::Value;
use onebasin_datasets::{DatasetError, SearchPaths, Source, Subset, classes, counts, digest, geometry, known_names};
use onebasin_network::{Blueprint, Graph, Shape};
use onebasin_training::Training;
use serde::de::DeserializeOwned;

use super::document;
use super::error::{SpecError, chain};
use super::experiment::{Model, Pair};
use super::resolve::{Resolver, Result, path};
use super::text::End;

impl Resolver<'_> {
    /// Every pair of data set and architecture, with the tables that they name.
    pub(super) fn pairs(&self, models: &[Model]) -> Result<Vec<Pair>> {
        if self.document.pairs.is_empty() {
            return Err(self.wrong(&path(["pairs"]), "`pairs` lists no pair of data set and architecture"));
        }
        let tables = [
            ("architectures", &self.document.architectures),
            ("datasets", &self.document.datasets),
            ("trainings", &self.document.trainings),
        ];
        for (name, of_models) in &self.document.subsets {
            self.name(&path(["subsets", name]), name)?;
            for model in of_models.keys() {
                let here = path(["subsets", name, model]);
                let place = self.position(&here, model, models)?;
                if models[place].checkpoint.is_some() && !self.asks_what_files_saw() {
                    return Err(self.sees_nothing(&here));
                }
            }
        }
        for (table, entries) in tables {
            for name in entries.keys() {
                self.name(&path([table, name]), name)?;
            }
        }
        // Every table is checked, also those that no pair uses yet.
        let blueprints: BTreeMap<&str, Blueprint> = self.tables("architectures", &self.document.architectures)?;
        let sources: BTreeMap<&str, Source> = self.tables("datasets", &self.document.datasets)?;
        let trainings: BTreeMap<&str, Training> = self.tables("trainings", &self.document.trainings)?;
        for (&name, training) in &trainings {
            training.check().map_err(|error| self.library(&path(["trainings", name]), &error))?;
        }
        let mut pairs: Vec<Pair> = Vec::new();
        for (index, written) in self.document.pairs.iter().enumerate() {
            let at = |key: &str| path(["pairs", &index.to_string(), key]);
            let (mut dataset, mut key, mut stands_for) = (&written.dataset, "dataset", written.stands_for.clone());
            let mut source = self.source(&at(key), dataset, &sources)?;
            if let Some(other) = &written.stand_in {
                let replacement = self.source(&at("stand-in"), other, &sources)?;
                if !is_present(&source, self.places) {
                    stands_for = Some(stands_for.unwrap_or_else(|| dataset.clone()));
                    (dataset, key, source) = (other, "stand-in", replacement);
                }
            }
            let blueprint = self.lookup(&at("architecture"), "architecture", "architectures", &written.architecture, &blueprints)?;
            let training = match &written.training {
                Some(name) => self.lookup(&at("training"), "training", "trainings", name, &trainings)?,
                None => self.no_training(&path(["pairs", &index.to_string()]), written, models)?,
            };
            let training = match &written.augmentation {
                None => training,
                Some(augmentation) => {
                    augmentation.check().map_err(|error| self.library(&at("augmentation"), &error))?;
                    Training { augmentation: Some(augmentation.clone()), ..training }
                }
            };
            let parts = written.subsets.as_ref().map(|name| self.subsets_of(&at("subsets"), name, models)).transpose()?;
            let mut parts = parts.unwrap_or_default();
            if !self.asks_what_files_saw() {
                parts.retain(|&model, _| !written.checkpoints.contains_key(&models[model].name));
            }
            let of_dataset = |error: &dyn std::error::Error| match sources.contains_key(dataset.as_str()) {
                true => self.library(&path(["datasets", dataset]), error),
                false => self.wrong(&at(key), chain(error)),
            };
            let images = geometry(&source, self.places).map_err(|error| of_dataset(&error))?;
            let of_images = match sources.contains_key(dataset.as_str()) {
                true if self.layers.get(&path(["datasets", dataset, "size"])).is_some() => path(["datasets", dataset, "size"]),
                true => path(["datasets", dataset]),
                false => at(key),
            };
            self.sensible_images(&of_images, dataset, images)?;
            let counts = counts(&source, self.places);
            let (channels, height, width) = images.shape;
            let table = path(["architectures", &written.architecture]);
            let architecture =
                blueprint.build(Shape { channels, height, width }, images.classes).map_err(|error| self.library(&table, &error))?;
            let trained = Graph::build(&architecture).map_err(|error| self.library(&table, &error))?;
            let training_name = written.training.as_deref().unwrap_or_default();
            let of_training = path(["trainings", training_name]);
            let graph = training.leaves(&trained).map_err(|error| {
                let error = self.library(&of_training, &error);
                error.hint(format!("`fold-norms` needs every batch norm of `{}` behind a layer with weights", written.architecture))
            })?;
            if let Some(constants) = &written.normalisation {
                let fits = constants.mean.len() == channels && constants.deviation.len() == channels;
                let finite =
                    constants.mean.iter().all(|mean| mean.is_finite()) && constants.deviation.iter().all(|d| d.is_finite() && *d > 0.0);
                if !(fits && finite) {
                    let message =
                        format!("`normalisation` should hold a mean and a deviation above 0 for each channel: {channels} of each");
                    return Err(self
                        .wrong(&at("normalisation"), message)
                        .hint("`{ mean = [0.0], deviation = [1.0] }` leaves grey pixels at pixel / 255"));
                }
            }
            let shape = Shape { channels, height, width };
            let widths = self.widths((index, written), (&graph, &training), (shape, images.classes), (&blueprints, models))?;
            let mut checkpoints = BTreeMap::new();
            for (name, file) in &written.checkpoints {
                let here = path(["pairs", &index.to_string(), "checkpoints", name]);
                if !models.iter().any(|model| model.name == *name) {
                    let names = models.iter().map(|model| model.name.as_str());
                    return Err(self.wrong(&here, format!("no model is called `{name}`")).known(name, names));
                }
                checkpoints.insert(name.clone(), self.checkpoint(&here, file, None)?);
            }
            let pair = Pair {
                dataset: dataset.clone(),
                stands_for,
                // What lies there was looked at above.
                classes: classes(&source, self.places).unwrap_or_default(),
                source,
                normalisation: written.normalisation.clone(),
                checkpoints,
                architecture: written.architecture.clone(),
                blueprint,
                trained,
                graph,
                widths,
                training,
                augmentation: written.augmentation.clone(),
                subsets: parts,
            };
            self.checkpoints_fit(index, &pair, models)?;
            if let Some(counts) = counts {
                self.enough_memory_for_images(&of_images, &pair, counts)?;
                self.enough_images(&pair, training_name, models, counts)?;
            }
            if let Some(first) = pairs.iter().position(|earlier| earlier.name() == pair.name()) {
                return Err(self
                    .wrong(&at(key), format!("the pair `{}` is listed twice", pair.name()))
                    .hint(format!("`pairs[{first}]` is the same data set and architecture; give one of the architectures another name")));
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// What stands for the training of a pair that names none, which is right where nothing trains by it.
    fn no_training(&self, at: &[String], written: &document::Pair, models: &[Model]) -> Result<Training> {
        let trained = models.iter().find(|model| {
            model.checkpoint.is_none()
                && model.training.is_none()
                && model.pruned.is_none()
                && !written.checkpoints.contains_key(&model.name)
        });
        if let Some(model) = trained {
            let message = format!("the pair names no `training`, and `{}` is trained", model.name);
            let hint = "write `training = \"NAME\"` for a table `[trainings.NAME]`, or give every model a `checkpoint`";
            return Err(self.wrong(at, message).hint(hint));
        }
        if self.layers.get(&path(["evaluation", "rounds"])).is_some() {
            let message = "the pair names no `training`, and `evaluation.rounds` trains what is merged";
            return Err(self.wrong(at, message).hint("write `training = \"NAME\"` for a table `[trainings.NAME]`"));
        }
        Ok(Training::none())
    }

    /// The subsets of a table, by the indices of their models.
    fn subsets_of(&self, at: &[String], name: &str, models: &[Model]) -> Result<BTreeMap<usize, Subset>> {
        let tables = &self.document.subsets;
        let Some(of_models) = tables.get(name) else {
            let message = format!("unknown subsets `{name}`: there is no table `[subsets.{name}]`");
            return Err(self.wrong(at, message).known(name, tables.keys().map(String::as_str)));
        };
        let subset = |(model, written): (&String, &Value)| {
            let here = path(["subsets", name, model]);
            Ok((self.position(&here, model, models)?, self.subset(&here, written)?))
        };
        of_models.iter().map(subset).collect()
    }

    fn source(&self, at: &[String], name: &str, sources: &BTreeMap<&str, Source>) -> Result<Source> {
        match sources.get(name) {
            Some(source) => Ok(source.clone()),
            None => Source::named(name).map_err(|_| {
                let mut known: Vec<&str> = sources.keys().copied().collect();
                known_names().for_each(|name| known.push(name));
                self.wrong(at, format!("unknown data set `{name}`")).known(name, known)
            }),
        }
    }

    fn tables<'n, T: DeserializeOwned>(&self, table: &str, entries: &'n BTreeMap<String, Value>) -> Result<BTreeMap<&'n str, T>> {
        let read = |name: &'n String| {
            self.few_layers(&path([table, name, "layers"]))?;
            let read = self.layers.read_at(&path([table, name]));
            Ok((name.as_str(), read.map_err(|error| self.misspelt(table, name, entries, error))?))
        };
        entries.keys().map(read).collect()
    }

    /// An unfinished table that only a layer over the spec has, and that no pair uses, is a slip of the pen.
    fn misspelt(&self, table: &str, name: &str, entries: &BTreeMap<String, Value>, error: SpecError) -> SpecError {
        let here = path([table, name]);
        if self.uses(table, name) || !self.layers.is_above_spec(&here) {
            return error;
        }
        let others = entries.keys().map(String::as_str).filter(|other| *other != name && !self.layers.is_above_spec(&path([table, other])));
        SpecError::new(format!("the spec has no table `[{table}.{name}]`"))
            .at(self.layers.place(&here, End::Key))
            .known(name, others)
            .hint(format!("a new one needs all its keys: {}", error.message()))
    }

    /// Whether a pair uses a table.
    fn uses(&self, table: &str, name: &str) -> bool {
        self.document.pairs.iter().any(|pair| match table {
            "architectures" => pair.architecture == name || pair.architectures.values().any(|other| other == name),
            "trainings" => pair.training.as_deref() == Some(name),
            _ => pair.dataset == name || pair.stand_in.as_deref() == Some(name),
        })
    }

    pub(super) fn lookup<T: Clone>(&self, at: &[String], what: &str, table: &str, name: &str, entries: &BTreeMap<&str, T>) -> Result<T> {
        entries.get(name).cloned().ok_or_else(|| {
            self.wrong(at, format!("unknown {what} `{name}`: there is no table `[{table}.{name}]`")).known(name, entries.keys().copied())
        })
    }
}

/// Whether the files of a data set are on this machine.
fn is_present(source: &Source, places: &SearchPaths) -> bool {
    let offline = SearchPaths { fetch: false, ..places.clone() };
    !matches!(digest(source, &offline), Err(DatasetError::Missing { .. }))
}
