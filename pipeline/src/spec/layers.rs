//! The layers of settings, each over the one before: defaults, the spec, one of its profiles, the environment, `--set`.

use std::path::Path;

use figment::providers::Env;
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::{Excerpt, SpecError};
use super::fault;
use super::origin::{Origin, Override, variable};
use super::text::{End, Text};

/// What a spec need not say.
const DEFAULTS: &str = r#"
seed = 42
replicates = 1
evaluation = { lambdas = 25, splits = ["train", "test"] }
"#;

/// Variables that belong to the command, to data sets or to tests, not to the spec.
const OPTIONS: [&str; 11] = ["data", "store", "results", "plots", "device", "jobs", "profile", "cache", "mirror", "bless", "test_cache"];

/// What is laid over a spec.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The profile chosen.
    pub profile: Option<String>,
    /// `key.path=value`, in order.
    pub sets: Vec<String>,
    /// Whether `ONEBASIN_*` is read.
    pub environment: bool,
}

/// All layers merged, each value with the layer it came from.
#[derive(Debug)]
pub struct Layers {
    figment: Figment,
    merged: Value,
    spec: Text,
    profile: Option<String>,
    overridden: Vec<Override>,
}

/// A layer as figment takes it.
struct Layer {
    name: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

const SPEC: &str = "spec";
const PROFILE: &str = "profile";
const ENVIRONMENT: &str = "environment";

impl Layers {
    /// Reads a spec and lays the overrides over it.
    ///
    /// # Errors
    /// The file cannot be read, a layer is not TOML, the profile is unknown.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Layers, SpecError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let reason = if path.is_dir() { "it is a folder".to_owned() } else { error.to_string() };
            SpecError::new(format!("cannot read the spec `{name}`: {reason}"))
                .hint("name a TOML file, for example experiments/quickstart.toml")
        })?;
        Layers::of(Text::parse(&name, text)?, overrides)
    }

    /// As [`Layers::read`], of a text at hand.
    ///
    /// # Errors
    /// A layer is not TOML, the profile is unknown.
    pub fn of(spec: Text, overrides: &Overrides) -> Result<Layers, SpecError> {
        let mut base = spec.values().clone();
        let profiles = match base.remove("profiles") {
            None => Dict::new(),
            Some(Value::Dict(_, profiles)) => profiles,
            Some(_) => {
                let place = spec.excerpt(&["profiles".to_owned()], End::Value, None);
                return Err(SpecError::new("`profiles` should be a table: one table for each profile").at(place));
            }
        };
        let defaults = Text::parse("defaults", DEFAULTS.to_owned())?;
        let mut figment = Figment::new()
            .merge(Layer { name: "defaults".to_owned(), values: defaults.values().clone() })
            .merge(Layer { name: SPEC.to_owned(), values: base });
        if let Some(name) = &overrides.profile {
            let values = match profiles.get(name) {
                Some(Value::Dict(_, values)) => values.clone(),
                Some(_) => {
                    let place = spec.excerpt(&["profiles".to_owned(), name.clone()], End::Value, None);
                    return Err(SpecError::new(format!("profile `{name}` should be a table")).at(place));
                }
                None => {
                    let place = spec.excerpt(&["profiles".to_owned()], End::Key, None);
                    return Err(SpecError::new(format!("unknown profile `{name}`"))
                        .at(place)
                        .known(name, profiles.keys().map(String::as_str)));
                }
            };
            figment = figment.merge(Layer { name: PROFILE.to_owned(), values });
        }
        let below = figment.clone();
        let mut overridden = Vec::new();
        if overrides.environment {
            let values = environment()?;
            overridden.extend(Override::of_environment(&values));
            figment = figment.merge(Layer { name: ENVIRONMENT.to_owned(), values });
        }
        for set in &overrides.sets {
            figment = figment.merge(Layer { name: format!("--set {set}"), values: parse_set(set)? });
            overridden.extend(Override::of_set(set));
        }
        let merged = merged(&figment)?;
        if json!(merged) == json!(self::merged(&below)?) {
            overridden.clear();
        }
        let profile = overrides.profile.clone();
        Ok(Layers { figment, merged, spec, profile, overridden: Origin::settled(overridden) })
    }

    /// The names of the profiles of the spec.
    pub fn profiles(&self) -> Vec<String> {
        match self.spec.values().get("profiles") {
            Some(Value::Dict(_, profiles)) => profiles.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Where the settings come from.
    pub fn origin(&self, path: &Path) -> Origin {
        let mut settings = json!(self.merged);
        // Each setting of a sweep is a run of its own.
        settings.as_object_mut().and_then(|settings| settings.remove("sweep"));
        Origin {
            spec: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            profile: self.profile.clone(),
            overrides: self.overridden.clone(),
            settings,
        }
    }

    /// The spec's text.
    pub fn spec(&self) -> &Text {
        &self.spec
    }

    /// The value at a path, if there is one.
    pub fn get(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.merged, |value, step| match value {
            Value::Dict(_, entries) => entries.get(step),
            Value::Array(_, items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        })
    }

    /// Reads the value at a path as a `T`.
    ///
    /// # Errors
    /// It is absent or not a `T`: the fault is placed at the key inside it that is wrong.
    pub fn read_at<T: DeserializeOwned>(&self, path: &[String]) -> Result<T, SpecError> {
        let Some(value) = self.get(path) else {
            let (last, table) = path.split_last().map_or(("", path), |(last, table)| (last.as_str(), table));
            return Err(self.fault(table, End::Key, format!("missing key `{last}`{}", fault::inside(table))));
        };
        T::deserialize(value).map_err(|error| fault::explain::<T>(self, path, value, &error))
    }

    /// A fault of the value at a path.
    pub fn fault(&self, path: &[String], end: End, message: impl Into<String>) -> SpecError {
        SpecError::new(message).at(self.place(path, end))
    }

    /// Places a fault that has no place yet.
    pub fn placed(&self, path: &[String], error: SpecError) -> SpecError {
        if error.is_placed() { error } else { error.at(self.place(path, End::Value)) }
    }

    /// Where the value at a path was set: the layer, and the line where the layer is a file.
    fn place(&self, path: &[String], end: End) -> Excerpt {
        let deepest = (0..=path.len()).rev().find_map(|length| self.get(&path[..length]).map(|value| (length, value)));
        let layer = match deepest {
            Some((length, value)) if length > 0 => {
                self.figment.get_metadata(value.tag()).map_or(SPEC.to_owned(), |metadata| metadata.name.to_string())
            }
            _ => SPEC.to_owned(),
        };
        match layer.as_str() {
            SPEC => self.spec.excerpt(path, end, None),
            PROFILE => {
                let name = self.profile.clone().unwrap_or_default();
                let inside: Vec<String> = ["profiles".to_owned(), name.clone()].into_iter().chain(path.iter().cloned()).collect();
                self.spec.excerpt(&inside, end, Some(format!("profile `{name}`")))
            }
            ENVIRONMENT => Excerpt::file(&format!("environment variable `{}`", variable(path))),
            other => Excerpt::file(&format!("`{other}`")),
        }
    }
}

/// All layers as one table.
fn merged(figment: &Figment) -> Result<Value, SpecError> {
    let merged = figment.data().map_err(|error| SpecError::new(error.to_string()))?.remove(&Profile::Default).unwrap_or_default();
    Ok(Value::Dict(Tag::Default, merged))
}

/// `ONEBASIN_TRAININGS__SGD__EPOCHS=3`: two underscores go one table down, one stands for a dash.
fn environment() -> Result<Dict, SpecError> {
    let variables = Env::prefixed("ONEBASIN_").ignore(&OPTIONS).map(|key| key.as_str().replace("__", ".").replace('_', "-").into());
    let mut layers = variables.data().map_err(|error| SpecError::new(format!("environment: {error}")))?;
    Ok(layers.remove(&Profile::Default).unwrap_or_default())
}

/// `key.path=value` is a line of TOML; a bare word as its value is a string.
fn parse_set(set: &str) -> Result<Dict, SpecError> {
    let name = format!("--set {set}");
    let Some((key, value)) = set.split_once('=') else {
        return Err(SpecError::new(format!("`{name}` sets nothing")).hint("write --set key.path=value"));
    };
    let plain = Text::parse(&name, set.to_owned());
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match plain {
        Ok(text) => Ok(text.values().clone()),
        Err(_) if !value.is_empty() && value.chars().all(bare) => {
            Ok(Text::parse(&name, format!("{key}=\"{value}\"")).map_err(|_| not_a_set(set))?.values().clone())
        }
        Err(_) => Err(not_a_set(set)),
    }
}

fn not_a_set(set: &str) -> SpecError {
    SpecError::new(format!("`--set {set}` is not `key.path=value` with a TOML value"))
        .hint("numbers, \"text\", true, [lists] and { tables } are values; put single quotes around the whole for the shell")
}
