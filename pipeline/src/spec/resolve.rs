//! From the keys of a spec to what they mean, checking every name and number on the way.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use figment::value::Value;
use onebasin_datasets::{DatasetError, SearchPaths, Source, Subset, digest, geometry, known_names};
use onebasin_matching::Matching;
use onebasin_network::{Blueprint, Graph, Shape};
use onebasin_training::Training;
use serde::de::DeserializeOwned;

use super::asked::{Asked, EvaluationKeys, Requests};
use super::document::{self, Document};
use super::error::{SpecError, chain};
use super::experiment::{Evaluation, Experiment, Merging, Method, Model, Pair};
use super::fault::{fraction, quoted_place, shown, whole};
use super::layers::Layers;
use super::origin::Origin;
use super::repair::Repair;
use super::text::End;
use crate::identity::{MethodLabel, MethodName};

pub(super) type Result<T> = std::result::Result<T, SpecError>;

const MOST_REPLICATES: usize = 1000;
const MOST_LAMBDAS: usize = 10_001;
const MOST_IMAGES: usize = 1_000_000_000;

/// Checks everything that can be known without reading images.
pub fn resolve(layers: &Layers, folder: &Path, places: &SearchPaths, measurements: &[&dyn EvaluationKeys]) -> Result<Experiment> {
    let document: Document = layers.read_at(&[])?;
    let evaluation = evaluation_keys(layers, measurements)?;
    let resolver = Resolver { layers, document: &document, evaluation: &evaluation, places };
    resolver.name(&path(["name"]), &document.name)?;
    resolver.within(&path(["replicates"]), document.replicates, 1..=MOST_REPLICATES, "")?;
    let models = resolver.models()?;
    let pairs = resolver.pairs()?;
    let methods = resolver.methods(&models)?;
    let evaluation = resolver.evaluation(&models, &pairs, &methods, measurements)?;
    resolver.coefficients(&methods, &evaluation)?;
    resolver.references(&methods, &evaluation, &models)?;
    let methods = resolver.with_draws(methods)?;
    let comparison = resolver.comparison(folder, &pairs)?;
    let sweep = resolver.sweep()?;
    let Document { name, seed, replicates, .. } = document;
    Ok(Experiment {
        name,
        seed,
        replicates,
        models,
        pairs,
        methods,
        evaluation,
        comparison,
        lost: Vec::new(),
        sweep,
        origin: Origin::default(),
    })
}

pub(super) struct Resolver<'a> {
    pub(super) layers: &'a Layers,
    pub(super) document: &'a Document,
    pub(super) evaluation: &'a document::Evaluation,
    places: &'a SearchPaths,
}

/// A path of keys; list indices are written as numbers.
pub(super) fn path<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).to_vec()
}

impl Resolver<'_> {
    pub(super) fn wrong(&self, path: &[String], message: impl Into<String>) -> SpecError {
        self.layers.fault(path, End::Value, message)
    }

    fn name(&self, path: &[String], name: &str) -> Result<()> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fine) || name.starts_with('-') || name.ends_with('-') {
            let key = shown(path);
            return Err(self
                .wrong(path, format!("`{key}` must be lowercase letters, digits and inner hyphens, got `{name}`"))
                .hint("names become names of folders and stages, for example `mnist-mlp-2`"));
        }
        Ok(())
    }

    /// A number that plans stay small with: a slip of the keyboard should not fill memory.
    pub(super) fn within(&self, path: &[String], number: usize, range: RangeInclusive<usize>, hint: &str) -> Result<()> {
        if range.contains(&number) {
            return Ok(());
        }
        let message = format!("`{}` should be from {} to {}, not {number}", shown(path), range.start(), range.end());
        let error = self.wrong(path, message);
        Err(if hint.is_empty() { error } else { error.hint(hint) })
    }

    /// No two equal names at `base[..].key`.
    fn distinct<'n>(&self, base: &str, key: &str, what: &str, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
        let mut seen = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            let here = path([base, &index.to_string(), key]);
            if let Some(first) = seen.insert(name, index) {
                return Err(self
                    .wrong(&here, format!("{what} `{name}` is named twice"))
                    .hint(format!("`{base}[{first}]` has the name already; each needs its own")));
            }
        }
        Ok(())
    }

    fn models(&self) -> Result<Vec<Model>> {
        let here = path(["models"]);
        match &self.document.models {
            Value::Num(_, number) => {
                let count = whole(number).and_then(|count| usize::try_from(count).ok());
                match count {
                    Some(0) => {
                        Err(self.wrong(&here, "`models` should be at least 1, not 0").hint("merging needs 2 or more; the papers take 5"))
                    }
                    Some(count) if count <= 10_000 => Ok((0..count).map(|index| Model { name: letters(index), subset: None }).collect()),
                    _ => Err(self.wrong(&here, "`models` should be a whole number from 1 to 10000, or a list of tables")),
                }
            }
            Value::Array(_, items) if items.is_empty() => Err(self.wrong(&here, "`models` lists no model")),
            Value::Array(_, items) => {
                let models = (0..items.len()).map(|index| self.model(index)).collect::<Result<Vec<Model>>>()?;
                self.distinct("models", "name", "model", models.iter().map(|model| model.name.as_str()))?;
                Ok(models)
            }
            _ => Err(self
                .wrong(&here, "`models` should be a whole number, or a list of tables")
                .hint("`models = 5`, or `models = [{ name = \"a\" }, { name = \"b\", subset = 0.5 }]`")),
        }
    }

    fn model(&self, index: usize) -> Result<Model> {
        let index = index.to_string();
        let document::Model { name, subset } = self.layers.read_at(&path(["models", &index]))?;
        self.name(&path(["models", &index, "name"]), &name)?;
        let here = path(["models", &index, "subset"]);
        let subset = match subset {
            None => None,
            Some(Value::Num(_, number)) => Some(Subset::share(fraction(&number))),
            Some(_) => Some(self.layers.read_at(&here)?),
        };
        if let Some(subset) = &subset {
            // The number of images is not known here: only the share can be judged.
            subset.size(usize::MAX >> 12).map_err(|error| self.library(&here, &error))?;
        }
        Ok(Model { name, subset })
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        if self.document.pairs.is_empty() {
            return Err(self.wrong(&path(["pairs"]), "`pairs` lists no pair of data set and architecture"));
        }
        let tables = [
            ("architectures", &self.document.architectures),
            ("datasets", &self.document.datasets),
            ("trainings", &self.document.trainings),
        ];
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
            let training = self.lookup(&at("training"), "training", "trainings", &written.training, &trainings)?;
            let images = geometry(&source, self.places).map_err(|error| match sources.get_key_value(dataset.as_str()) {
                Some((name, _)) => self.library(&path(["datasets", name]), &error),
                None => self.wrong(&at(key), chain(&error)),
            })?;
            let (channels, height, width) = images.shape;
            let table = path(["architectures", &written.architecture]);
            let architecture =
                blueprint.build(Shape { channels, height, width }, images.classes).map_err(|error| self.library(&table, &error))?;
            let graph = Graph::build(&architecture).map_err(|error| self.library(&table, &error))?;
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
            let pair = Pair {
                dataset: dataset.clone(),
                stands_for,
                source,
                normalisation: written.normalisation.clone(),
                architecture: written.architecture.clone(),
                blueprint,
                graph,
                training,
            };
            if let Some(first) = pairs.iter().position(|earlier| earlier.name() == pair.name()) {
                return Err(self
                    .wrong(&at(key), format!("the pair `{}` is listed twice", pair.name()))
                    .hint(format!("`pairs[{first}]` is the same data set and architecture; give one of the architectures another name")));
            }
            pairs.push(pair);
        }
        Ok(pairs)
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
        entries.keys().map(|name| Ok((name.as_str(), self.layers.read_at(&path([table, name]))?))).collect()
    }

    fn lookup<T: Clone>(&self, at: &[String], what: &str, table: &str, name: &str, entries: &BTreeMap<&str, T>) -> Result<T> {
        entries.get(name).cloned().ok_or_else(|| {
            self.wrong(at, format!("unknown {what} `{name}`: there is no table `[{table}.{name}]`")).known(name, entries.keys().copied())
        })
    }

    fn methods(&self, models: &[Model]) -> Result<Vec<Method>> {
        let mut methods = Vec::new();
        for (index, written) in self.document.methods.iter().enumerate() {
            let at = |key: &str| path(["methods", &index.to_string(), key]);
            self.name(&at("name"), &written.name)?;
            if MethodLabel::is_reserved(&written.name) {
                let message = format!("`{}` is no name for a method: in the results it stands for the models before merging", written.name);
                return Err(self.wrong(&at("name"), message).hint("take another name"));
            }
            let merging = match &written.merging {
                None => Merging::Mean { coefficients: None },
                Some(document::Merging::Mean(mean)) => Merging::Mean { coefficients: mean.coefficients.clone() },
                Some(document::Merging::Ensemble(_)) => Merging::Ensemble,
            };
            let matching = match (&written.matching, &merging) {
                (Some(_), _) => self.matching(&at("matching"), models)?,
                (None, Merging::Ensemble) => Matching::Identity(Default::default()),
                (None, Merging::Mean { .. }) => {
                    let message = format!("missing key `matching` in `methods[{index}]`");
                    return Err(self
                        .layers
                        .fault(&path(["methods", &index.to_string()]), End::Key, message)
                        .hint("`matching = { by = \"identity\" }` averages models as they are")
                        .known("", Matching::NAMES.iter().copied()));
                }
            };
            matching.check().map_err(|error| self.library(&at("matching"), &error))?;
            if merging == Merging::Ensemble && !matches!(matching, Matching::Identity(_)) {
                let message = "an ensemble averages predictions: it has no use for a matching";
                return Err(self.wrong(&at("matching"), message).hint("leave `matching` out"));
            }
            let repair = written.repair.as_ref().map(|_| self.repair(&at("repair"), &merging)).transpose()?;
            methods.push(Method { name: MethodName::new(&written.name), matching, merging, repair });
        }
        self.distinct("methods", "name", "method", methods.iter().map(|method| method.name.name.as_str()))?;
        Ok(methods)
    }

    fn repair(&self, here: &[String], merging: &Merging) -> Result<Repair> {
        let repair: Repair = self.layers.read_at(here)?;
        if *merging == Merging::Ensemble {
            let message = "an ensemble averages predictions: it has no merged model to repair";
            return Err(self.layers.fault(here, End::Key, message).hint("leave `repair` out, or merge by \"mean\""));
        }
        let at = |key: &str| here.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
        self.within(&at("batch"), repair.batch(), 1..=MOST_IMAGES, "the published figures have 100")?;
        if let Some(images) = repair.images() {
            self.within(&at("images"), images, 1..=MOST_IMAGES, "leave it out to take all training images")?;
        }
        Ok(repair)
    }

    fn evaluation(&self, models: &[Model], pairs: &[Pair], methods: &[Method], measurements: &[&dyn EvaluationKeys]) -> Result<Evaluation> {
        let written = self.evaluation;
        let at = |key: &str| path(["evaluation", key]);
        self.within(&at("lambdas"), written.lambdas, 2..=MOST_LAMBDAS, "two are the ends of a line; the papers take 25")?;
        if written.splits.is_empty() {
            return Err(self.wrong(&at("splits"), "`evaluation.splits` should name `train`, `test` or both"));
        }
        let mut parts = written.splits.clone();
        parts.sort_unstable();
        parts.dedup();
        if written.images == Some(0) {
            return Err(self
                .wrong(&at("images"), "`evaluation.images` is 0, expected at least 1")
                .hint("leave it out to measure all images"));
        }
        let (merges, listed) = self.merges(models)?;
        let subsets = self.subsets(listed, models)?;
        let asked = Asked { resolver: self, models, pairs, methods };
        let (requests, walks_lines) = Requests::check(measurements, &asked)?;
        let document::Evaluation { lambdas, images, joint_subsets, .. } = *written;
        Ok(Evaluation { lambdas, parts, images, merges, subsets, joint_subsets, requests, walks_lines })
    }

    /// Factors of a mean fit one number of models only.
    fn coefficients(&self, methods: &[Method], evaluation: &Evaluation) -> Result<()> {
        for (index, method) in methods.iter().enumerate() {
            let Merging::Mean { coefficients: Some(factors) } = &method.merging else { continue };
            let here = path(["methods", &index.to_string(), "merging", "coefficients"]);
            if factors.iter().any(|factor| !factor.is_finite()) {
                return Err(self.wrong(&here, "`coefficients` should be finite numbers"));
            }
            if factors.len() < 2 {
                let message = format!("`coefficients` should be one number for each model merged, at least 2, not {}", factors.len());
                return Err(self.wrong(&here, message));
            }
            let sum: f64 = factors.iter().sum();
            if (sum - 1.0).abs() > 1e-6 {
                return Err(self.wrong(&here, format!("`coefficients` should add up to 1, not {sum}")));
            }
            let subsets = evaluation.subsets.iter().map(Vec::len);
            if let Some(count) = evaluation.merges.iter().copied().chain(subsets).find(|&count| count != factors.len()) {
                let message = format!("{} `coefficients` cannot weigh a merge of {count} models", factors.len());
                return Err(self.wrong(&here, message).hint(format!(
                    "let `evaluation.merges` and `subsets` ask for {} models only, or leave the coefficients out",
                    factors.len()
                )));
            }
        }
        Ok(())
    }

    /// A library's fault about the table at `table`, placed at the key or value it quotes first, if the table has it.
    fn library(&self, table: &[String], error: &dyn std::error::Error) -> SpecError {
        let text = chain(error);
        let within = shown(table);
        let place = quoted_place(self.layers, table, &text);
        self.wrong(&place, if text.contains(&within) { text } else { format!("`{within}`: {text}") })
    }
}

/// The keys of `[evaluation]` that no measurement owns; every key must be one of them or of a measurement.
fn evaluation_keys(layers: &Layers, measurements: &[&dyn EvaluationKeys]) -> Result<document::Evaluation> {
    let here = path(["evaluation"]);
    let owned = measurements.iter().flat_map(|measurement| measurement.keys()).copied();
    let known: Vec<&str> = document::Evaluation::KEYS.into_iter().chain(owned).collect();
    let unknown = match layers.get(&here) {
        Some(Value::Dict(_, entries)) => entries.keys().find(|key| !known.contains(&key.as_str())),
        _ => None,
    };
    if let Some(key) = unknown {
        let error = layers.fault(&path(["evaluation", key]), End::Key, format!("unknown key `{key}` in `evaluation`"));
        return Err(error.known(key, known));
    }
    layers.read_at(&here)
}

/// Whether the files of a data set are on this machine.
fn is_present(source: &Source, places: &SearchPaths) -> bool {
    let offline = SearchPaths { fetch: false, ..places.clone() };
    !matches!(digest(source, &offline), Err(DatasetError::Missing { .. }))
}

/// `a` to `z`, then `aa`, `ab`, ...
fn letters(index: usize) -> String {
    let last = char::from(b'a' + (index % 26) as u8);
    if index < 26 { last.to_string() } else { format!("{}{last}", letters(index / 26 - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_letters() {
        let names: Vec<String> = [0, 1, 25, 26, 51, 52, 701, 702].map(letters).to_vec();
        assert_eq!(names, ["a", "b", "z", "aa", "az", "ba", "zz", "aaa"]);
    }
}
