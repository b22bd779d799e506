//! What is right and still worth a word: tables that nothing uses, methods that have nothing to merge.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::Value;

use super::experiment::{Experiment, Method, Model, Pair};
use super::layers::Layers;
use super::resolve::{Resolver, path};
use crate::identity::MethodLabel;
use crate::reported::{Moment, Reported};

/// Tables that pairs name.
const TABLES: [&str; 4] = ["architectures", "datasets", "subsets", "trainings"];

/// A table: `architectures`, and its name.
pub type Table = (&'static str, String);

impl Resolver<'_> {
    /// What a person may not have meant, besides tables that nothing uses.
    pub(super) fn notices(&self, models: &[Model], pairs: &[Pair], methods: &[Method]) -> Vec<String> {
        let alone = models.len() == 1 && !methods.is_empty();
        let text = "`models` is 1, so nothing is merged: the methods of the spec are not used";
        let mut words: Vec<String> = alone.then(|| text.to_owned()).into_iter().collect();
        let is_trained = |pair: &Pair, model: &Model| {
            model.checkpoint.is_none() && model.pruned.is_none() && !pair.checkpoints.contains_key(&model.name)
        };
        for pair in pairs.iter().filter(|pair| self.document.replicates > 1 && !models.iter().any(|model| is_trained(pair, model))) {
            words.push(format!(
                "every replicate of `{}` has the same networks, from files, and differs in what is drawn alone: intervals and tests over replicates say \
                 nothing of other networks; `matching-seeds` draws a matching several times",
                pair.name()
            ));
        }
        for pair in pairs {
            words.extend(twice_one_file(pair, models));
        }
        words
    }
}

/// Models of a pair that are one and the same network: there is nothing to match.
fn twice_one_file(pair: &Pair, models: &[Model]) -> Option<String> {
    let mut by_content: BTreeMap<(&str, Option<&str>), Vec<&str>> = BTreeMap::new();
    for model in models {
        if let Some(file) = pair.checkpoints.get(&model.name).or(model.checkpoint.as_ref()) {
            by_content.entry((&file.digest, file.key.as_deref())).or_default().push(&model.name);
        }
    }
    let mut groups: Vec<String> = by_content.values().filter(|names| names.len() > 1).map(|names| names.join(", ")).collect();
    groups.sort();
    let listed = groups.join("; ");
    (!groups.is_empty()).then(|| format!("models of `{}` are the same file, byte for byte: {listed}", pair.name()))
}

/// The tables that a spec has under these layers, and those of them that its pairs and methods use.
pub fn tables(layers: &Layers) -> (BTreeSet<Table>, BTreeSet<Table>) {
    let mut there = BTreeSet::new();
    for table in TABLES {
        if let Some(Value::Dict(_, entries)) = layers.get(&path([table])) {
            there.extend(entries.keys().map(|name| (table, name.clone())));
        }
    }
    let mut used = BTreeSet::new();
    if let Some(Value::Array(_, pairs)) = layers.get(&path(["pairs"])) {
        for pair in pairs {
            for (table, key) in [
                ("architectures", "architecture"),
                ("datasets", "dataset"),
                ("datasets", "stand-in"),
                ("datasets", "stands-for"),
                ("subsets", "subsets"),
                ("trainings", "training"),
            ] {
                used.extend(pair.as_dict().and_then(|pair| pair.get(key)?.as_str()).map(|name| (table, name.to_owned())));
            }
            let of_models = pair.as_dict().and_then(|pair| pair.get("architectures")?.as_dict()).into_iter().flatten();
            used.extend(of_models.filter_map(|(_, name)| Some(("architectures", name.as_str()?.to_owned()))));
        }
    }
    if let Some(Value::Array(_, methods)) = layers.get(&path(["methods"])) {
        let named = methods.iter().filter_map(|method| method.as_dict()?.get("fine-tuning")?.as_str());
        used.extend(named.map(|name| ("trainings", name.to_owned())));
        let curves = methods.iter().filter_map(|method| method.as_dict()?.get("merging")?.as_dict()?.get("training")?.as_str());
        used.extend(curves.map(|name| ("trainings", name.to_owned())));
    }
    if let Some(Value::Array(_, models)) = layers.get(&path(["models"])) {
        let named = models.iter().filter_map(|model| model.as_dict()?.get("training")?.as_str());
        used.extend(named.map(|name| ("trainings", name.to_owned())));
    }
    (there, used)
}

/// Words about reported figures of methods that a spec does not have: the names are a slip of the pen, or the file is another spec's. The figures of a
/// method with several draws stand under the names of these.
pub fn strangers(reported: &[Reported], file: &str, methods: &[Method]) -> Vec<String> {
    let listed = |names: &BTreeSet<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let labels: BTreeSet<String> = methods.iter().map(|method| MethodLabel::Method(method.name.clone()).to_string()).collect();
    let unknown =
        reported.iter().map(|figure| figure.method.as_str()).filter(|name| !MethodLabel::is_reserved(name) && !labels.contains(*name));
    let (drawn, strangers): (BTreeSet<&str>, BTreeSet<&str>) =
        unknown.partition(|name| methods.iter().any(|method| method.name.name == **name));
    let mut words = Vec::new();
    if !strangers.is_empty() {
        let are = if strangers.len() == 1 { "is no method" } else { "are no methods" };
        words.push(format!("`{file}` has figures of {}, which {are} of the spec", listed(&strangers)));
    }
    if let Some(first) = drawn.first() {
        let names = listed(&drawn);
        words.push(format!("`{file}` has figures of {names}, which are compared with nothing: its draws are `{first}#1` and so on"));
    }
    words
}

/// Words about reported figures of data sets and architectures that no pair has among those `used`.
pub fn of_no_pair(reported: &[Reported], file: &str, used: &BTreeSet<Table>) -> Vec<String> {
    let words = [("datasets", "data set"), ("architectures", "architecture")].into_iter().filter_map(|(table, what)| {
        let name = |figure: &Reported| if table == "datasets" { figure.dataset.clone() } else { figure.architecture.clone() };
        let names: BTreeSet<String> = reported.iter().map(name).filter(|name| !used.contains(&(table, name.clone()))).collect();
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("`{file}` has figures of {what} {listed}, which no pair of the spec has"))
    });
    words.collect()
}

/// Words about figures of a `file` that the spec has nothing of, at its settings: methods, data sets, architectures.
pub fn unknown_names(figures: &[Reported], file: &str, experiment: &Experiment) -> Vec<String> {
    let of_pair = |pair: &Pair| {
        let (dataset, other) = (pair.dataset.clone(), pair.reported_as().to_owned());
        [("datasets", dataset), ("datasets", other), ("architectures", pair.architecture.clone())]
    };
    let used = experiment.pairs.iter().flat_map(of_pair).collect();
    [strangers(figures, file, &experiment.methods), of_no_pair(figures, file, &used)].concat()
}

/// The epochs and rounds after which networks are measured under these layers.
pub fn moments(layers: &Layers) -> BTreeSet<Moment> {
    let numbers =
        |key: &str| -> Vec<usize> { layers.get(&path(["evaluation", key])).and_then(|value| value.deserialize().ok()).unwrap_or_default() };
    numbers("epochs").into_iter().map(Moment::epoch).chain(numbers("rounds").into_iter().map(Moment::round)).collect()
}

/// Words about reported figures of epochs and rounds that are not measured, under any profile.
pub fn of_no_moment(reported: &[Reported], measured: &BTreeSet<Moment>) -> Vec<String> {
    let missing = |key: &str, number: fn(&Moment) -> Option<usize>| {
        let missing = reported.iter().map(|figure| figure.moment).filter(|moment| !measured.contains(moment));
        let numbers: BTreeSet<usize> = missing.filter_map(|moment| number(&moment)).collect();
        let listed = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        (!numbers.is_empty()).then(|| format!("`reported.file` has figures of {key} {listed}, which `evaluation.{key}` does not name"))
    };
    [missing("epochs", |moment| moment.epoch), missing("rounds", |moment| moment.round)].into_iter().flatten().collect()
}

/// Words about tables that no pair uses.
pub fn unused(there: &BTreeSet<Table>, used: &BTreeSet<Table>) -> Vec<String> {
    let unused: Vec<String> = there.difference(used).map(|(table, name)| format!("`[{table}.{name}]`")).collect();
    if unused.is_empty() { Vec::new() } else { vec![format!("no pair uses {}", unused.join(", "))] }
}
