//! Models of a pair that have other widths than the pair's architecture.

use std::collections::BTreeMap;

use figment::value::Value;
use onebasin_matching::{Matching, same_layers};
use onebasin_network::{Blueprint, Graph, Shape};
use onebasin_training::Training;

use super::document;
use super::experiment::{Columns, Evaluation, Merging, Method, Model, Pair, Width};
use super::resolve::{Resolver, Result, path};
use super::text::End;

/// The keys of `[evaluation]` that take models of several widths; all others compare models unit by unit, or go on with what is merged.
const KEYS: [&str; 11] = [
    "pairs",
    "lambdas",
    "splits",
    "images",
    "train-images",
    "merges",
    "subsets",
    "barrier",
    "interpolation",
    "calibration",
    "class-accuracy",
];

impl Pair {
    /// The network that the training of a model, given by index, leaves.
    pub fn graph_of(&self, model: usize) -> &Graph {
        self.widths.get(&model).map_or(&self.graph, |width| &width.graph)
    }

    /// Whether models, given by index, have one width.
    pub fn are_alike(&self, models: &[usize]) -> bool {
        models.windows(2).all(|two| self.graph_of(two[0]).architecture == self.graph_of(two[1]).architecture)
    }
}

impl Resolver<'_> {
    /// The networks of models that have an architecture of their own in the pair at an index, whose own is `graph`.
    pub(super) fn widths(
        &self,
        (index, written): (usize, &document::Pair),
        (graph, training): (&Graph, &Training),
        (shape, classes): (Shape, usize),
        (blueprints, models): (&BTreeMap<&str, Blueprint>, &[Model]),
    ) -> Result<BTreeMap<usize, Width>> {
        let mut widths = BTreeMap::new();
        for (name, architecture) in &written.architectures {
            let here = path(["pairs", &index.to_string(), "architectures", name]);
            let model = self.position(&here, name, models)?;
            let blueprint = self.lookup(&here, "architecture", "architectures", architecture, blueprints)?;
            let table = path(["architectures", architecture]);
            let built = blueprint.build(shape, classes).map_err(|error| self.library(&table, &error))?;
            let trained = Graph::build(&built).map_err(|error| self.library(&table, &error))?;
            let own = training.leaves(&trained).map_err(|error| self.library(&table, &error))?;
            same_layers(graph.spec(), own.spec(), model).map_err(|_| {
                let message = format!("`{architecture}` has other layers than `{}`, the architecture of the pair", written.architecture);
                self.wrong(&here, message).hint("models of one pair have the same layers, which may have other widths")
            })?;
            widths.insert(model, Width { architecture: architecture.clone(), trained, graph: own });
        }
        Ok(widths)
    }

    /// Refuses what models of several widths cannot be asked for.
    pub(super) fn several_widths(&self, pairs: &[Pair], methods: &[Method], evaluation: &Evaluation, models: &[Model]) -> Result<()> {
        for (index, pair) in pairs.iter().enumerate() {
            self.prunings((index, pair), models)?;
            if pair.widths.is_empty() {
                continue;
            }
            self.keys_of_widths(pair)?;
            for (place, method) in methods.iter().enumerate() {
                self.method_of_widths(pair, (place, method), evaluation)?;
            }
        }
        Ok(())
    }

    fn keys_of_widths(&self, pair: &Pair) -> Result<()> {
        let Some(Value::Dict(_, entries)) = self.layers.get(&path(["evaluation"])) else { return Ok(()) };
        let off = |value: &Value| value.to_bool() == Some(false) || value.as_array().is_some_and(<[Value]>::is_empty);
        match entries.iter().find(|(key, value)| !KEYS.contains(&key.as_str()) && !off(value)) {
            None => Ok(()),
            Some((key, _)) => {
                let message = format!("`evaluation.{key}` is about models of one width, and those of `{}` have several", pair.name());
                Err(self
                    .layers
                    .fault(&path(["evaluation", key]), End::Key, message)
                    .hint("leave it out, or give that pair a spec of its own"))
            }
        }
    }

    fn method_of_widths(&self, pair: &Pair, (place, method): (usize, &Method), evaluation: &Evaluation) -> Result<()> {
        let here = |key: &str| path(["methods", &place.to_string(), key]);
        let refused = |key: &str, problem: &str, hint: &str| {
            let message = format!("`{}` {problem}, and models of `{}` have several widths", method.name, pair.name());
            Err(self.layers.fault(&here(key), End::Key, message).hint(hint))
        };
        if method.repair.is_some() {
            return refused("repair", "has a repair, which compares models unit by unit", "leave `repair` out");
        }
        if method.sequential.is_some() {
            return refused("sequential", "merges one model after the other", "leave `sequential` out");
        }
        if matches!(method.merging, Merging::Curve(_)) {
            return refused("merging", "merges at a point of a curve", "merge by \"mean\"");
        }
        let sets: Vec<Vec<usize>> = match &method.models {
            Some(models) => vec![models.clone()],
            None => evaluation.merges.iter().map(|&count| (0..count).collect()).chain(evaluation.subsets.iter().cloned()).collect(),
        };
        if !method.merging.averages() || sets.iter().all(|models| pair.are_alike(models)) {
            return Ok(());
        }
        let takes = match &method.matching {
            Matching::OtFusion(_) => method.matching.reference().is_some(),
            _ => false,
        };
        if !takes {
            let hint = "`matching = { by = \"ot-fusion\" }` takes them; or let the method's own `models` be of one width";
            return refused("matching", "does not match units of other numbers", hint);
        }
        match method.merging {
            Merging::Mean { columns: Columns::Unaligned, .. } => refused("merging", "leaves columns where they are", "leave `columns` out"),
            _ => Ok(()),
        }
    }

    /// A pruned model is narrower than the one that it is of.
    fn prunings(&self, (index, pair): (usize, &Pair), models: &[Model]) -> Result<()> {
        for (place, model) in models.iter().enumerate() {
            let Some(pruned) = &model.pruned else { continue };
            let groups = |model: usize| pair.graph_of(model).spec().groups.iter().map(|group| group.units).collect::<Vec<usize>>();
            let (own, from) = (groups(place), groups(pruned.from));
            let here = match pair.widths.contains_key(&place) {
                true => path(["pairs", &index.to_string(), "architectures", &model.name]),
                false => path(["models", &place.to_string(), "pruned"]),
            };
            let other = &models[pruned.from].name;
            if own == from {
                let message = format!("`{}` has the widths of `{other}` in `{}`: there is nothing to prune", model.name, pair.name());
                let hint = format!("`architectures = {{ {} = \"NARROW\" }}` in the pair says how narrow it is", model.name);
                return Err(self.wrong(&here, message).hint(hint));
            }
            if own.iter().zip(&from).any(|(own, from)| own > from) {
                let message = format!("`{}` has more units than `{other}` in `{}`, which it is pruned from", model.name, pair.name());
                return Err(self.wrong(&here, message).hint("a pruned model keeps some of the units that there are"));
            }
        }
        Ok(())
    }

    /// How the model at an index is pruned.
    pub(super) fn pruned(&self, index: usize, written: &document::Pruned, names: &[String]) -> Result<super::Pruned> {
        let here = path(["models", &index.to_string(), "pruned", "from"]);
        let from = names.iter().position(|name| *name == written.from);
        match from {
            Some(from) if from < index => Ok(super::Pruned { from, norm: written.norm }),
            _ => {
                let message = format!("`{}` is no model before this one", written.from);
                Err(self
                    .wrong(&here, message)
                    .known(&written.from, names[..index].iter().map(String::as_str))
                    .hint("a model is pruned of one that stands before it"))
            }
        }
    }
}

/// What a pruned model takes from the other one.
pub(super) fn beside_pruned(written: &document::Model) -> Option<&'static str> {
    [
        ("subset", written.subset.is_some()),
        ("checkpoint", written.checkpoint.is_some()),
        ("training", written.training.is_some()),
        ("first-weights", written.first_weights != super::FirstWeights::Own),
    ]
    .into_iter()
    .find_map(|(key, there)| there.then_some(key))
}
