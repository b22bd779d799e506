//! The layers of settings, each over the one before: defaults, the spec, one of its profiles, the environment, `--set`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::{Excerpt, SpecError};
use super::executor::EXECUTOR;
use super::origin::{Origin, Override};
use super::overlay::{self, Unreached};
use super::override_value::{Assignment, VARIABLE};
use super::text::{End, Text};
use super::{environment, fault};
use crate::input_file;

/// What a spec need not say.
const DEFAULTS: &str = r#"
seed = 42
replicates = 1
checkpoint-seconds = 60
evaluation = { lambdas = 25, splits = ["train", "test"] }
"#;

/// What the lowest layer says.
pub fn defaults() -> Dict {
    Text::parse(DEFAULTS_LAYER, DEFAULTS.to_owned()).map(|text| text.values().clone()).unwrap_or_default()
}

/// A spec is pages of text; what is longer is another file.
const LONGEST_SPEC: u64 = 1 << 20;

/// What is laid over a spec.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The profile chosen.
    pub profile: Option<String>,
    /// `key.path=value`, in order; the value is one TOML value, or a bare word.
    pub sets: Vec<String>,
    /// Whether `ONEBASIN_*` is read.
    pub environment: bool,
}

/// All layers merged, each value with the layer it came from.
#[derive(Debug)]
pub struct Layers {
    /// Each layer under a profile of its own; it knows whose tag is which layer's.
    figment: Figment,
    merged: Value,
    spec: Text,
    /// Name and values of the profile chosen.
    profile: Option<(String, Dict)>,
    overridden: Vec<Override>,
    /// How the values of layers that are no files are written, by the layer's name.
    written: BTreeMap<String, String>,
}

/// A layer as figment takes it.
struct Layer {
    place: usize,
    name: String,
    values: Dict,
}

impl Layer {
    /// Figment merges nothing: what lies over what, and how, is [`overlay`]'s to say.
    fn profile(&self) -> Profile {
        Profile::new(&format!("layer-{}", self.place))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Layer::profile(self).collect(self.values.clone()))
    }
}

/// Names of layers. Those of variables and of `--set` follow, each with what it sets.
const DEFAULTS_LAYER: &str = "defaults";
const SPEC: &str = "spec";
const PROFILE: &str = "profile";

impl Layers {
    /// Reads a spec and lays the overrides over it.
    ///
    /// # Errors
    /// The file cannot be read, a layer is not TOML, the profile is unknown.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Layers, SpecError> {
        let name = path.display().to_string();
        let wrong = |reason: String| {
            SpecError::new(format!("cannot read the spec `{name}`: {reason}"))
                .hint("name a TOML file, for example experiments/quickstart.toml")
        };
        let mut bytes = Vec::new();
        input_file::regular(path)
            .and_then(|()| std::fs::File::open(path))
            .and_then(|file| file.take(LONGEST_SPEC + 1).read_to_end(&mut bytes))
            .map_err(|error| wrong(if path.is_dir() { "it is a folder".to_owned() } else { error.to_string() }))?;
        if bytes.len() as u64 > LONGEST_SPEC {
            return Err(wrong(format!("it is longer than {LONGEST_SPEC} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            wrong(format!("line {} is not UTF-8", before.iter().filter(|&&byte| byte == b'\n').count() + 1))
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
        let defaults = Text::parse(DEFAULTS_LAYER, DEFAULTS.to_owned())?;
        let mut stack = vec![(DEFAULTS_LAYER.to_owned(), defaults.values().clone()), (SPEC.to_owned(), base)];
        let mut profile = None;
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
            stack.push((PROFILE.to_owned(), values.clone()));
            profile = Some((name.clone(), values));
        }
        let variables = if overrides.environment { environment::overrides()? } else { Vec::new() };
        let sets = overrides.sets.iter().map(|set| Assignment::set(set)).collect::<Result<Vec<_>, _>>()?;
        let mut layers = Layers {
            figment: Figment::new(),
            merged: Value::from(Dict::new()),
            spec,
            profile,
            overridden: Vec::new(),
            written: BTreeMap::new(),
        };
        let files = stack.len();
        for (place, (name, values)) in stack.into_iter().enumerate() {
            layers.lay(Layer { place, name, values })?;
        }
        let below = layers.merged.clone();
        let mut overridden = Vec::new();
        for (place, given) in variables.into_iter().chain(sets).enumerate() {
            overridden.push((given.steps().to_vec(), Override::of(&given)));
            layers.written.insert(given.source.clone(), given.text().to_owned());
            layers.lay(Layer { place: files + place, name: given.source.clone(), values: given.into_values() })?;
        }
        // What changes nothing overrides nothing.
        if json!(layers.merged) != json!(below) {
            let value = |whole: &Value, steps: &[String]| overlay::reached(whole, steps).map(|value| json!(value));
            overridden.retain(|(steps, _)| value(&below, steps) != value(&layers.merged, steps));
            layers.overridden = Origin::settled(overridden.into_iter().map(|(_, given)| given).collect());
        }
        Ok(layers)
    }

    /// Lays one more layer over the others.
    fn lay(&mut self, layer: Layer) -> Result<(), SpecError> {
        let (own, name) = (layer.profile(), layer.name.clone());
        self.figment = std::mem::take(&mut self.figment).merge(layer);
        let mut data = self.figment.data().map_err(|error| SpecError::new(error.to_string()))?;
        let values = data.remove(&own).unwrap_or_default();
        let merged = std::mem::replace(&mut self.merged, Value::from(false));
        self.merged = overlay::lay(merged, Value::from(values)).map_err(|unreached| self.unreached(&name, unreached))?;
        Ok(())
    }

    fn unreached(&self, layer: &str, unreached: Unreached) -> SpecError {
        let Unreached { path, known, count } = unreached;
        let (wrong, list) = path.split_last().map_or(("", path.as_slice()), |(last, list)| (last.as_str(), list));
        let list = fault::shown(list);
        let message = match count {
            0 => format!("`{list}` has no element `{wrong}`"),
            _ => format!("`{list}` has {count} elements `{wrong}`"),
        };
        let error = SpecError::new(message).at(self.place_in(layer, &path, End::Key));
        let error = if count == 0 { error.known(wrong, known.iter().map(String::as_str)) } else { error };
        error.hint("elements of a list are reached by name, or by number from 0; a list given as a list replaces the whole")
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
        // Where stages run decides no number.
        settings.as_object_mut().and_then(|settings| settings.remove(EXECUTOR));
        let decides = |given: &&Override| given.key.split('.').next() != Some(EXECUTOR);
        Origin {
            spec: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            profile: self.profile.as_ref().map(|(name, _)| name.clone()),
            overrides: self.overridden.iter().filter(decides).cloned().collect(),
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
        self.with_others(path, SpecError::new(message).at(self.place(path, end)))
    }

    /// Places a fault that has no place yet.
    pub fn placed(&self, path: &[String], error: SpecError) -> SpecError {
        if error.is_placed() { error } else { self.with_others(path, error.at(self.place(path, End::Value))) }
    }

    /// The error with what sets a part of the table at a path, where the table is of the spec and the part is not.
    fn with_others(&self, path: &[String], error: SpecError) -> SpecError {
        let own = self.layer(path);
        let mut found = BTreeSet::new();
        if let Some(value) = self.get(path).filter(|_| !path.is_empty() && [SPEC, PROFILE].contains(&own.as_str())) {
            self.layers_of(value, &mut found);
        }
        let above = found.into_iter().filter(|layer| ![SPEC, DEFAULTS_LAYER, PROFILE, own.as_str()].contains(&layer.as_str()));
        above.fold(error, |error, layer| {
            let name = if layer.starts_with("--set") { format!("`{layer}`") } else { layer };
            error.hint(format!("{name} sets a part of it"))
        })
    }

    /// The layers that set a value or a part of it.
    fn layers_of(&self, value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Dict(_, entries) => entries.values().for_each(|value| self.layers_of(value, found)),
            Value::Array(_, items) => items.iter().for_each(|value| self.layers_of(value, found)),
            value => found.extend(self.figment.get_metadata(value.tag()).map(|metadata| metadata.name.to_string())),
        }
    }

    /// Where the value at a path was set: the layer, and the line where the layer is a file.
    pub fn place(&self, path: &[String], end: End) -> Excerpt {
        self.place_in(&self.layer(path), path, end)
    }

    /// The layer that set the deepest part of a path that there is.
    fn layer(&self, path: &[String]) -> String {
        let deepest = (1..=path.len()).rev().find_map(|length| self.get(&path[..length]));
        let metadata = deepest.and_then(|value| self.figment.get_metadata(value.tag()));
        metadata.map_or(SPEC.to_owned(), |metadata| metadata.name.to_string())
    }

    /// Whether the spec itself says nothing of the value at a path: a layer over it does.
    pub fn is_above_spec(&self, path: &[String]) -> bool {
        ![SPEC, DEFAULTS_LAYER].contains(&self.layer(path).as_str())
    }

    /// Whether a variable of the environment set the value at a path.
    pub fn is_of_environment(&self, path: &[String]) -> bool {
        self.layer(path).starts_with(VARIABLE)
    }

    /// How the value at a path is written, or the value of a layer that is no file.
    pub fn literal(&self, path: &[String]) -> Option<&str> {
        match self.layer(path).as_str() {
            SPEC => self.spec.literal(path),
            PROFILE => self.spec.literal(&self.in_profile(path)),
            other => self.written.get(other).map(String::as_str),
        }
    }

    /// The place of a path in a layer.
    fn place_in(&self, layer: &str, path: &[String], end: End) -> Excerpt {
        match layer {
            SPEC | DEFAULTS_LAYER => self.spec.excerpt(path, end, None),
            PROFILE => {
                let name = self.profile.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
                self.spec.excerpt(&self.in_profile(path), end, Some(format!("profile `{name}`")))
            }
            other if other.starts_with("--set") => Excerpt::file(&format!("`{other}`")),
            other => Excerpt::file(other),
        }
    }

    /// Where the text of the profile has a path: it may give a list as a table keyed by the names of the elements.
    fn in_profile(&self, path: &[String]) -> Vec<String> {
        let Some((name, values)) = &self.profile else { return path.to_vec() };
        let mut written = vec!["profiles".to_owned(), name.clone()];
        let whole = Value::from(values.clone());
        let mut here = Some(&whole);
        for (depth, step) in path.iter().enumerate() {
            let key = match (here, self.get(&path[..depth])) {
                (Some(Value::Dict(_, entries)), Some(Value::Array(_, items))) => {
                    let meant = entries.keys().find(|key| overlay::element(items, key).is_ok_and(|index| index.to_string() == *step));
                    meant.unwrap_or(step)
                }
                _ => step,
            };
            here = here.and_then(|value| match value {
                Value::Dict(_, entries) => entries.get(key),
                Value::Array(_, items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            });
            written.push(key.clone());
        }
        written
    }
}
