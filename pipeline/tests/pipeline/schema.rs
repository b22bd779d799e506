//! The JSON schema: every spec fits it, and it has the keys that the code has.

use std::fs;
use std::path::{Path, PathBuf};

use onebasin::experiment;
use serde_json::{Map, Value};

/// The schema of a spec, with the part of JSON Schema that it is written in.
///
/// Validators that know all of it bring a hundred packages; this knows what the schema uses, and refuses to pass over the rest.
struct Schema(Value);

/// Keywords that say nothing about which values fit.
const WORDS: [&str; 7] = ["$schema", "$defs", "title", "description", "default", "format", "examples"];

impl Schema {
    fn new() -> Schema {
        Schema(experiment::schema())
    }

    /// Where a spec does not fit.
    fn fault(&self, text: &str) -> Option<String> {
        let table: toml::Table = text.parse().unwrap();
        self.misfit(&self.0, &serde_json::to_value(table).unwrap(), "spec").err()
    }

    fn misfit(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Value::Object(keywords) = schema else { return if *schema == Value::Bool(false) { Err(at.to_owned()) } else { Ok(()) } };
        let holds = |holds: bool, keyword: &str| if holds { Ok(()) } else { Err(format!("{at}: {keyword}, got {value}")) };
        for (keyword, said) in keywords {
            match keyword.as_str() {
                "$ref" => {
                    let name = said.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    self.misfit(self.0["$defs"].get(name).unwrap_or_else(|| panic!("no definition `{name}`")), value, at)?;
                }
                "type" => holds(types(said).iter().any(|kind| is_of(value, kind)), &format!("expected {said}"))?,
                "const" => holds(value == said, &format!("expected {said}"))?,
                "enum" => holds(said.as_array().unwrap().contains(value), &format!("expected one of {said}"))?,
                "minimum" => {
                    holds(value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()), &format!("expected at least {said}"))?
                }
                "maximum" => {
                    holds(value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()), &format!("expected at most {said}"))?
                }
                "minItems" => {
                    holds(value.as_array().is_none_or(|list| list.len() as u64 >= said.as_u64().unwrap()), "expected a longer list")?
                }
                "maxItems" => {
                    holds(value.as_array().is_none_or(|list| list.len() as u64 <= said.as_u64().unwrap()), "expected a shorter list")?
                }
                "anyOf" | "oneOf" => {
                    let faults: Vec<String> = said.as_array().unwrap().iter().filter_map(|one| self.misfit(one, value, at).err()).collect();
                    let fitting = said.as_array().unwrap().len() - faults.len();
                    let enough = if keyword == "oneOf" { fitting == 1 } else { fitting > 0 };
                    holds(enough, &format!("fits {fitting} of {} ({})", faults.len() + fitting, faults.join("; ")))?;
                }
                "required" => {
                    let missing =
                        said.as_array().unwrap().iter().find(|key| value.is_object() && value.get(key.as_str().unwrap()).is_none());
                    holds(missing.is_none(), &format!("missing {missing:?}"))?;
                }
                "items" | "prefixItems" | "properties" | "additionalProperties" => {}
                other => assert!(WORDS.contains(&other), "the schema uses `{other}`, which this test passes over"),
            }
        }
        self.inside(keywords, value, at)
    }

    fn inside(&self, keywords: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
        match value {
            Value::Object(entries) => {
                for (key, inner) in entries {
                    let at = format!("{at}.{key}");
                    match (keywords.get("properties").and_then(|properties| properties.get(key)), keywords.get("additionalProperties")) {
                        (Some(schema), _) | (None, Some(schema)) => self.misfit(schema, inner, &at)?,
                        (None, None) => {}
                    }
                }
                Ok(())
            }
            Value::Array(items) => match keywords.get("items") {
                Some(schema) => items.iter().enumerate().try_for_each(|(index, item)| self.misfit(schema, item, &format!("{at}[{index}]"))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn types(said: &Value) -> Vec<&str> {
    said.as_array().map_or_else(|| vec![said.as_str().unwrap()], |several| several.iter().map(|one| one.as_str().unwrap()).collect())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("unknown type `{other}`"),
    }
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn every_shipped_spec_fits_the_schema() {
    let schema = Schema::new();
    let specs = shipped();
    assert!(specs.len() > 20, "{specs:?}");
    for path in specs {
        assert_eq!(schema.fault(&fs::read_to_string(&path).unwrap()), None, "{}", path.display());
    }
}

/// A sound spec in little; each case spoils one thing, at the top or in a profile.
const SOUND: &str = r#"
name = "sound"
models = [{ name = "a", subset = 0.5 }, { name = "b", subset = { count = 3 } }]
architectures.wide = { family = "mlp", hidden = [8] }
architectures.listed = { layers = [{ op = "flatten" }, { op = "linear", out = "classes" }] }
trainings.short = { steps = 3, optimizer = { kind = "sgd", learning-rate = 0.1 } }
pairs = [{ dataset = "glyphs", architecture = "wide", training = "short" }]
methods = [{ name = "git", matching = { by = "git-re-basin", reference = "b" } }]
evaluation = { features = { images = 10 }, iterates = 3, pairs = [["a", "b"]], merges = [2, ["a", "b"]] }
profiles.one = { trainings.short = { optimizer = { learning-rate = 0.2 } }, methods.git.matching.sweeps = 3 }
"#;

#[test]
fn what_the_program_refuses_by_form_the_schema_refuses_too() {
    let schema = Schema::new();
    assert_eq!(schema.fault(SOUND), None);
    for (from, to) in [
        ("name = \"sound\"", ""),
        ("steps = 3", "step = 3"),
        ("steps = 3", "steps = \"many\""),
        ("kind = \"sgd\"", "kind = \"sdg\""),
        ("kind = \"sgd\", ", ""),
        ("family = \"mlp\"", "family = \"mlp\", depth = 20"),
        ("op = \"flatten\"", "op = \"flatten\", out = 3"),
        ("by = \"git-re-basin\"", "by = \"c2m3\""),
        ("iterates = 3", "iterate = 3"),
        ("learning-rate = 0.2", "learning-rat = 0.2"),
        ("matching.sweeps = 3", "matching.sweep = 3"),
        ("architecture = \"wide\", ", ""),
    ] {
        assert!(SOUND.contains(from), "{from}");
        assert!(schema.fault(&SOUND.replacen(from, to, 1)).is_some(), "`{to}` in place of `{from}` fits the schema");
    }
}

/// The alternatives of a schema that are tables, each with its keys.
pub struct Tables(Value);

impl Tables {
    pub fn new() -> Tables {
        Tables(experiment::schema())
    }

    /// The tables that may stand at a path of the spec; steps that are numbers are elements of lists.
    pub fn at(&self, path: &str) -> Vec<Value> {
        let mut here = self.alternatives(&self.0);
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let inner = |node: &Value| match step.parse::<usize>() {
                Ok(_) => node.get("items").cloned(),
                Err(_) => {
                    node["properties"].get(step).or_else(|| node.get("additionalProperties").filter(|inner| inner.is_object())).cloned()
                }
            };
            here = here.iter().filter_map(inner).flat_map(|inner| self.alternatives(&inner)).collect();
        }
        here.retain(|node| node["properties"].is_object());
        here
    }

    fn alternatives(&self, schema: &Value) -> Vec<Value> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.alternatives(&self.0["$defs"][name.trim_start_matches("#/$defs/")]);
        }
        match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            Some(several) => several.iter().flat_map(|one| self.alternatives(one)).collect(),
            None => vec![schema.clone()],
        }
    }
}
