//! Where the settings of a run come from: the spec, a profile, and what is laid over them once.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::override_value::Assignment;

/// Labels of folders stay readable; a longer one ends in a hash.
const LONGEST_LABEL: usize = 80;

/// What a run was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The name of the spec's file, without its folders.
    pub spec: String,
    /// The profile, if one was chosen.
    pub profile: Option<String>,
    /// Keys that the environment or `--set` changes, by key; none where they change nothing.
    pub overrides: Vec<Override>,
    /// Every key of the spec as all layers leave it.
    pub settings: serde_json::Value,
}

/// A key whose value comes from no file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// `trainings.adam.epochs`.
    pub key: String,
    /// As it was given.
    pub value: serde_json::Value,
    /// `environment variable ONEBASIN_MODELS` or `--set`.
    pub layer: String,
}

impl Override {
    /// `models=3`, as an argument of `--set`: tables as TOML has them.
    pub fn set(&self) -> String {
        match toml::Value::try_from(&self.value) {
            Ok(value) => format!("{}={value}", self.key),
            Err(_) => format!("{}={}", self.key, self.value),
        }
    }

    /// `models = 3 (environment variable ONEBASIN_MODELS)`.
    pub fn text(&self) -> String {
        format!("{} = {} ({})", self.key, self.value, self.layer)
    }

    /// That of an assignment.
    pub(super) fn of(given: &Assignment) -> Override {
        let layer = match given.source.strip_prefix("--set ") {
            Some(_) => "--set".to_owned(),
            None => given.source.replace('`', ""),
        };
        Override { key: given.key(), value: json!(given.value()), layer }
    }

    /// That of `key.path=value`, where it can be read.
    fn of_set(set: &str) -> Option<Override> {
        Assignment::set(set).ok().map(|given| Override::of(&given))
    }
}

/// Every value of nested tables that is no table, by its path.
pub(super) fn leaves(values: &Dict) -> Vec<(Vec<String>, &Value)> {
    let mut found = Vec::new();
    for (key, value) in values {
        match value {
            Value::Dict(_, inner) => found.extend(leaves(inner).into_iter().map(|(mut path, value)| {
                path.insert(0, key.clone());
                (path, value)
            })),
            value => found.push((vec![key.clone()], value)),
        }
    }
    found
}

impl Origin {
    /// Keeps the last value of each key, in the order of the keys.
    pub(super) fn settled(overrides: Vec<Override>) -> Vec<Override> {
        let by_key: BTreeMap<String, Override> = overrides.into_iter().map(|given| (given.key.clone(), given)).collect();
        by_key.into_values().collect()
    }

    /// What tells the folders of these results from those of the spec itself: `trainings.adam.epochs=3,seed=7`.
    ///
    /// `None` without overrides, and where one of them names the experiment anew.
    pub fn label(&self) -> Option<String> {
        if self.overrides.iter().any(|given| given.key == "name") { None } else { label(&self.overrides) }
    }

    /// As [`Origin::label`], with these `key=value` too, also where they change nothing, and whether or not the experiment is named anew.
    pub fn label_with(&self, sets: &[String]) -> Option<String> {
        let given = sets.iter().filter_map(|set| Override::of_set(set));
        let all = self.overrides.iter().cloned().chain(given).filter(|given| given.key != "name").collect();
        label(&Origin::settled(all))
    }

    /// Profile and overrides in words; empty where there are none. Which layer a value came from changes no number, and is left out.
    pub fn text(&self) -> String {
        let profile = self.profile.as_ref().map(|profile| format!("profile `{profile}`"));
        let given = self.overrides.iter().map(|given| format!("`{} = {}`", given.key, given.value));
        profile.into_iter().chain(given).collect::<Vec<_>>().join(", ")
    }
}

/// Overrides as part of a folder's name; `None` for none.
fn label(overrides: &[Override]) -> Option<String> {
    if overrides.is_empty() {
        return None;
    }
    let text = |given: &Override| {
        let value = given.value.as_str().map_or_else(|| given.value.to_string(), str::to_owned);
        format!("{}={value}", given.key)
    };
    let whole = overrides.iter().map(text).collect::<Vec<_>>().join(",");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,=".contains(c);
    let plain: String = whole.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST_LABEL).collect();
    // Where something is lost, a hash keeps other settings apart.
    Some(if plain == whole { plain } else { format!("{plain}~{}", &Fingerprint::of_bytes(whole.as_bytes()).short()[..6]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_an_argument_that_gives_it_again() {
        for set in ["models=3", "trainings={ t = { epochs = 7 } }", "x=[1, 2]", "x=\"a b\"", "x=[{ name = \"a\" }]", "x=true", "x=0.5"] {
            let given = Override::of_set(set).unwrap();
            assert_eq!(Override::of_set(&given.set()).unwrap(), given, "{set}: {}", given.set());
        }
    }

    fn label(sets: &[&str]) -> Option<String> {
        let overrides = Origin::settled(sets.iter().filter_map(|set| Override::of_set(set)).collect());
        Origin { overrides, ..Origin::default() }.label()
    }

    #[test]
    fn a_label_says_what_is_set_whatever_the_order_and_the_last_value_counts() {
        assert_eq!(label(&[]), None);
        let expected = Some("models=3,trainings.adam.epochs=2".to_owned());
        assert_eq!(label(&["trainings.adam.epochs=7", "models=3", "trainings.adam.epochs=2"]), expected);
        assert_eq!(label(&["models=3", "trainings.adam.epochs= 2"]), expected);
        assert_eq!(label(&["name=other", "models=3"]), None, "another name is a folder of its own");
    }

    #[test]
    fn labels_are_names_of_folders_and_settings_that_differ_have_different_ones() {
        let labels = ["a=[1, 2]", "a=\"[1; 2]\"", "a=../x", "a=\"..%x\""].map(|set| label(&[set]).unwrap());
        for label in &labels {
            assert!(label.starts_with("a=") && !label.contains(['/', ' ', '[']), "{label}");
            assert!(labels.iter().filter(|other| *other == label).count() == 1, "{labels:?}");
        }
        assert!(label(&[&format!("a={}", "x".repeat(1000))]).unwrap().len() < 100);
        assert_eq!(label(&["evaluation.pairs=none"]), label(&["evaluation.pairs=\"none\""]));
    }
}
