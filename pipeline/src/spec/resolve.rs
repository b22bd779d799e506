//! From the keys of a spec to what they mean, checking every name and number on the way.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use figment::value::Value;
use onebasin_datasets::{SearchPaths, Subset};
use onebasin_training::Training;

use super::asked::{Asked, EvaluationKeys, Requests};
use super::document::{self, Document};
use super::error::{SpecError, chain};
use super::executor::EXECUTOR;
use super::experiment::{Evaluation, Experiment, Method, Model, Pair};
use super::fault::{fraction, quoted_place, shown, whole};
use super::layers::Layers;
use super::origin::Origin;
use super::text::End;
use super::widths::beside_pruned;
use crate::image_limits::ImageLimits;

pub(super) type Result<T> = std::result::Result<T, SpecError>;

const MOST_REPLICATES: usize = 1000;
const MOST_SECONDS: usize = 86_400;
const MOST_LAMBDAS: usize = 1001;
/// A data set, an architecture and a method together are in names of files: 255 bytes at most.
const LONGEST_NAME: usize = 60;
pub(super) const MOST_IMAGES: usize = 1_000_000_000;

/// Checks everything that can be known without reading images.
pub fn resolve(layers: &Layers, folder: &Path, places: &SearchPaths, measurements: &[&dyn EvaluationKeys]) -> Result<Experiment> {
    let document: Document = layers.read_at(&[])?;
    let evaluation = evaluation_keys(layers, measurements)?;
    let resolver = Resolver { layers, document: &document, evaluation: &evaluation, places, folder };
    resolver.name(&path(["name"]), &document.name)?;
    resolver.within(&path(["replicates"]), document.replicates, 1..=MOST_REPLICATES, "")?;
    resolver.within(&path(["checkpoint-seconds"]), document.checkpoint_seconds, 0..=MOST_SECONDS, "0 keeps no checkpoints")?;
    if let Some(share) = document.validation
        && !(share > 0.0 && share < 1.0)
    {
        let message = format!("`validation` should be a share above 0 and below 1, not `{share}`");
        return Err(resolver.wrong(&path(["validation"]), message).hint("0.1 puts a tenth of the training images aside"));
    }
    let models = resolver.models()?;
    let pairs = resolver.pairs(&models)?;
    let methods = resolver.methods(&models)?;
    resolver.limits(&models, &pairs, &methods)?;
    resolver.idle_trainings(&models, &pairs, &methods)?;
    resolver.idle_without_a_matching(&methods)?;
    let evaluation = resolver.evaluation(&models, &pairs, &methods, measurements)?;
    resolver.coefficients(&methods, &evaluation)?;
    resolver.references(&methods, &evaluation, &models)?;
    resolver.orders(&methods, &models)?;
    resolver.asked_of_some(&methods)?;
    resolver.sequences(&methods)?;
    resolver.apart_from_models(&methods, &models)?;
    resolver.lessons(&methods)?;
    resolver.several_widths(&pairs, &methods, &evaluation, &models)?;
    let methods = resolver.with_draws(methods)?;
    let comparison = resolver.comparison(folder, &pairs, &methods)?;
    let notices = [resolver.notices(&models, &pairs, &methods), resolver.idle_keys(&models, &pairs, &methods)].concat();
    let sweep = resolver.sweep()?;
    if let Some((keys, message, hint)) = document.executor.slurm.fault() {
        let here: Vec<String> = path([EXECUTOR, "slurm"]).into_iter().chain(keys).collect();
        return Err(resolver.wrong(&here, format!("`{}`: {message}", shown(&here))).hint(hint));
    }
    let Document { name, seed, replicates, checkpoint_seconds, validation, replay, executor, .. } = document;
    Ok(Experiment {
        name,
        seed,
        replicates,
        checkpoint_seconds,
        validation,
        replay,
        models,
        pairs,
        methods,
        evaluation,
        comparison,
        lost: Vec::new(),
        notices,
        sweep,
        executor,
        origin: Origin::default(),
    })
}

pub(super) struct Resolver<'a> {
    pub(super) layers: &'a Layers,
    pub(super) document: &'a Document,
    pub(super) evaluation: &'a document::Evaluation,
    pub(super) places: &'a SearchPaths,
    /// That of the spec.
    pub(super) folder: &'a Path,
}

/// A path of keys; list indices are written as numbers.
pub(super) fn path<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).to_vec()
}

impl Resolver<'_> {
    pub(super) fn wrong(&self, path: &[String], message: impl Into<String>) -> SpecError {
        self.layers.fault(path, End::Value, message)
    }

    pub(super) fn name(&self, path: &[String], name: &str) -> Result<()> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fine) || name.starts_with('-') || name.ends_with('-') {
            let key = shown(path);
            return Err(self
                .wrong(path, format!("`{key}` must be lowercase letters, digits and inner hyphens, got `{name}`"))
                .hint("names become names of folders and stages, for example `mnist-mlp-2`"));
        }
        if name.len() > LONGEST_NAME {
            let message = format!("`{}` has {} letters, expected at most {LONGEST_NAME}", shown(path), name.len());
            return Err(self.wrong(path, message).hint("names become names of files, which no file system takes much longer"));
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
    pub(super) fn distinct<'n>(&self, base: &str, key: &str, what: &str, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
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
                    Some(count) if count <= 10_000 => Ok((0..count).map(|index| Model::named(letters(index))).collect()),
                    _ => Err(self.wrong(&here, "`models` should be a whole number from 1 to 10000, or a list of tables")),
                }
            }
            Value::Array(_, items) if items.is_empty() => Err(self.wrong(&here, "`models` lists no model")),
            Value::Array(_, items) => {
                let mut models = (0..items.len()).map(|index| self.model(index)).collect::<Result<Vec<Model>>>()?;
                self.distinct("models", "name", "model", models.iter().map(|model| model.name.as_str()))?;
                let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
                for (index, model) in models.iter_mut().enumerate() {
                    let written: document::Model = self.layers.read_at(&path(["models", &index.to_string()]))?;
                    model.pruned = written.pruned.map(|pruned| self.pruned(index, &pruned, &names)).transpose()?;
                }
                Ok(models)
            }
            _ => Err(self
                .wrong(&here, "`models` should be a whole number, or a list of tables")
                .hint("`models = 5`, or `models = [{ name = \"a\" }, { name = \"b\", subset = 0.5 }]`")),
        }
    }

    fn model(&self, index: usize) -> Result<Model> {
        let index = index.to_string();
        let written: document::Model = self.layers.read_at(&path(["models", &index]))?;
        self.name(&path(["models", &index, "name"]), &written.name)?;
        if let (Some(_), Some(key)) = (&written.pruned, beside_pruned(&written)) {
            let message = format!("a pruned model is not trained: `{key}` has no meaning beside `pruned`");
            return Err(self.wrong(&path(["models", &index, key]), message).hint("leave one of the two out"));
        }
        let document::Model { name, subset, checkpoint, key, training, first_weights, .. } = written;
        let subset = subset.as_ref().map(|subset| self.subset(&path(["models", &index, "subset"]), subset)).transpose()?;
        let here = path(["models", &index, "training"]);
        let training = training.map(|name| self.training_named(&here, &name)).transpose()?;
        let checkpoint = self.model_checkpoint(&index, subset.is_some(), checkpoint.as_deref(), key)?;
        Ok(Model { subset, training, first_weights, checkpoint, ..Model::named(name) })
    }

    /// The subset that the value at `here` writes.
    pub(super) fn subset(&self, here: &[String], written: &Value) -> Result<Subset> {
        let subset = match written {
            Value::Num(_, number) => {
                let share = fraction(number);
                if !(share > 0.0 && share <= 1.0) {
                    let message = format!("`{}` should be a share above 0, at most 1, or a table, not `{share}`", shown(here));
                    let hint = "`subset = 0.5` takes half of the training images, `subset = { count = 100 }` takes 100";
                    return Err(self.wrong(here, message).hint(hint));
                }
                Subset::share(share)
            }
            _ => self.layers.read_at(here)?,
        };
        // The number of images is not known here: only the share can be judged.
        subset.size(usize::MAX >> 12).map_err(|error| self.library(here, &error))?;
        Ok(subset)
    }

    /// The training that the value at `here` names.
    pub(super) fn training_named(&self, here: &[String], name: &str) -> Result<Training> {
        let trainings = &self.document.trainings;
        if !trainings.contains_key(name) {
            let message = format!("unknown training `{name}`: there is no table `[trainings.{name}]`");
            return Err(self.wrong(here, message).known(name, trainings.keys().map(String::as_str)));
        }
        let table = path(["trainings", name]);
        let training: Training = self.layers.read_at(&table)?;
        training.check().map_err(|error| self.library(&table, &error))?;
        Ok(training)
    }

    fn evaluation(&self, models: &[Model], pairs: &[Pair], methods: &[Method], measurements: &[&dyn EvaluationKeys]) -> Result<Evaluation> {
        let written = self.evaluation;
        let at = |key: &str| path(["evaluation", key]);
        self.within(&at("lambdas"), written.lambdas, 2..=MOST_LAMBDAS, "two are the ends of a line; the papers take 25")?;
        if written.splits.is_empty() {
            return Err(self.wrong(&at("splits"), "`evaluation.splits` should name `train`, `test` or both"));
        }
        let mut parts = written.splits.clone();
        if let Some(index) = (1..parts.len()).find(|&index| parts[..index].contains(&parts[index])) {
            let here = path(["evaluation", "splits", &index.to_string()]);
            return Err(self.wrong(&here, format!("`evaluation.splits` names `{}` twice", parts[index])).hint("name each split once"));
        }
        parts.sort_unstable();
        for (key, images) in [("images", written.images), ("train-images", written.train_images)] {
            if images == Some(0) {
                let message = format!("`evaluation.{key}` is 0, expected at least 1");
                return Err(self.wrong(&at(key), message).hint("leave it out to measure all images"));
            }
        }
        let images = ImageLimits { train: written.train_images.or(written.images), test: written.images };
        let (merges, listed) = self.merges(models)?;
        let subsets = self.subsets(listed, models)?;
        if let Some(place) = (0..written.epochs.len())
            .find(|&place| written.epochs[place] <= place.checked_sub(1).map_or(0, |before| written.epochs[before]))
        {
            let here = path(["evaluation", "epochs", &place.to_string()]);
            return Err(self.wrong(&here, "`evaluation.epochs` should hold whole numbers from 1, in rising order"));
        }
        if !written.epochs.is_empty() && models.iter().any(|model| model.training.is_some()) {
            let message = "`evaluation.epochs` measures models on the way of one training, and some have their own";
            return Err(self.wrong(&at("epochs"), message).hint("leave `training` of the models out"));
        }
        for pair in pairs {
            self.epochs(pair, pair.training.epochs.unwrap_or(usize::MAX))?;
        }
        let asked = Asked { resolver: self, models, pairs, methods };
        let (requests, needs) = Requests::check(measurements, &asked)?;
        let document::Evaluation { lambdas, joint_subsets, barrier, interpolation, .. } = *written;
        let epochs = written.epochs.clone();
        let imported = |model: &&Model| {
            model.checkpoint.is_some() || model.pruned.is_some() || pairs.iter().any(|pair| pair.checkpoints.contains_key(&model.name))
        };
        if let (false, Some(model)) = (epochs.is_empty(), models.iter().find(imported)) {
            let message = format!("`evaluation.epochs` measures models on the way of their training, and `{}` has none", model.name);
            return Err(self.wrong(&path(["evaluation", "epochs"]), message).hint("leave `epochs` out"));
        }
        Ok(Evaluation { lambdas, parts, images, merges, subsets, joint_subsets, barrier, epochs, interpolation, requests, needs })
    }

    /// A library's fault about the table at `table`, placed at the key or value it quotes first, if the table has it.
    pub(super) fn library(&self, table: &[String], error: &dyn std::error::Error) -> SpecError {
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
