//! Why a stage would run: its recipe against the nearest one that ran before.

use std::collections::{BTreeMap, BTreeSet};

use onebasin_repro::Fingerprint;
use serde::Serialize;
use serde_json::Value;

use crate::plan::Planned;
use crate::stage::StageId;
use crate::store::Entry;

/// One difference between two recipes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `settings.training.epochs`, `version`, `input align/...`.
    pub path: String,
    /// The earlier value; nothing if the key is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value now; nothing if the key is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The earlier recipe nearest to a stage's.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest<'a> {
    /// The earlier one.
    pub earlier: &'a Entry,
    /// How the stage's differs.
    pub changes: Vec<Change>,
}

/// Earlier recipes by the stage that they were of.
#[derive(Debug)]
pub struct ByStage<'a>(BTreeMap<&'a StageId, Vec<&'a Entry>>);

impl<'a> ByStage<'a> {
    /// Those of a store.
    pub fn of(earlier: &'a [Entry]) -> ByStage<'a> {
        let mut by_stage: BTreeMap<&StageId, Vec<&Entry>> = BTreeMap::new();
        for entry in earlier {
            by_stage.entry(&entry.stage).or_default().push(entry);
        }
        ByStage(by_stage)
    }

    /// Among earlier recipes of the same stage of which `is_meant` holds, the one with the fewest differences.
    ///
    /// Costs a comparison with every candidate: over all stages of a plan, at most one with each recipe.
    pub fn nearest(&self, planned: &Planned, is_meant: impl Fn(&Entry) -> bool) -> Option<Nearest<'a>> {
        let candidates = self.0.get(planned.stage.id())?;
        closest(planned, candidates.iter().copied().filter(|candidate| is_meant(candidate)))
    }
}

/// Finds, among earlier recipes of the same stage, else of the same kind, the one with the fewest differences.
///
/// Costs a comparison with every candidate.
pub fn nearest<'a>(planned: &Planned, earlier: &'a [Entry]) -> Option<Nearest<'a>> {
    let id = planned.stage.id();
    closest(planned, earlier.iter().filter(|candidate| candidate.stage == *id)).or_else(|| closest(planned, earlier.iter()))
}

/// The recipe of the same kind with the fewest differences.
fn closest<'a>(planned: &Planned, candidates: impl Iterator<Item = &'a Entry>) -> Option<Nearest<'a>> {
    let mut candidates = candidates.peekable();
    candidates.peek()?;
    let recipe = planned.stage.recipe();
    let inputs = inputs(planned);
    candidates
        .filter(|candidate| candidate.kind == recipe.kind)
        .map(|candidate| Nearest { earlier: candidate, changes: compare(candidate, recipe.version, &recipe.settings, &inputs) })
        .min_by_key(|nearest| (nearest.changes.len(), nearest.earlier.fingerprint))
}

/// The fingerprints of a stage's inputs.
pub fn inputs(planned: &Planned) -> BTreeMap<String, Fingerprint> {
    planned.stage.inputs().iter().map(ToString::to_string).zip(planned.inputs.iter().copied()).collect()
}

/// How a stage's recipe differs from an earlier one.
pub fn changes(earlier: &Entry, planned: &Planned) -> Vec<Change> {
    let recipe = planned.stage.recipe();
    compare(earlier, recipe.version, &recipe.settings, &inputs(planned))
}

fn compare(earlier: &Entry, version: u32, settings: &Value, inputs: &BTreeMap<String, Fingerprint>) -> Vec<Change> {
    let mut changes = Vec::new();
    if earlier.version != version {
        changes.push(Change { path: "version".to_owned(), before: Some(earlier.version.into()), after: Some(version.into()) });
    }
    differences("settings", &earlier.settings, settings, &mut changes);
    let digest = |fingerprint: &Fingerprint| Value::from(fingerprint.short());
    let earlier_inputs: BTreeMap<&str, Fingerprint> =
        earlier.inputs.iter().map(|input| (input.stage.as_str(), input.fingerprint)).collect();
    for (id, now) in inputs {
        let before = earlier_inputs.get(id.as_str());
        if before != Some(now) {
            changes.push(Change { path: format!("input {id}"), before: before.map(digest), after: Some(digest(now)) });
        }
    }
    for (id, before) in &earlier_inputs {
        if !inputs.contains_key(*id) {
            changes.push(Change { path: format!("input {id}"), before: Some(digest(before)), after: None });
        }
    }
    changes
}

/// The leaves in which two values differ, under `settings`.
pub fn value_changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    differences("settings", before, after, &mut changes);
    changes
}

/// The elements of a list by their names; `None` where one has none, or two have one.
fn named(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let named: Vec<(&str, &Value)> =
        items.iter().map(|item| Some((["name", "method"].iter().find_map(|key| item.get(key)?.as_str())?, item))).collect::<Option<_>>()?;
    let names: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (names.len() == named.len()).then_some(named)
}

/// Lists the leaves in which two values differ: of lists by the names of their elements, where these have names, else by their places or
/// by which elements there are.
fn differences(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => differences(&path, before, after, changes),
                    (before, after) => changes.push(Change { path, before: before.cloned(), after: after.cloned() }),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if before != after => {
            let told = changes.len();
            list_differences(path, one, other, changes);
            // The same elements in another order, or one of them more than once.
            if changes.len() == told {
                changes.push(Change { path: path.to_owned(), before: Some(before.clone()), after: Some(after.clone()) });
            }
        }
        (before, after) if before != after => {
            changes.push(Change { path: path.to_owned(), before: Some(before.clone()), after: Some(after.clone()) });
        }
        _ => {}
    }
}

/// Lists the differences between the elements of two lists; none where both have the same.
fn list_differences(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    let gone = |path: String, value: &Value| Change { path, before: Some(value.clone()), after: None };
    let new = |path: String, value: &Value| Change { path, before: None, after: Some(value.clone()) };
    if let (Some(before), Some(after)) = (named(before), named(after)) {
        for (name, now) in &after {
            let path = format!("{path}.{name}");
            match before.iter().find(|(other, _)| other == name) {
                Some((_, earlier)) => differences(&path, earlier, now, changes),
                None => changes.push(new(path, now)),
            }
        }
        let left = before.iter().filter(|(name, _)| !after.iter().any(|(other, _)| other == name));
        changes.extend(left.map(|(name, value)| gone(format!("{path}.{name}"), value)));
    } else if before.len() == after.len() {
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            differences(&format!("{path}[{index}]"), before, after, changes);
        }
    } else if before.iter().chain(after).all(Value::is_object) {
        let texts = |items: &[Value]| items.iter().map(Value::to_string).collect::<BTreeSet<String>>();
        let (earlier, now) = (texts(before), texts(after));
        let only = |items: &[Value], others: &BTreeSet<String>, change: &dyn Fn(String, &Value) -> Change| -> Vec<Change> {
            let own = items.iter().enumerate().filter(|(_, value)| !others.contains(&value.to_string()));
            own.map(|(index, value)| change(format!("{path}[{index}]"), value)).collect()
        };
        changes.extend(only(before, &now, &gone));
        changes.extend(only(after, &earlier, &new));
    }
}

/// `training.epochs 3 → 4`, as a person reads it.
pub fn change_text(change: &Change) -> String {
    let path = change.path.strip_prefix("settings.").unwrap_or(&change.path);
    match (&change.before, &change.after) {
        _ if path.starts_with("input ") && change.before.is_some() && change.after.is_some() => format!("{path} changed"),
        (Some(before), Some(after)) => format!("{path} changed from {} to {}", brief(before), brief(after)),
        (None, Some(_)) if path.starts_with("input ") => format!("{path} is new"),
        (None, Some(after)) => format!("{path} is new: {}", brief(after)),
        (Some(_), None) => format!("{path} is gone"),
        (None, None) => path.to_owned(),
    }
}

/// A value on part of a line.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::Array(items) if items.iter().any(Value::is_object) => match named(items) {
            Some(named) => format!("[{}]", named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
            None if items.len() == 1 => "a list of 1 entry".to_owned(),
            None => format!("a list of {} entries", items.len()),
        },
        value => value.to_string(),
    };
    if text.chars().count() > 60 { format!("{}…", text.chars().take(59).collect::<String>()) } else { text }
}

/// A few changes on one line: those of settings first, then how many inputs.
pub fn summary(changes: &[Change]) -> String {
    // What `table.md` says of the profile and of keys laid over the spec follows from the other changes, where there are any.
    let told = |change: &&Change| changes.len() == 1 || change.path != "settings.origin";
    let (inputs, settings): (Vec<&Change>, Vec<&Change>) =
        changes.iter().filter(told).partition(|change| change.path.starts_with("input "));
    let mut parts: Vec<String> = settings.iter().take(3).map(|change| change_text(change)).collect();
    if settings.len() > 3 {
        parts.push(format!("{} more settings changed", settings.len() - 3));
    }
    match inputs.as_slice() {
        [] => {}
        [one] => parts.push(change_text(one)),
        [first, rest @ ..] => parts.push(format!("{} and {} more", change_text(first), rest.len())),
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Input;

    #[test]
    fn differences_are_listed_leaf_by_leaf() {
        let mut changes = Vec::new();
        let before = json!({ "training": { "epochs": 3, "batch": 100 }, "parts": ["train", "test"], "old": 1 });
        let after = json!({ "training": { "epochs": 4, "batch": 100 }, "parts": ["train", "dev"], "new": [1] });
        differences("settings", &before, &after, &mut changes);
        let texts: Vec<String> = changes.iter().map(change_text).collect();
        assert_eq!(
            texts,
            ["new is new: [1]", "old is gone", "parts[1] changed from \"test\" to \"dev\"", "training.epochs changed from 3 to 4"]
        );
    }

    #[test]
    fn lists_are_compared_by_the_names_of_their_elements_or_by_which_there_are() {
        let texts = |before: Value, after: Value| value_changes(&before, &after).iter().map(change_text).collect::<Vec<_>>();
        let element = |name: &str, value: u32| json!({ "name": name, "value": value });
        let before = json!({ "methods": [element("x", 1), element("y", 2)], "rows": [{ "a": 1 }, { "a": 2 }], "models": 3 });
        let after = json!({ "methods": [element("z", 3), element("x", 4)], "rows": [{ "a": 2 }], "models": [element("p", 1)] });
        let expected = [
            "methods.z is new: {\"name\":\"z\",\"value\":3}",
            "methods.x.value changed from 1 to 4",
            "methods.y is gone",
            "models changed from 3 to [p]",
            "rows[0] is gone",
        ];
        assert_eq!(texts(before, after), expected);
        let (one, other) = (json!({ "m": [element("x", 1), element("y", 2)] }), json!({ "m": [element("y", 2), element("x", 1)] }));
        assert_eq!(texts(one, other), ["m changed from [x, y] to [y, x]"]);
    }

    #[test]
    fn lists_of_other_lengths_and_versions_and_inputs_are_told_apart() {
        let print = |text: &str| Fingerprint::of_bytes(text.as_bytes());
        let input = |stage: &str, text: &str| Input { stage: StageId::new(stage), fingerprint: print(text) };
        let earlier = Entry {
            fingerprint: print("x"),
            stage: StageId::new("align/m/replicate-0/2"),
            kind: "align".to_owned(),
            version: 1,
            settings: json!({ "list": [1] }),
            inputs: vec![input("a", "1"), input("gone", "2")],
        };
        let inputs = [("a".to_owned(), print("3")), ("b".to_owned(), print("4"))].into();
        let changes = compare(&earlier, 2, &json!({ "list": [1, 2] }), &inputs);
        assert_eq!(summary(&changes), "version changed from 1 to 2; list changed from [1] to [1,2]; input a changed and 2 more");
        assert_eq!(changes.iter().map(change_text).collect::<Vec<_>>()[2..], ["input a changed", "input b is new", "input gone is gone"]);
    }
}
