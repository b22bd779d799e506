//! What an artifact was made of, for people and for `explain`.

use std::path::Path;

use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::STORE_FORMAT;
use super::receipt::read_file;
use crate::stage::{Recipe, StageId};

/// `recipe.json`: everything the fingerprint was computed from, and the name of the stage that first made the artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name of the artifact; the folder's name says it.
    #[serde(skip, default = "unknown")]
    pub fingerprint: Fingerprint,
    /// The stage that made it; another with the same recipe and inputs may use it.
    pub stage: StageId,
    /// The kind of work.
    pub kind: String,
    /// The version of the stage.
    pub version: u32,
    /// Every setting.
    pub settings: Value,
    /// What it read, in order.
    pub inputs: Vec<Input>,
}

/// An artifact that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The stage that made it.
    pub stage: StageId,
    /// Its name in the store.
    pub fingerprint: Fingerprint,
}

fn unknown() -> Fingerprint {
    Fingerprint::of_bytes(&[])
}

impl Entry {
    /// What a stage with these inputs leaves in the store.
    pub fn new(fingerprint: Fingerprint, stage: &StageId, recipe: Recipe, inputs: Vec<Input>) -> Entry {
        let Recipe { kind, version, settings } = recipe;
        Entry { fingerprint, stage: stage.clone(), kind: kind.to_owned(), version, settings, inputs }
    }

    pub(super) fn read(fingerprint: Fingerprint, path: &Path) -> Option<Entry> {
        let entry: Entry = serde_json::from_slice(&read_file(path).ok()?).ok()?;
        Some(Entry { fingerprint, ..entry })
    }
}

/// Names the artifact of a recipe and of the fingerprints of what it reads.
pub fn fingerprint(recipe: &Recipe, inputs: &[Fingerprint]) -> Fingerprint {
    canonical(recipe.kind, recipe.version, &recipe.settings.to_string(), inputs)
}

/// The fingerprint of the canonical JSON of format, inputs and recipe, written by hand: recipes of tables are large, and a copy of one as
/// a value takes many times the memory of its text.
fn canonical(kind: &str, version: u32, settings: &str, inputs: &[Fingerprint]) -> Fingerprint {
    let inputs = serde_json::to_string(inputs).expect("fingerprints have a JSON form");
    let recipe = format!(r#"{{"kind":{},"settings":{settings},"version":{version}}}"#, json!(kind));
    Fingerprint::of_bytes(format!(r#"{{"format":{STORE_FORMAT},"inputs":{inputs},"recipe":{recipe}}}"#).as_bytes())
}

/// The same from the text of a `recipe.json`; the error is a phrase for a person.
///
/// The settings are taken as text: a number that is read and written again may differ in its last digit.
pub(super) fn fingerprint_of_text(text: &str) -> Result<Fingerprint, String> {
    let Entry { stage, kind, version, inputs, .. } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let text = compact(text);
    let before = format!(r#"{{"stage":{},"kind":{},"version":{version},"settings":"#, json!(stage), json!(kind));
    let after = format!(r#","inputs":{}}}"#, serde_json::to_string(&inputs).map_err(|error| error.to_string())?);
    let settings = text.strip_prefix(&before).and_then(|text| text.strip_suffix(&after));
    let settings = settings.ok_or("its keys are not in the order in which they are written")?;
    let inputs: Vec<Fingerprint> = inputs.iter().map(|input| input.fingerprint).collect();
    Ok(canonical(&kind, version, settings, &inputs))
}

/// JSON without the spaces between its tokens.
fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    json.chars()
        .filter(|&character| {
            let keep = quoted || !character.is_ascii_whitespace();
            quoted ^= character == '"' && !escaped;
            escaped = quoted && character == '\\' && !escaped;
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_of_a_written_recipe_is_that_of_the_recipe() {
        let settings = json!({
            "rate": 0.1, "tiny": 5e-324, "single": 0.1_f32, "third": 1.0 / 3.0, "large": 1e300, "list": [], "empty": {},
            "text": "a \"quoted\" \\ name,\n { with : marks }", "accent": "é", "none": null, "nested": [{ "b": 1, "a": [true, -0.0] }],
        });
        let inputs: Vec<Fingerprint> = ["x", "y"].map(|text| Fingerprint::of_bytes(text.as_bytes())).into();
        let recipe = Recipe { kind: "train", version: 3, settings };
        let expected = fingerprint(&recipe, &inputs);
        let read = inputs.iter().map(|&fingerprint| Input { stage: StageId::new("a"), fingerprint }).collect();
        let entry = Entry::new(expected, &StageId::new("b"), recipe, read);
        let text = serde_json::to_string_pretty(&entry).unwrap();
        assert_eq!(fingerprint_of_text(&text), Ok(expected));
        assert_ne!(fingerprint_of_text(&text.replace("0.1,", "0.2,")), Ok(expected));
        assert!(fingerprint_of_text("[]").is_err());
    }
}
