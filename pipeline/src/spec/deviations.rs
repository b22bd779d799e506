//! How the settings of a run differ from those under which reported figures were made.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::experiment::{Experiment, Model, Pair};
use super::interpolation::Interpolation;
use crate::comparison::{Deviation, Reach};
use crate::identity::{PairName, Part};

/// What differs in each pair of `ours` from the same pair of `theirs`; pairs without a difference are left out.
///
/// Number of models and replicates, which lines and which splits are no differences: each figure says by itself what it is of. How many
/// points a line has is one, because a barrier is the highest of them.
pub fn deviations(ours: &Experiment, theirs: &Experiment) -> Vec<(PairName, Vec<Deviation>)> {
    let mut all = Vec::new();
    for pair in &ours.pairs {
        let reported =
            theirs.pairs.iter().find(|other| other.reported_as() == pair.reported_as() && other.architecture == pair.architecture);
        let found = match reported {
            None => vec![Deviation::of_all("no such pair in the reported settings")],
            Some(reported) => {
                let mut of_networks = Vec::new();
                if see_other_parts((ours, pair), (theirs, reported)) {
                    of_networks.push("models see other parts of the training images".to_owned());
                }
                of_networks.extend(other_files(pair, reported));
                of_models((ours, pair), (theirs, reported), &mut of_networks);
                compare("share of images put aside", &ours.validation, &theirs.validation, &mut of_networks);
                let mut found: Vec<Deviation> = of_reach(Reach::All, of_pair(pair, reported)).collect();
                found.extend(of_images(ours, theirs));
                found.extend(of_lines(ours, theirs));
                found.extend(of_reach(Reach::All, of_networks));
                found.extend(of_methods(ours, theirs));
                found
            }
        };
        if !found.is_empty() {
            all.push((pair.name(), found));
        }
    }
    all
}

/// Whether a model sees another part of the training images than the one of its name; further models may see what any sees.
fn see_other_parts((ours, pair): (&Experiment, &Pair), (theirs, reported): (&Experiment, &Pair)) -> bool {
    let parts = |experiment: &Experiment, pair: &Pair| -> Vec<(String, Value)> {
        let part = |(model, it): (usize, &Model)| (it.name.clone(), written(&experiment.subset(pair, model)));
        experiment.models.iter().enumerate().map(part).collect()
    };
    let others = parts(theirs, reported);
    parts(ours, pair).iter().any(|(name, part)| match others.iter().find(|(other, _)| other == name) {
        Some((_, other)) => part != other,
        None => others.iter().all(|(_, other)| part != other),
    })
}

/// Models that are taken from a file on one side alone, or from files of other contents.
fn other_files(pair: &Pair, reported: &Pair) -> Vec<String> {
    let names: BTreeSet<&String> = pair.checkpoints.keys().chain(reported.checkpoints.keys()).collect();
    let file = |pair: &Pair, name: &String| pair.checkpoints.get(name).map(|it| (it.digest.clone(), it.key.clone()));
    let differ = names.into_iter().filter(|name| file(pair, name) != file(reported, name));
    differ.map(|name| format!("model {name} is taken from another file, or trained")).collect()
}

fn of_reach(reach: Reach, found: Vec<String>) -> impl Iterator<Item = Deviation> {
    found.into_iter().map(move |what| Deviation { reach, ..Deviation::of_all(what) })
}

/// How many images are measured, of the splits that both measure.
fn of_images(ours: &Experiment, theirs: &Experiment) -> Vec<Deviation> {
    let all = [(Part::Train, "training images measured"), (Part::Test, "test images measured")];
    let of_part = |(part, what): (Part, &str)| {
        let count = |it: &Experiment| it.evaluation.images.of(part).map_or_else(|| "all".to_owned(), |count| count.to_string());
        let mut found = Vec::new();
        if [ours, theirs].iter().all(|it| it.evaluation.parts.contains(&part)) {
            compare(what, &count(ours), &count(theirs), &mut found);
        }
        of_reach(Reach::Split(part), found)
    };
    all.into_iter().flat_map(of_part).collect()
}

/// What differs in the lines between models, where both measure some.
fn of_lines(ours: &Experiment, theirs: &Experiment) -> impl Iterator<Item = Deviation> {
    let mut found = Vec::new();
    if ours.evaluation.needs.lines && theirs.evaluation.needs.lines {
        compare("points on a line", &ours.evaluation.lambdas, &theirs.evaluation.lambdas, &mut found);
        compare("way of a line", &ours.evaluation.interpolation, &theirs.evaluation.interpolation, &mut found);
    }
    of_reach(Reach::Barriers, found)
}

/// What differs in models of one name: how they begin, and how they are trained where not as their pair says.
fn of_models((ours, pair): (&Experiment, &Pair), (theirs, reported): (&Experiment, &Pair), found: &mut Vec<String>) {
    for model in &ours.models {
        let Some(other) = theirs.models.iter().find(|other| other.name == model.name) else { continue };
        let name = &model.name;
        match (&model.training, &other.training) {
            (None, None) => {}
            (ours, theirs) => {
                let [ours, theirs] = [(ours, pair), (theirs, reported)].map(|(own, pair)| own.as_ref().unwrap_or(&pair.training));
                compare(&format!("training of model {name}"), ours, theirs, found);
            }
        }
        compare(&format!("first weights of model {name}"), &model.first_weights, &other.first_weights, found);
        let file = |it: &Model| it.checkpoint.as_ref().map(|it| (it.digest.clone(), it.key.clone()));
        if file(model) != file(other) {
            found.push(format!("model {name} is taken from another file, or trained"));
        }
        if model.pruned != other.pruned {
            found.push(format!("model {name} is pruned otherwise"));
        }
    }
}

/// What differs in methods of one name; a difference that several share is listed once.
fn of_methods(ours: &Experiment, theirs: &Experiment) -> Vec<Deviation> {
    let mut shared: Vec<Deviation> = Vec::new();
    for method in &ours.methods {
        let Some(other) = theirs.methods.iter().find(|other| other.name == method.name) else { continue };
        let (mut differing, mut of_lines) = (Vec::new(), Vec::new());
        compare("matching", &method.matching, &other.matching, &mut differing);
        compare("merging", &method.merging, &other.merging, &mut differing);
        compare("repair", &method.repair, &other.repair, &mut differing);
        if method.interpolation.is_some() || other.interpolation.is_some() {
            let way = |it: &Experiment, own: Option<Interpolation>| own.unwrap_or(it.evaluation.interpolation);
            compare("way of a line", &way(ours, method.interpolation), &way(theirs, other.interpolation), &mut of_lines);
        }
        compare("fine-tuning", &method.fine_tuning, &other.fine_tuning, &mut differing);
        compare("sequence", &method.sequential, &other.sequential, &mut differing);
        if method.sequential.is_some() && other.sequential.is_some() {
            compare("images replayed of each model", &ours.replay, &theirs.replay, &mut differing);
        }
        // All models in their order are what a method merges anyway.
        let names = |it: &Experiment, models: &Option<Vec<usize>>| {
            let some = models.as_ref().filter(|models| !models.iter().copied().eq(0..it.models.len()));
            some.map(|models| models.iter().map(|&model| it.models[model].name.clone()).collect::<Vec<_>>())
        };
        compare("models", &names(ours, &method.models), &names(theirs, &other.models), &mut differing);
        compare("distillation", &method.lesson, &other.lesson, &mut differing);
        for found in of_reach(Reach::All, differing).chain(of_reach(Reach::Barriers, of_lines)) {
            match shared.iter_mut().find(|known| known.what == found.what) {
                Some(known) => known.methods.push(method.name.to_string()),
                None => shared.push(Deviation { methods: vec![method.name.to_string()], ..found }),
            }
        }
    }
    shared
}

fn of_pair(pair: &Pair, reported: &Pair) -> Vec<String> {
    let mut found = Vec::new();
    if pair.dataset != pair.reported_as() {
        found.push(format!("data set {} instead of {}", pair.dataset, pair.reported_as()));
    } else if reported.dataset == pair.dataset {
        compare("data set", &pair.source, &reported.source, &mut found);
    }
    compare("normalisation", &pair.normalisation, &reported.normalisation, &mut found);
    compare("architecture", &pair.blueprint, &reported.blueprint, &mut found);
    let widths = |pair: &Pair| -> Vec<(usize, Value)> {
        pair.widths.iter().map(|(&model, width)| (model, written(&width.graph.architecture))).collect()
    };
    if widths(pair) != widths(reported) {
        found.push("models have other widths".to_owned());
    }
    compare("training", &pair.training, &reported.training, &mut found);
    found
}

fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("settings have names for keys")
}

fn compare(what: &str, ours: &impl Serialize, theirs: &impl Serialize, found: &mut Vec<String>) {
    differences(what, &written(ours), &written(theirs), found);
}

fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
            for key in keys {
                let (ours, theirs) = (ours.get(key).unwrap_or(&Value::Null), theirs.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path} {key}"), ours, theirs, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(format!("{path} {} instead of {}", plain(ours), plain(theirs))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        // What is kept in single precision has more digits as a double than were written.
        Value::Number(number) if number.as_f64().is_some_and(|it| it.fract() != 0.0 && f64::from(it as f32) == it) => {
            (number.as_f64().unwrap_or_default() as f32).to_string()
        }
        value if holds_a_table(value) => as_in_a_spec(value).map_or_else(|| value.to_string(), |value| value.to_string()),
        value => value.to_string(),
    }
}

fn holds_a_table(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(values) => values.iter().any(holds_a_table),
        _ => false,
    }
}

/// As TOML, which leaves out what is unset.
fn as_in_a_spec(value: &Value) -> Option<toml::Value> {
    match value {
        Value::Object(table) => {
            let set = table.iter().filter(|(_, value)| !value.is_null());
            set.map(|(key, value)| Some((key.clone(), as_in_a_spec(value)?))).collect::<Option<toml::Table>>().map(toml::Value::Table)
        }
        Value::Array(values) => values.iter().map(as_in_a_spec).collect::<Option<Vec<_>>>().map(toml::Value::Array),
        value => toml::Value::try_from(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_names_its_key_and_both_values() {
        let mut found = Vec::new();
        compare(
            "training",
            &json!({ "epochs": 4, "a": { "b": "x" } }),
            &json!({ "epochs": 250, "a": { "b": "x" }, "clip": 10.0 }),
            &mut found,
        );
        assert_eq!(found, ["training epochs 4 instead of 250", "training clip unset instead of 10.0"]);
    }

    #[test]
    fn a_whole_table_is_written_as_in_a_spec() {
        let mut found = Vec::new();
        compare("merging", &json!({ "by": "curve", "bends": [{ "at": 0.5, "of": null }], "widths": [16, 32] }), &Value::Null, &mut found);
        compare("repair", &Value::Null, &json!([{ "kind": "flip" }]), &mut found);
        let tables = [
            "merging { bends = [{ at = 0.5 }], by = \"curve\", widths = [16, 32] } instead of unset",
            "repair unset instead of [{ kind = \"flip\" }]",
        ];
        assert_eq!(found, tables);
    }
}
