//! Settings that are run one after the other: `[sweep]` of a spec, or `--sweep`.

use figment::value::Value;
use serde_json::json;

use super::error::SpecError;
use super::origin::leaves;
use super::overlay;
use super::override_value::{Assignment, steps};
use super::resolve::{Resolver, Result, path};

/// A sweep is no more than a person can look at.
const MOST_SETTINGS: usize = 1000;

/// Keys, each with the values that it takes in turn, as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep(Vec<(String, Vec<String>)>);

impl Sweep {
    /// Of arguments `key.path=value,value,...`.
    ///
    /// # Errors
    /// An argument without a key or a value, a key twice, or too many settings.
    pub fn parse(arguments: &[String]) -> Result<Sweep> {
        let mut keys: Vec<(String, Vec<String>)> = Vec::new();
        for argument in arguments {
            let wrong = |what: &str| SpecError::new(format!("`--sweep {argument}` {what}")).hint("write --sweep key.path=value,value");
            let (key, values) = argument.split_once('=').ok_or_else(|| wrong("has no values"))?;
            let (key, values) = (key.trim(), split(values));
            if key.is_empty() || values.iter().any(String::is_empty) {
                return Err(wrong("has an empty key or value"));
            }
            if keys.iter().any(|(known, _)| known == key) {
                return Err(wrong("names a key that another one names"));
            }
            keys.push((key.to_owned(), values));
        }
        Sweep(keys).checked()
    }

    fn checked(self) -> Result<Sweep> {
        let count = self.0.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()));
        if count > MOST_SETTINGS {
            return Err(SpecError::new(format!("a sweep of {count} settings: expected at most {MOST_SETTINGS}")));
        }
        for (key, values) in &self.0 {
            // As `--set` reads them: `x` and `"x"` are one value.
            let read: Vec<_> =
                values.iter().map(|value| Assignment::set(&format!("{key}={value}")).ok().map(|it| in_reals(json!(it.value())))).collect();
            if let Some(second) = (1..values.len()).find(|&index| read[index].is_some() && read[..index].contains(&read[index])) {
                let message = format!("a sweep gives `{key}` the value `{}` twice", values[second]);
                return Err(SpecError::new(message).hint("each value is a run of its own, in a folder of its own"));
            }
        }
        Ok(self)
    }

    /// Without the keys that these arguments of `--set` set: they go over a sweep as over everything else.
    ///
    /// `settings` are those of the experiment; they tell which element of a list a name means.
    #[must_use]
    pub fn without(&self, sets: &[String], settings: &serde_json::Value) -> Sweep {
        let given = assignments(sets, settings);
        Sweep(self.0.iter().filter(|(key, _)| !given.iter().any(|given| given.sets(key, settings))).cloned().collect())
    }

    /// A key that is swept and that one of these arguments of `--set` sets.
    pub fn contradicted<'a>(&'a self, sets: &[String], settings: &serde_json::Value) -> Option<&'a str> {
        let given = assignments(sets, settings);
        self.keys().find(|key| given.iter().any(|given| given.sets(key, settings)))
    }

    /// A swept key of which one of these arguments of `--set` changes a part that a value of the sweep gives: the value would say what is not so.
    pub fn undermined<'a>(&'a self, sets: &[String], settings: &serde_json::Value) -> Option<&'a str> {
        let given = assignments(sets, settings);
        let is_undermined = |(key, values): &&(String, Vec<String>)| {
            let swept = place(key, settings);
            let parts = given.iter().filter_map(|given| given.place.strip_prefix(&swept[..])).filter(|part| !part.is_empty());
            let read: Vec<Assignment> = values.iter().filter_map(|value| Assignment::set(&format!("{key}={value}")).ok()).collect();
            parts.into_iter().any(|part| {
                // A value that is no table says all that its key holds.
                read.iter().any(|value| !matches!(value.value(), Value::Dict(..)) || overlay::reached(value.value(), part).is_some())
            })
        };
        self.0.iter().find(is_undermined).map(|(key, _)| key.as_str())
    }

    /// Two of its keys that mean one place, or of which one lies inside of the other.
    pub fn overlapping(&self, settings: &serde_json::Value) -> Option<(&str, &str)> {
        let keys: Vec<&str> = self.keys().collect();
        let places: Vec<Vec<String>> = keys.iter().map(|key| place(key, settings)).collect();
        let overlap = |one: usize, other: usize| places[one].starts_with(&places[other]) || places[other].starts_with(&places[one]);
        let mut pairs = (0..keys.len()).flat_map(|one| (one + 1..keys.len()).map(move |other| (one, other)));
        pairs.find(|&(one, other)| overlap(one, other)).map(|(one, other)| (keys[one], keys[other]))
    }

    /// Whether nothing is swept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Every combination of values, in the order of the keys; the last key changes fastest.
    pub fn settings(&self) -> Vec<Vec<String>> {
        let mut settings: Vec<Vec<String>> = vec![Vec::new()];
        for (_, values) in &self.0 {
            settings = settings
                .iter()
                .flat_map(|setting| values.iter().map(|value| [&setting[..], std::slice::from_ref(value)].concat()))
                .collect();
        }
        settings
    }

    /// One combination as arguments of `--set`.
    pub fn sets(&self, setting: &[String]) -> Vec<String> {
        self.keys().zip(setting).map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// One combination together with the arguments of `--set`: those that reach into a swept value lie over it.
    pub fn sets_with(&self, setting: &[String], sets: &[String], settings: &serde_json::Value) -> Vec<String> {
        let keys: Vec<Vec<String>> = self.keys().map(|key| place(key, settings)).collect();
        let is_inside = |set: &&String| {
            let path = place(set.split_once('=').map_or("", |(key, _)| key), settings);
            keys.iter().any(|key| path.len() > key.len() && path.starts_with(key))
        };
        let (inside, others): (Vec<&String>, Vec<&String>) = sets.iter().partition(is_inside);
        others.into_iter().cloned().chain(self.sets(setting)).chain(inside.into_iter().cloned()).collect()
    }
}

/// The same with whole numbers as real ones: `1` and `1.0` are one setting.
fn in_reals(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => json!(number.as_f64()),
        serde_json::Value::Array(items) => items.into_iter().map(in_reals).collect(),
        serde_json::Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, in_reals(value))).collect(),
        other => other,
    }
}

/// What one argument of `--set` sets.
struct Given {
    place: Vec<String>,
    value: Value,
}

impl Given {
    /// Whether it sets a swept key: itself, or as a part of a table or list.
    fn sets(&self, key: &str, settings: &serde_json::Value) -> bool {
        let swept = place(key, settings);
        match swept.strip_prefix(&self.place[..]) {
            Some([]) => true,
            Some(inner) => !matches!(self.value, Value::Dict(..) | Value::Array(..)) || overlay::reached(&self.value, inner).is_some(),
            None => false,
        }
    }
}

/// Arguments that cannot be read are told where the spec is laid out.
fn assignments(sets: &[String], settings: &serde_json::Value) -> Vec<Given> {
    let read = sets.iter().filter_map(|set| Assignment::set(set).ok());
    read.map(|given| Given { place: numbered(given.steps(), settings), value: given.value().clone() }).collect()
}

/// The path that a key means, however its elements of lists are named.
fn place(key: &str, settings: &serde_json::Value) -> Vec<String> {
    numbered(&steps(key).unwrap_or_default(), settings)
}

fn numbered(steps: &[String], settings: &serde_json::Value) -> Vec<String> {
    Value::serialize(settings).map_or_else(|_| steps.to_vec(), |settings| overlay::numbered(&settings, steps))
}

impl Resolver<'_> {
    /// What `[sweep]` asks for: tables of keys, with a list of values for each.
    pub(super) fn sweep(&self) -> Result<Sweep> {
        let Some(written) = &self.document.sweep else { return Ok(Sweep::default()) };
        let Value::Dict(_, table) = written else {
            return Err(self.wrong(&path(["sweep"]), "`sweep` should be a table of keys, each with a list of values"));
        };
        let mut keys = Vec::new();
        for (steps, value) in leaves(table) {
            let here: Vec<String> = std::iter::once("sweep".to_owned()).chain(steps.iter().cloned()).collect();
            let key = steps.join(".");
            let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
                let what = if value.as_array().is_some() { "has no value" } else { "should be a list of values" };
                return Err(self.wrong(&here, format!("`sweep.{key}` {what}")).hint("`trainings.adam.epochs = [1, 3, 10]`"));
            };
            let text = |item: &Value| toml::Value::try_from(json!(item)).map(|item| item.to_string());
            let values = items.iter().map(text).collect::<std::result::Result<_, _>>();
            keys.push((key, values.map_err(|error| self.wrong(&here, error.to_string()))?));
        }
        Sweep(keys).checked().map_err(|error| self.layers.placed(&path(["sweep"]), error))
    }
}

/// Parts at the commas that stand in no list, table or text.
fn split(values: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote) = (0_usize, None);
    for character in values.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Sweep> {
        Sweep::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_sweep_is_the_grid_of_its_values() {
        let sweep = parse(&["a.b=1,3", "c=x, y"]).unwrap();
        assert_eq!(sweep.keys().collect::<Vec<_>>(), ["a.b", "c"]);
        let sets: Vec<String> = sweep.settings().iter().map(|setting| sweep.sets(setting).join(" ")).collect();
        assert_eq!(sets, ["a.b=1 c=x", "a.b=1 c=y", "a.b=3 c=x", "a.b=3 c=y"]);
        assert_eq!(parse(&[]).unwrap().settings(), [Vec::<String>::new()]);
    }

    #[test]
    fn a_value_that_stands_twice_is_refused() {
        for twice in ["k=1,2,1", "k=a,\"a\"", "k=[1, 2],[1,2.0]", "k=1,1.0"] {
            let error = parse(&[twice]).unwrap_err().to_string();
            assert!(error.contains("gives `k` the value") && error.contains("twice"), "{twice}: {error}");
        }
        assert!(parse(&["k=1,2", "other=1,2"]).is_ok());
    }

    #[test]
    fn keys_that_mean_one_place_overlap() {
        let settings = json!({ "methods": [{ "name": "x", "matching": { "sweeps": 3 } }], "seed": 1 });
        let overlapping = |keys: &[&str]| parse(keys).unwrap().overlapping(&settings).is_some();
        assert!(overlapping(&["methods[0].matching.sweeps=1,2", "methods.x.matching.sweeps=3,4"]));
        assert!(overlapping(&["methods.x.matching={ sweeps = 1 },{ sweeps = 2 }", "seed=1,2", "methods.x.matching.sweeps=3,4"]));
        assert!(!overlapping(&["methods.x.matching.sweeps=3,4", "seed=1,2"]));
    }

    #[test]
    fn commas_of_lists_tables_and_texts_part_nothing() {
        let sweep = parse(&[r#"a=[1, 2],{ b = 1, c = "," },"d,e""#]).unwrap();
        let values: Vec<String> = sweep.settings().concat();
        assert_eq!(values, ["[1, 2]", r#"{ b = 1, c = "," }"#, "\"d,e\""]);
    }

    #[test]
    fn a_key_that_is_set_is_swept_no_more_however_it_is_written() {
        let settings = json!({ "methods": [{ "name": "x", "matching": { "sweeps": 3 } }], "trainings": { "adam": { "epochs": 1 } } });
        let sweep = parse(&["methods.x.matching.sweeps=1,2", "trainings.adam.epochs=1,3"]).unwrap();
        for (set, left) in [
            ("seed=1", 2),
            ("trainings.adam.epochs=5", 1),
            ("trainings.adam={ epochs = 5 }", 1),
            ("trainings.adam={ batch = 5 }", 2),
            ("methods[0].matching.sweeps=5", 1),
            ("methods.x.matching={ sweeps = 5 }", 1),
            ("methods=[{ name = \"x\", matching = { sweeps = 1 } }]", 1),
        ] {
            let set = [set.to_owned()];
            assert_eq!(sweep.without(&set, &settings).0.len(), left, "{set:?}");
            assert_eq!(sweep.contradicted(&set, &settings).is_some(), left < 2, "{set:?}");
        }
        let sweep = parse(&["trainings.adam={ epochs = 1 },{ epochs = 2 }"]).unwrap();
        for (set, undermined) in [("trainings.adam.epochs=4", true), ("trainings.adam.batch=5", false), ("seed=1", false)] {
            assert_eq!(sweep.undermined(&[set.to_owned()], &settings).is_some(), undermined, "{set}");
        }
        assert_eq!(parse(&["a.hidden=[8],[16]"]).unwrap().undermined(&["a.hidden[0]=4".to_owned()], &settings), Some("a.hidden"));
        let sets = ["trainings.adam.batch=5".to_owned(), "seed=1".to_owned()];
        assert_eq!(
            sweep.sets_with(&sweep.settings()[0], &sets, &settings),
            ["seed=1", "trainings.adam={ epochs = 1 }", "trainings.adam.batch=5"]
        );
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        for wrong in [&["a"][..], &["a="], &["=1"], &["a=1,,2"], &["a=1", "a=2"]] {
            assert!(parse(wrong).unwrap_err().to_string().contains("--sweep"), "{wrong:?}");
        }
        let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
        assert!(parse(&[&format!("a={}", many.join(","))]).unwrap_err().to_string().contains("at most 1000"));
    }
}
