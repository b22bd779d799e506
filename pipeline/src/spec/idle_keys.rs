//! Keys that change nothing: refused where no network could have them do anything, told where the value of another key lets them lie idle.

use std::collections::BTreeMap;

use onebasin_datasets::counts;
use onebasin_matching::Matching;
use onebasin_network::{Graph, Operation};
use onebasin_training::{ScheduleKind, Span, Training, has_closing_norm};

use super::document;
use super::experiment::{Columns, Merging, Method, Model, Pair};
use super::repair::Repair;
use super::resolve::{Resolver, Result, path};
use super::sequence::Onto;
use super::shown;
use super::warnings::has_batch_norms;
use crate::drawing::list;
use crate::identity::Part;

/// A key of a training that is about layers which a network may not have.
struct OfNorms {
    key: &'static str,
    /// Whether a training asks for it.
    asks: fn(&Training) -> bool,
    /// Whether a network has what it is about.
    has: fn(&Graph) -> bool,
    what: &'static str,
    hint: &'static str,
}

const OF_NORMS: [OfNorms; 2] = [
    OfNorms {
        key: "zero-init-residual",
        asks: |training| training.zero_init_residual,
        has: has_closing_norm,
        what: "a residual body that ends in a norm",
        hint: "leave it out, or give a ResNet `norm = \"layer\"` or `\"batch\"`",
    },
    OfNorms {
        key: "fold-norms",
        asks: |training| training.fold_norms,
        has: has_batch_norms,
        what: "a batch norm",
        hint: "leave it out, or give the architecture `norm = \"batch\"`",
    },
];

impl Resolver<'_> {
    /// Refuses keys about norms where no network that the training is of has any: two recipes that differ in one would be the same.
    pub(super) fn idle_trainings(&self, models: &[Model], pairs: &[Pair], methods: &[Method]) -> Result<()> {
        for key in OF_NORMS {
            let mut found: BTreeMap<String, bool> = BTreeMap::new();
            for (name, training, graph) in self.trained(models, pairs) {
                if (key.asks)(training) {
                    *found.entry(name).or_default() |= (key.has)(graph);
                }
            }
            // What is trained on begins as it was merged, but it can be folded.
            let folds = methods
                .iter()
                .zip(&self.document.methods)
                .filter(|(method, _)| key.key == "fold-norms" && method.fine_tuning.as_ref().is_some_and(key.asks));
            let tunings = folds.filter_map(|(_, written)| written.fine_tuning.clone());
            for name in tunings {
                *found.entry(name).or_default() |= pairs.iter().any(|pair| (key.has)(&pair.graph));
            }
            if let Some((name, _)) = found.iter().find(|(_, found)| !**found) {
                let here = path(["trainings", name, key.key]);
                let message = format!("`{}` is true, but no network trained so has {}", shown(&here), key.what);
                return Err(self.wrong(&here, message).hint(key.hint));
            }
        }
        Ok(())
    }

    /// The trainings of models, by name, each with the network that it is of.
    fn trained<'r>(&'r self, models: &'r [Model], pairs: &'r [Pair]) -> Vec<(String, &'r Training, &'r Graph)> {
        let of_pairs = pairs.iter().zip(&self.document.pairs).map(|(pair, written)| {
            let trainings = self.trained_on(pair, written, models);
            trainings.into_iter().map(|(name, training)| (name, training, &pair.trained))
        });
        of_pairs.flatten().collect()
    }

    /// The trainings of models on a pair, by name.
    fn trained_on<'r>(&self, pair: &'r Pair, written: &document::Pair, models: &'r [Model]) -> Vec<(String, &'r Training)> {
        let is_trained = |model: &Model| model.checkpoint.is_none() && !pair.checkpoints.contains_key(&model.name);
        let of_models = models.iter().enumerate().filter(|(_, model)| is_trained(model)).filter_map(|(index, model)| {
            let name = self.model_training(index).or_else(|| written.training.clone())?;
            Some((name, model.training.as_ref().unwrap_or(&pair.training)))
        });
        of_models.collect()
    }

    /// Words about keys that are written and that nothing reads. A profile cannot take a key of the spec away, so none is refused.
    pub(super) fn idle_keys(&self, models: &[Model], pairs: &[Pair], methods: &[Method]) -> Vec<String> {
        let is_written = |keys: &[&str]| self.layers.get(&keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>()).is_some();
        let mut words = Vec::new();
        let mut say = |text: String| {
            if !words.contains(&text) {
                words.push(text);
            }
        };
        for (name, training, _) in self.trained(models, pairs) {
            let schedule = &training.schedule;
            if is_written(&["trainings", &name, "schedule", "warmup-from"]) && schedule.warmup_epochs == 0.0 && schedule.warmup_steps == 0 {
                say(format!("`trainings.{name}.schedule.warmup-from` is not read: there is no warm-up"));
            }
        }
        for (pair, written) in pairs.iter().zip(&self.document.pairs) {
            for (name, training) in self.trained_on(pair, written, models).into_iter().chain(self.trained_by(methods)) {
                let never = self.never_reached(training, pair);
                if never > 0 && training.schedule.kind == ScheduleKind::Steps {
                    let (of, pair) = (training.schedule.milestones.len(), pair.name());
                    say(format!("{never} of {of} `milestones` of `trainings.{name}` are not reached: on `{pair}` it ends before them"));
                }
            }
            let has_norm = pair.trained.nodes.iter().any(|node| matches!(node.operation, Operation::Norm { .. }));
            if !has_norm && is_written(&["architectures", &pair.architecture, "epsilon"]) {
                say(format!("`architectures.{}.epsilon` is not read: the network has no norms", pair.architecture));
            }
        }
        if is_written(&["evaluation", "train-images"]) && !self.evaluation.splits.contains(&Part::Train) {
            say("`evaluation.train-images` says nothing: `train` is not among the splits that are measured".to_owned());
        }
        let idle =
            methods.iter().filter(|method| method.repair.as_ref().is_some_and(|repair| pairs.iter().all(|pair| is_idle(repair, pair))));
        let idle: Vec<String> = idle.map(|method| format!("`{}`", method.name.name)).collect();
        if !idle.is_empty() && models.len() > 1 {
            let them = list(&idle);
            say(format!("the repair of {them} changes nothing: no network has layers that it is about"));
        }
        words
    }

    /// The trainings of curves and of what is trained on, by name.
    fn trained_by<'r>(&self, methods: &'r [Method]) -> Vec<(String, &'r Training)> {
        let firsts = methods.iter().filter(|method| method.name.is_first());
        let of_methods = firsts.zip(&self.document.methods).flat_map(|(method, written)| {
            let bends = match (&method.merging, &written.merging) {
                (Merging::Curve(curve), Some(document::Merging::Curve(written))) => Some((written.training.clone(), &curve.training)),
                _ => None,
            };
            bends.into_iter().chain(written.fine_tuning.clone().zip(method.fine_tuning.as_ref()))
        });
        of_methods.collect()
    }

    /// How many milestones of a training lie behind its end on the images of a pair, as far as that is known.
    fn never_reached(&self, training: &Training, pair: &Pair) -> usize {
        let images = counts(&pair.source, self.places).map(|counts| self.left(counts.train));
        let span = images.and_then(|images| training.span(images).ok());
        let end = span.map(|Span { steps, steps_per_epoch }| steps as f64 / steps_per_epoch as f64);
        let end = end.or(training.epochs.map(|epochs| epochs as f64));
        end.map_or(0, |end| training.schedule.milestones.iter().filter(|milestone| **milestone >= end).count())
    }

    /// Refuses keys about what moves with the units, of methods that move none.
    pub(super) fn idle_without_a_matching(&self, methods: &[Method]) -> Result<()> {
        for (index, method) in methods.iter().enumerate().filter(|(_, method)| matches!(method.matching, Matching::Identity(_))) {
            let unaligned = matches!(method.merging, Merging::Mean { columns: Columns::Unaligned, .. });
            let onto_next = method.sequential.is_some_and(|sequence| sequence.onto == Onto::Next);
            let keys = [(unaligned, "merging", "columns"), (onto_next, "sequential", "onto")];
            if let Some((_, table, key)) = keys.into_iter().find(|(is_idle, ..)| *is_idle) {
                let here = path(["methods", &index.to_string(), table, key]);
                let message = format!("`{}` changes nothing: `matching` is \"identity\", and no unit moves", shown(&here));
                return Err(self.wrong(&here, message).hint(format!("leave `{key}` out, or match the models")));
            }
        }
        Ok(())
    }
}

/// Whether a repair leaves the merged networks of a pair as they are.
fn is_idle(repair: &Repair, pair: &Pair) -> bool {
    let places = repair.renormalises().and_then(|(options, _)| {
        let graph = pair.graph.repairable(options.layers).ok()?;
        Some(options.layers.places(&graph).len())
    });
    !pair.has_batch_norms() && places.unwrap_or(0) == 0
}
