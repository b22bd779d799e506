//! What no machine could do, told when a spec is read: each limit with what the spec asks for.

use figment::value::Value;
use onebasin_datasets::{Counts, Geometry, counts, held_out};
use onebasin_matching::Matching;
use onebasin_training::{Span, has_lone_batch_norm};

use super::error::SpecError;
use super::experiment::{Merging, Method, Model, Pair};
use super::resolve::{Resolver, Result, path};
use super::text::End;

/// Bytes of images, of networks or of a cost matrix that are held at once.
const MOST_BYTES: u128 = 64 << 30;

/// Numbers of an image.
const MOST_NUMBERS: usize = 1 << 24;

/// Steps of a training.
const MOST_STEPS: usize = 100_000_000;

/// Layers of a list, those inside of others included; the network's own limit is about as high, but it is looked at later.
const MOST_LAYERS: usize = 20_000;

/// Stages of a plan.
pub const MOST_STAGES: usize = 500_000;

impl Resolver<'_> {
    /// Networks, their groups and the lengths of trainings.
    pub(super) fn limits(&self, models: &[Model], pairs: &[Pair], methods: &[Method]) -> Result<()> {
        for (index, pair) in pairs.iter().enumerate() {
            let architecture = path(["architectures", &pair.architecture]);
            let bytes = models.len() as u128 * u128::from(pair.graph.bytes());
            if bytes > MOST_BYTES {
                let message = format!(
                    "{} networks `{}` would be {}, expected at most {}",
                    models.len(),
                    pair.architecture,
                    size(bytes),
                    size(MOST_BYTES)
                );
                return Err(self
                    .layers
                    .fault(&architecture, End::Key, message)
                    .hint("all models of a pair are held together to be merged: make it narrower, or lower `models`"));
            }
            let matches = |method: &&Method| method.merging.aligns() && !matches!(method.matching, Matching::Identity(_));
            let widest = pair.graph.spec().groups.iter().max_by_key(|group| group.units);
            if let (Some(method), Some(group)) = (methods.iter().find(matches), widest) {
                let bytes = 8 * (group.units as u128).pow(2);
                if bytes > MOST_BYTES {
                    let message = format!(
                        "matching the {} units of group `{}` by `{}` would take a matrix of {}, expected at most {}",
                        group.units,
                        group.name,
                        method.name,
                        size(bytes),
                        size(MOST_BYTES)
                    );
                    return Err(self.layers.fault(&architecture, End::Key, message).hint("make the layer narrower"));
                }
            }
            for (place, model) in models.iter().enumerate() {
                if model.training.as_ref().is_some_and(|training| training.fold_norms != pair.training.fold_norms) {
                    let here = path(["models", &place.to_string(), "training"]);
                    let message = format!("the training of `{}` leaves another network than that of `{}`", model.name, pair.name());
                    return Err(self.wrong(&here, message).hint("give both the same `fold-norms`"));
                }
                let (here, subset) = match (pair.subsets.get(&place), &model.subset, &self.document.pairs[index].subsets) {
                    (Some(subset), _, Some(table)) => (path(["subsets", table, &model.name]), subset),
                    (_, Some(subset), _) => (path(["models", &place.to_string(), "subset"]), subset),
                    _ => continue,
                };
                subset.check_labels(pair.graph.architecture.classes).map_err(|error| {
                    self.library(&here, &error).hint(format!("`{}` has {} classes", pair.dataset, pair.graph.architecture.classes))
                })?;
            }
            self.fine_tunings(pair, methods)?;
            self.replays(pair, models, methods)?;
            self.batches_of_repairs(pair, methods)?;
            self.batches_of_matchings(pair, methods)?;
            let training = self.document.pairs[index].training.as_deref().unwrap_or_default();
            for (key, count) in [("epochs", pair.training.epochs), ("steps", pair.training.steps)] {
                if let Some(count) = count.filter(|&count| count > MOST_STEPS) {
                    let here = path(["trainings", training, key]);
                    return Err(self.wrong(&here, format!("`trainings.{training}.{key}` is {count}, expected at most {MOST_STEPS}")));
                }
            }
        }
        Ok(())
    }

    /// Refuses trainings of merged models that the images of a pair do not suffice for.
    fn fine_tunings(&self, pair: &Pair, methods: &[Method]) -> Result<()> {
        let Some(images) = counts(&pair.source, self.places).map(|counts| self.left(counts.train)) else { return Ok(()) };
        let trainings = methods.iter().enumerate().flat_map(|(index, method)| {
            let here = |keys: &[&str]| [path(["methods", &index.to_string()]), keys.iter().map(|&key| key.to_owned()).collect()].concat();
            let curve = match &method.merging {
                Merging::Curve(curve) => Some((here(&["merging", "training"]), method, &curve.training)),
                _ => None,
            };
            let tuning = method.fine_tuning.as_ref().map(|training| (here(&["fine-tuning"]), method, training));
            [curve, tuning].into_iter().flatten()
        });
        for (here, method, training) in trainings {
            let of_pair = |error: SpecError| error.hint(format!("`{}` has {images} training images", pair.dataset));
            training.check_norms(&pair.graph, images).map_err(|error| of_pair(self.library(&here, &error)))?;
            let Span { steps, .. } = training.span(images).map_err(|error| of_pair(self.library(&here, &error)))?;
            if steps > MOST_STEPS {
                return Err(of_pair(
                    self.wrong(&here, format!("`{}` would be trained on for {steps} steps, expected at most {MOST_STEPS}", method.name)),
                ));
            }
        }
        Ok(())
    }

    /// Refuses more images replayed of a model than it sees, where that is known before labels are read.
    fn replays(&self, pair: &Pair, models: &[Model], methods: &[Method]) -> Result<()> {
        let Some(images) = counts(&pair.source, self.places).map(|counts| self.left(counts.train)) else { return Ok(()) };
        let Some(replay) = self.document.replay else { return Ok(()) };
        for method in methods.iter().filter(|method| method.sequential.is_some()).filter(|method| method.trains()) {
            let all = || (0..models.len()).collect();
            for index in method.models.clone().unwrap_or_else(all) {
                let seen = match pair.subsets.get(&index).or(models[index].subset.as_ref()) {
                    None => Some(images),
                    // What is wrong with it is said elsewhere.
                    Some(subset) => subset.size(images).ok().flatten(),
                };
                if let Some(seen) = seen.filter(|&seen| replay > seen) {
                    let message = format!(
                        "`replay` is {replay}, but model `{}`, which `{}` merges, sees {seen} training images of `{}`",
                        models[index].name, method.name, pair.dataset
                    );
                    return Err(self.wrong(&path(["replay"]), message).hint("lower it, or leave it out to replay all"));
                }
            }
        }
        Ok(())
    }

    /// How many of so many training images are left where some are put aside.
    pub(super) fn left(&self, images: usize) -> usize {
        self.document.validation.map_or(images, |share| images - held_out(images, share))
    }

    /// Refuses repairs whose batches have one value of a unit: it has no variance.
    fn batches_of_repairs(&self, pair: &Pair, methods: &[Method]) -> Result<()> {
        for method in methods.iter().filter(|method| method.name.is_first()) {
            let Some((repair, (options, _))) = method.repair.as_ref().and_then(|repair| Some((repair, repair.renormalises()?))) else {
                continue;
            };
            let Ok(graph) = pair.graph.repairable(options.layers) else { continue };
            let lone = options.layers.places(&graph).into_iter().find(|&place| graph.nodes[place].shape.pixels() == 1);
            if let Some(place) = lone.filter(|_| repair.batch() == 1) {
                let index = self.document.methods.iter().position(|written| written.name == method.name.name).unwrap_or_default();
                let here = path(["methods", &index.to_string(), "repair", "batch"]);
                let layer = &graph.nodes[place].name;
                let message = format!(
                    "batches of 1 image hold one value of each unit of layer `{layer}` of `{}`, which has no variance",
                    pair.name()
                );
                return Err(self.wrong(&here, message).hint("100 images are usual; 2 are the fewest"));
            }
        }
        Ok(())
    }

    /// Refuses matchings that take the loss of one image where a batch norm sees one value of a channel: it has no variance.
    fn batches_of_matchings(&self, pair: &Pair, methods: &[Method]) -> Result<()> {
        let Some(images) = counts(&pair.source, self.places).map(|counts| self.left(counts.train)) else { return Ok(()) };
        for method in methods.iter().filter(|method| method.name.is_first() && has_lone_batch_norm(&pair.graph)) {
            let (key, what) = match &method.matching {
                Matching::StraightThrough(options) if options.batch.min(images) == 1 => ("batch", "batches of 1 image hold"),
                Matching::StraightThrough(options) if images % options.batch == 1 => ("batch", "the last batch has 1 image, which holds"),
                Matching::StraightThrough(options) if options.images == Some(1) => ("images", "1 image holds"),
                Matching::SteepestDescent(options) if options.images.unwrap_or(images) == 1 => ("images", "1 image holds"),
                _ => continue,
            };
            let index = self.document.methods.iter().position(|written| written.name == method.name.name).unwrap_or_default();
            let here = path(["methods", &index.to_string(), "matching", key]);
            let message = format!("{what} one value of each unit of a batch norm of `{}`, which has no variance", pair.name());
            let hint = format!("`{}` has {images} training images: take another `{key}`, or `norm = \"layer\"`", pair.dataset);
            return Err(self.wrong(&here, message).hint(hint));
        }
        Ok(())
    }

    /// Refuses images that no network takes: the data set is to blame, not the architecture.
    pub(super) fn sensible_images(&self, here: &[String], dataset: &str, images: Geometry) -> Result<()> {
        let (channels, height, width) = images.shape;
        if channels * height * width > MOST_NUMBERS {
            let message = format!("an image of `{dataset}` is {channels} x {height} x {width} numbers, expected at most {MOST_NUMBERS}");
            return Err(self.wrong(here, message).hint("make the images smaller before they are read"));
        }
        Ok(())
    }

    /// Refuses images of a pair that fill more memory than there is.
    pub(super) fn enough_memory_for_images(&self, here: &[String], pair: &Pair, counts: Counts) -> Result<()> {
        let images = counts.train as u128 + counts.test as u128;
        let bytes = images * pair.graph.architecture.input.volume() as u128;
        if bytes > MOST_BYTES {
            let message = format!("{images} images of `{}` would be {}, expected at most {}", pair.dataset, size(bytes), size(MOST_BYTES));
            return Err(self.wrong(here, message).hint("all images are held in memory: take fewer, or smaller ones"));
        }
        Ok(())
    }

    /// Refuses trainings and repairs that the images of a pair do not suffice for. Subsets of models count.
    pub(super) fn enough_images(&self, pair: &Pair, training: &str, models: &[Model], counts: Counts) -> Result<()> {
        let there = self.left(counts.train);
        let (aside, classes) = (counts.train - there, pair.graph.architecture.classes);
        if self.document.validation.is_some() && there < classes {
            let message = format!(
                "`validation` leaves {there} of {} training images of `{}`, expected at least {classes}",
                counts.train, pair.dataset
            );
            return Err(self.wrong(&path(["validation"]), message).hint("0.1 puts a tenth of the training images aside"));
        }
        if self.document.validation.is_some() && aside < classes {
            let message = format!(
                "`validation` puts {aside} training image{} of `{}` aside, expected at least {classes}, one for each class",
                if aside == 1 { "" } else { "s" },
                pair.dataset
            );
            let share = classes as f64 / counts.train as f64;
            return Err(self
                .wrong(&path(["validation"]), message)
                .hint(format!("`{}` has {} training images: from {share:.2} on", pair.dataset, counts.train)));
        }
        // A model from a file is trained in rounds alone.
        let is_trained = |model: &Model| model.checkpoint.is_none() && !pair.checkpoints.contains_key(&model.name);
        let has_rounds = self.layers.get(&path(["evaluation", "rounds"])).is_some();
        let trained = models.iter().enumerate().filter(|(_, model)| has_rounds || is_trained(model));
        for (index, model) in trained {
            let own = self.model_training(index);
            let training_name = own.as_deref().unwrap_or(training);
            let (table, training) = (path(["trainings", training_name]), model.training.as_ref().unwrap_or(&pair.training));
            let images = match pair.subsets.get(&index).or(model.subset.as_ref()) {
                None => Some(there),
                Some(subset) => {
                    let here = path(["models", &index.to_string(), "subset"]);
                    subset
                        .size(there)
                        .map_err(|error| self.library(&here, &error).hint(format!("`{}` has {there} training images", pair.dataset)))?
                }
            };
            // How many images parts by label are is known when the labels are read.
            let Some(images) = images else { continue };
            let of_pair = |error: SpecError| {
                let error = error.hint(format!("model `{}` of `{}` sees {images} training images", model.name, pair.name()));
                if aside > 0 { error.hint(format!("`validation` sets {aside} of {} aside", counts.train)) } else { error }
            };
            training.check_norms(&pair.trained, images).map_err(|error| of_pair(self.library(&table, &error)))?;
            let Span { steps, steps_per_epoch } = training.span(images).map_err(|error| of_pair(self.library(&table, &error)))?;
            if steps > MOST_STEPS {
                let message = format!("`trainings.{training_name}` would take {steps} steps, expected at most {MOST_STEPS}");
                return Err(of_pair(self.layers.fault(&table, End::Key, message)));
            }
            self.epochs(pair, steps / steps_per_epoch).map_err(of_pair)?;
        }
        let methods = 0..self.document.methods.len();
        let keys = [
            &["repair", "images"][..],
            &["matching", "images"],
            &["matching", "activations", "images"],
            &["matching", "mix", "activations", "images"],
        ];
        for (index, keys) in methods.flat_map(|index| keys.map(|keys| (index.to_string(), keys))) {
            let here: Vec<String> = ["methods", &index].iter().chain(keys).map(|&step| step.to_owned()).collect();
            let Some(Value::Num(..)) = self.layers.get(&here) else { continue };
            let images: usize = self.layers.read_at(&here)?;
            if images > there {
                let message = format!("`{}` is {images}, but `{}` has {there} training images", super::shown(&here), pair.dataset);
                return Err(self.wrong(&here, message).hint("leave it out to take all"));
            }
            let drawn: Vec<String> = [&here[..here.len() - 1], &path(["drawn"])].concat();
            if images == there && matches!(self.layers.get(&drawn), Some(Value::Bool(_, true))) {
                let message =
                    format!("`{}` is true, but `images` beside it is {images}, which is all of `{}`", super::shown(&drawn), pair.dataset);
                return Err(self.wrong(&drawn, message).hint("take fewer images: of all there is nothing to draw"));
            }
        }
        Ok(())
    }

    /// The name of a model's own training.
    pub(super) fn model_training(&self, index: usize) -> Option<String> {
        match self.layers.get(&path(["models", &index.to_string(), "training"])) {
            Some(Value::String(_, name)) => Some(name.clone()),
            _ => None,
        }
    }

    /// Refuses epochs to be measured after that a training of a pair does not have.
    pub(super) fn epochs(&self, pair: &Pair, whole: usize) -> Result<()> {
        let epochs = &self.evaluation.epochs;
        if let Some(place) = epochs.iter().position(|&epoch| epoch > whole) {
            let here = path(["evaluation", "epochs", &place.to_string()]);
            let message =
                format!("`evaluation.epochs` holds {}, but a training of `{}` has {whole} whole epochs", epochs[place], pair.name());
            return Err(self.wrong(&here, message).hint("measure after fewer epochs, or train longer"));
        }
        Ok(())
    }

    /// Refuses a list of layers that is longer than any network, before it is read.
    pub(super) fn few_layers(&self, here: &[String]) -> Result<()> {
        let layers = self.layers.get(here).map_or(0, tables);
        if layers > MOST_LAYERS {
            let message = format!("`{}` has {layers} layers, expected at most {MOST_LAYERS}", super::shown(here));
            return Err(self.layers.fault(here, End::Key, message).hint("use fewer, wider layers"));
        }
        Ok(())
    }

    /// Refuses so many stages of one replicate of one pair that the plan as a whole has more than any run gets through.
    pub(super) fn few_stages(&self, here: &[String], what: &str, of_replicate: usize, pairs: usize) -> Result<()> {
        let stages = (of_replicate as u128) * (pairs as u128) * (self.document.replicates as u128);
        if stages > MOST_STAGES as u128 {
            let message = format!("there would be {stages} {what}, each a stage: expected at most {MOST_STAGES}");
            return Err(self
                .wrong(here, message)
                .hint("lower `models`, `replicates` or `matching-seeds`, or measure fewer lines: `evaluation.pairs = \"none\"`"));
        }
        Ok(())
    }

    /// Methods that merge weights, each counted once for every draw of its matching.
    pub(super) fn draws(&self) -> usize {
        let weights = self.document.methods.iter().filter(|method| !matches!(method.merging, Some(super::document::Merging::Ensemble(_))));
        weights.map(|method| method.matching_seeds.unwrap_or(1)).fold(0, usize::saturating_add)
    }
}

/// Tables below a value.
fn tables(value: &Value) -> usize {
    match value {
        Value::Dict(_, entries) => 1 + entries.values().map(tables).sum::<usize>(),
        Value::Array(_, items) => items.iter().map(tables).sum(),
        _ => 0,
    }
}

/// `64.0 GB`.
fn size(bytes: u128) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_inside_of_layers_are_counted() {
        let layers = super::super::text::Text::value("[{ op = \"residual\", body = [{ op = \"relu\" }] }, { op = \"relu\" }]").unwrap();
        assert_eq!(tables(&layers), 3);
    }
}
