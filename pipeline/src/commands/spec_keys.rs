//! Changes of recipes in the keys of the spec, which a person can change back.

use serde_json::Value;

use super::session::Session;
use crate::explain::Change;
use crate::stage::StageId;

/// The same changes of a stage's recipe, under the keys of the spec where they have one.
pub fn in_spec_keys(session: &Session, stage: &StageId, changes: &[Change]) -> Vec<Change> {
    let mut told: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes.iter().map(|change| in_spec_key(session, stage, change)) {
        if !told.contains(&change) {
            told.push(change);
        }
    }
    told
}

fn in_spec_key(session: &Session, stage: &StageId, change: &Change) -> Change {
    let Some(path) = change.path.strip_prefix("settings.") else { return change.clone() };
    let experiment = &session.experiment;
    let pair = experiment.pairs.iter().find(|pair| stage.pair_slug() == Some(experiment.slug(pair).as_str()));
    let (first, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    let Some(pair) = pair else { return of_tables(first, change) };
    let method = stage.method();
    let key = match (first, method) {
        ("stream", _) => return seed(change),
        ("training", _) => training(session, &pair.dataset, &pair.architecture).map(|name| format!("trainings.{name}{rest}")),
        ("architecture", _) => Some(format!("architectures.{}{rest}", pair.architecture)),
        ("matching", Some(method)) => Some(format!("methods.{method}.matching{rest}")),
        ("repair", Some(method)) => Some(format!("methods.{method}.repair{rest}")),
        ("coefficients", Some(method)) => Some(format!("methods.{method}.merging.coefficients{rest}")),
        ("images" | "batch", Some(method)) if stage.first() == "repair" => Some(format!("methods.{method}.repair.{first}")),
        ("device", _) => Some("--device".to_owned()),
        ("data", _) if rest.starts_with(".normalisation") => Some(format!("pairs.{}-{}{}", pair.dataset, pair.architecture, rest)),
        ("lambdas", _) => Some("evaluation.lambdas".to_owned()),
        ("parts", _) => Some(format!("evaluation.splits{rest}")),
        ("data", _) if rest == ".images.train" => Some("evaluation.train-images".to_owned()),
        ("data", _) if rest.starts_with(".images") => Some("evaluation.images".to_owned()),
        ("data", _) if rest == ".digest" => Some(format!("content of data set {}", pair.dataset)),
        _ => None,
    };
    Change { path: key.unwrap_or_else(|| path.to_owned()), ..change.clone() }
}

/// What tables and pictures are made of follows from the whole spec: what is other is named, where no one key says it.
fn of_tables(first: &str, change: &Change) -> Change {
    let other = match first {
        "title" => return Change { path: "name".to_owned(), ..change.clone() },
        "images" => return Change { path: "evaluation.images".to_owned(), ..change.clone() },
        "cells" => "other rows",
        "architectures" | "batch-norms" => "other pairs",
        "methods" => "other methods",
        "comparison" => "other reported figures",
        "lost" => "other stages failed",
        _ => return change.clone(),
    };
    Change { path: other.to_owned(), before: None, after: None }
}

/// The stream's name begins with the seed, and goes on with names.
fn seed(change: &Change) -> Change {
    let parts = |value: &Option<Value>| {
        let text = value.as_ref()?.as_str()?.to_owned();
        let (seed, rest) = text.split_once('/')?;
        Some((Value::from(seed.parse::<u64>().ok()?), rest.to_owned()))
    };
    match (parts(&change.before), parts(&change.after)) {
        (Some((before, one)), Some((after, two))) if one == two => {
            Change { path: "seed".to_owned(), before: Some(before), after: Some(after) }
        }
        _ => change.clone(),
    }
}

/// The name of a pair's training in the spec.
fn training(session: &Session, dataset: &str, architecture: &str) -> Option<String> {
    let pairs = session.experiment.origin.settings["pairs"].as_array()?;
    let is = |pair: &&Value| {
        let named = |key: &str| pair[key].as_str() == Some(dataset);
        pair["architecture"].as_str() == Some(architecture) && (named("dataset") || named("stand-in"))
    };
    Some(pairs.iter().find(is)?["training"].as_str()?.to_owned())
}
