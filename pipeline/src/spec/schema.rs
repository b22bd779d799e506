//! The JSON schema of a spec, made of the types that read it: for editors, which complete and check by it.

use figment::value::Value as Layered;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::asked::EvaluationKeys;
use super::document::Document;
use super::layers;

/// Where definitions stand, and where those of profiles do, in which nothing is required.
const DEFINITIONS: &str = "$defs";
const OF_PROFILE: &str = "profile.";

/// A value in one of two forms; it only describes.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "it is never read, only described")]
pub enum Either<A, B> {
    /// In the one form.
    One(A),
    /// In the other.
    Other(B),
}

/// The schema of a spec, with the keys of `[evaluation]` that measurements own.
pub fn schema(measurements: &[&dyn EvaluationKeys]) -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let own: Vec<(&str, Value)> = measurements
        .iter()
        .flat_map(|measurement| measurement.keys().iter().copied().zip(measurement.schemas(&mut generator)))
        .map(|(key, schema)| (key, schema.to_value()))
        .collect();
    let mut root = generator.into_root_schema_for::<Document>().to_value();
    root["title"] = json!("onebasin spec");
    let evaluation = &mut root[DEFINITIONS]["Evaluation"];
    evaluation["additionalProperties"] = json!(false);
    for (key, schema) in own {
        evaluation["properties"][key] = schema;
    }
    fill_defaults(&mut root);
    references_by_name(&mut root);
    root["properties"]["profiles"] = json!({
        "type": "object",
        "description": "Other values of these keys, by name.",
        "additionalProperties": { "$ref": format!("#/{DEFINITIONS}/{OF_PROFILE}Spec") },
    });
    add_profile(&mut root);
    root
}

/// Keys that the lowest layer gives are not required, and have its values by default.
fn fill_defaults(root: &mut Value) {
    for (key, value) in layers::defaults() {
        optional(root, &key);
        match value {
            Layered::Dict(_, entries) => {
                for (key, value) in entries {
                    optional(&mut root[DEFINITIONS]["Evaluation"], &key);
                    root[DEFINITIONS]["Evaluation"]["properties"][key]["default"] = json!(value);
                }
            }
            value => root["properties"][key]["default"] = json!(value),
        }
    }
}

fn optional(table: &mut Value, key: &str) {
    if let Some(required) = table["required"].as_array_mut() {
        required.retain(|name| name != key);
    }
}

/// A spec may name a model where a library takes its number.
fn references_by_name(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            if let Some(reference) = entries.get_mut("properties").and_then(|properties| properties.get_mut("reference")) {
                reference["type"] = json!(["integer", "string"]);
            }
            entries.values_mut().for_each(references_by_name);
        }
        Value::Array(items) => items.iter_mut().for_each(references_by_name),
        _ => {}
    }
}

/// Definitions of what a profile may hold: the same without anything required, and lists also as tables of their elements.
fn add_profile(root: &mut Value) {
    let mut added = Map::new();
    for (name, definition) in root[DEFINITIONS].as_object().into_iter().flatten() {
        added.insert(format!("{OF_PROFILE}{name}"), partial(definition));
    }
    let mut top = root.clone();
    if let Some(top) = top.as_object_mut() {
        for key in [DEFINITIONS, "$schema", "title", "description"] {
            top.remove(key);
        }
        if let Some(properties) = top.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("profiles");
        }
    }
    added.insert(format!("{OF_PROFILE}Spec"), partial(&top));
    if let Some(definitions) = root[DEFINITIONS].as_object_mut() {
        definitions.extend(added);
    }
}

fn partial(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => {
            let mut changed = Map::new();
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("required" | "default", _) => {}
                    // Without the key that tells kinds apart several may fit.
                    ("oneOf", _) => drop(changed.insert("anyOf".to_owned(), partial(value))),
                    ("$ref", Value::String(to)) => {
                        let name = to.rsplit('/').next().unwrap_or_default();
                        changed.insert(key.clone(), json!(format!("#/{DEFINITIONS}/{OF_PROFILE}{name}")));
                    }
                    _ => drop(changed.insert(key.clone(), partial(value))),
                }
            }
            let is_list = entries
                .get("type")
                .is_some_and(|kind| *kind == "array" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("array"))));
            match entries.get("items").filter(|_| is_list) {
                // A list replaces the whole, so its elements are whole too.
                Some(items) => json!({ "anyOf": [schema, { "type": "object", "additionalProperties": partial(items) }] }),
                None => Value::Object(changed),
            }
        }
        Value::Array(items) => Value::Array(items.iter().map(partial).collect()),
        other => other.clone(),
    }
}
