//! Changes of recipes in the keys of the spec, which a person can change back.

use serde_json::Value;

use super::session::Session;
use crate::explain::Change;
use crate::stage::StageId;

/// The same changes of a stage's recipe, under the keys of the spec where they have one.
pub fn in_spec_keys(session: &Session, stage: &StageId, changes: &[Change]) -> Vec<Change> {
    changes.iter().map(|change| in_spec_key(session, stage, change)).collect()
}

fn in_spec_key(session: &Session, stage: &StageId, change: &Change) -> Change {
    let Some(path) = change.path.strip_prefix("settings.") else { return change.clone() };
    let experiment = &session.experiment;
    let pair = experiment.pairs.iter().find(|pair| stage.pair_slug() == Some(experiment.slug(pair).as_str()));
    let (Some(pair), (first, rest)) = (pair, path.split_at(path.find(['.', '[']).unwrap_or(path.len()))) else { return change.clone() };
    let method = stage.method();
    let key = match (first, method) {
        ("stream", None) => return seed(change),
        ("training", _) => training(session, &pair.dataset, &pair.architecture).map(|name| format!("trainings.{name}{rest}")),
        ("architecture", _) => Some(format!("architectures.{}{rest}", pair.architecture)),
        ("matching", Some(method)) => Some(format!("methods.{method}.matching{rest}")),
        ("repair", Some(method)) => Some(format!("methods.{method}.repair{rest}")),
        ("lambdas", _) => Some("evaluation.lambdas".to_owned()),
        ("parts", _) => Some(format!("evaluation.splits{rest}")),
        ("data", _) if rest == ".images" => Some("evaluation.images".to_owned()),
        ("data", _) if rest == ".digest" => Some(format!("content of data set {}", pair.dataset)),
        _ => None,
    };
    Change { path: key.unwrap_or_else(|| path.to_owned()), ..change.clone() }
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
