//! From a deserialisation error to a fault with its key, its line and a hint.

use figment::error::{Actual, Kind};
use figment::value::{Num, Value};
use serde::de::DeserializeOwned;

use super::environment;
use super::error::SpecError;
use super::layers::Layers;
use super::text::End;

/// Replaces a value to see whether that value is the wrong one; no spec holds it.
const SENTINEL: &str = "\u{1}";

/// Longer numbers are not quoted as they are written.
const LONGEST_LITERAL: usize = 60;

/// Explains why the value at `path` could not be read as a `T`.
pub fn explain<T: DeserializeOwned>(layers: &Layers, path: &[String], value: &Value, error: &figment::Error) -> SpecError {
    let mut at: Vec<String> = path.iter().chain(&error.path).cloned().collect();
    let here = layers.get(&at).cloned().unwrap_or_else(|| value.clone());
    // Serde reads a tagged table from a copy without places, so an error inside it does not say where. Several values may look like the
    // wrong one. The wrong one is that which, replaced by a sentinel, gives the same error about the sentinel.
    let culprit = |looks: &dyn Fn(&Value) -> bool| -> Option<Vec<String>> {
        let mut suspects = Vec::new();
        find_all(&here, looks, &mut Vec::new(), &mut suspects);
        let is_wrong = |inner: &Vec<String>| {
            let mut changed = value.clone();
            let place: Vec<String> = error.path.iter().chain(inner).cloned().collect();
            replace(&mut changed, &place, Value::from(SENTINEL));
            T::deserialize(&changed).is_err_and(|found| complains_alike(&error.kind, &found.kind))
        };
        let first = suspects.first().cloned();
        if suspects.len() < 2 { first } else { suspects.into_iter().find(is_wrong).or(first) }
    };
    match &error.kind {
        Kind::UnknownField(name, known) => {
            // Inside a tagged table the deserialiser knows the name of the key, not where it stands.
            if at.last() == Some(name) && !has_key(&here, name) {
                at.pop();
            } else if let Some(inner) = culprit(&|value| has_key(value, name)) {
                at.extend(inner);
            }
            let mut keyed = at.clone();
            keyed.push(name.clone());
            if at.is_empty() && layers.is_of_environment(&keyed) {
                return stray(layers, &keyed, known);
            }
            layers.fault(&keyed, End::Key, format!("unknown key `{name}`{}", inside(&at))).known(name, known.iter().copied())
        }
        Kind::UnknownVariant(name, known) => {
            if let Some(inner) = culprit(&|value| value.as_str() == Some(name)) {
                at.extend(inner);
            }
            layers.fault(&at, End::Value, format!("unknown name `{name}` for `{}`", shown(&at))).known(name, known.iter().copied())
        }
        Kind::MissingField(name) => {
            let error = layers.fault(&at, End::Key, format!("missing key `{name}`{}", inside(&at)));
            let inner: Vec<String> = at[path.len()..].iter().cloned().chain([name.to_string()]).collect();
            match names_of::<T>(value, &inner) {
                Some(known) => error.known("", known.iter().copied()),
                None => error,
            }
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            if matches!(here, Value::Dict(..) | Value::Array(..))
                && let Some(inner) = culprit(&|value| same(&value.to_actual(), actual))
            {
                at.extend(inner);
            }
            let expected = bounded(&expected_text(expected), expected, actual);
            let error = layers.fault(&at, End::Value, format!("`{}` should be {expected}, not {}", shown(&at), came(layers, &at, actual)));
            match (expected.as_str(), actual) {
                ("a text", Actual::Bool(_) | Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_)) => {
                    error.hint("put text in double quotes: `\"...\"`")
                }
                ("a list", Actual::Map) => {
                    error.hint("a list is replaced as a whole; where it has elements, each is reached by its name or number")
                }
                (expected, Actual::Str(text)) if expected.contains("number") => match text.parse::<f64>() {
                    Ok(number) => error.hint(format!("write `{number}`")),
                    Err(_) => error,
                },
                _ => error,
            }
        }
        Kind::InvalidLength(length, expected) => {
            if let Some(inner) = culprit(&|value| matches!(value, Value::Array(_, items) if items.len() == *length)) {
                at.extend(inner);
            }
            let expected = expected_text(expected);
            layers.fault(&at, End::Value, format!("`{}` has {length} entries, expected {expected}", shown(&at)))
        }
        Kind::Message(text) => layers.fault(&quoted_place(layers, &at, text), End::Value, text.clone()),
        other => layers.fault(&at, End::Value, format!("`{}`: {other}", shown(&at))),
    }
}

/// A variable of the environment that is no key of a spec, and does not belong to the command either.
fn stray(layers: &Layers, path: &[String], keys: &[&str]) -> SpecError {
    let own = environment::variable(path);
    let variables: Vec<String> = keys.iter().map(|key| environment::variable(&[(*key).to_owned()])).collect();
    let known = variables.iter().map(String::as_str).chain(environment::COMMAND_VARIABLES);
    let error = SpecError::new(format!("`{own}` is neither a key of a spec nor a variable of the command"));
    let error = error.at(layers.place(path, End::Key));
    let error = match onebasin_network::did_you_mean(&own, known) {
        Some(likely) => error.hint(format!("did you mean `{likely}`?")),
        None => error,
    };
    error.hint("variables and keys are listed in experiments/spec.md, \"Layers of settings\"; unset it if it is not for this program")
}

/// The names that a key inside of `value` takes, where it takes one of a list: asked by giving it a name that is none.
fn names_of<T: DeserializeOwned>(value: &Value, path: &[String]) -> Option<&'static [&'static str]> {
    let (key, table) = path.split_last()?;
    let mut changed = value.clone();
    let entries = table.iter().try_fold(&mut changed, |here, step| match here {
        Value::Dict(_, entries) => entries.get_mut(step),
        Value::Array(_, items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })?;
    let Value::Dict(_, entries) = entries else { return None };
    entries.insert(key.clone(), Value::from(SENTINEL));
    match T::deserialize(&changed).err()?.kind {
        Kind::UnknownVariant(name, known) if name == SENTINEL => Some(known),
        _ => None,
    }
}

/// The place a library's message about the table at `table` is about: the key it quotes first, there or in the one table below that has
/// it, else the one entry with the value it quotes first, else the table.
pub fn quoted_place(layers: &Layers, table: &[String], message: &str) -> Vec<String> {
    let quoted = message.split('`').nth(1).unwrap_or("");
    let mut place = table.to_vec();
    let first = quoted.split('.').next().unwrap_or(quoted);
    if let Some(value) = layers.get(table) {
        place.extend(holder(value, first));
    }
    for step in quoted.split('.') {
        place.push(step.to_owned());
        if layers.get(&place).is_none() {
            place.pop();
            break;
        }
    }
    if place.len() == table.len()
        && let Some(Value::Dict(_, entries)) = layers.get(table)
    {
        let mut meant = entries.iter().filter(|(_, value)| written(value).as_deref() == Some(quoted)).map(|(key, _)| key);
        if let (Some(key), None) = (meant.next(), meant.next()) {
            place.push(key.clone());
        }
    }
    place
}

/// The steps down to the one table below a value that has a key; none where it has the key itself, or not exactly one table has.
fn holder(value: &Value, key: &str) -> Vec<String> {
    fn search(value: &Value, key: &str, here: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        let Value::Dict(_, entries) = value else { return };
        if entries.contains_key(key) {
            found.push(here.clone());
            return;
        }
        for (step, below) in entries {
            here.push(step.clone());
            search(below, key, here, found);
            here.pop();
        }
    }
    let mut found = Vec::new();
    search(value, key, &mut Vec::new(), &mut found);
    if found.len() == 1 { found.remove(0) } else { Vec::new() }
}

/// A text or number as a message would quote it.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Num(_, number) => Some(whole(number).map_or_else(|| fraction(number).to_string(), |whole| whole.to_string())),
        _ => None,
    }
}

/// A number without a fraction, signed or not.
pub fn whole(number: &Num) -> Option<i128> {
    number.to_i128().or_else(|| number.to_u128().and_then(|number| i128::try_from(number).ok()))
}

/// Any number.
pub fn fraction(number: &Num) -> f64 {
    number.to_f64().or_else(|| whole(number).map(|number| number as f64)).unwrap_or(f64::NAN)
}

/// `pairs[0].dataset`.
pub fn shown(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if step.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() {
            text.push_str(&format!("[{step}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        }
    }
    text
}

/// `` in `pairs[0]` ``, or nothing at the top.
pub fn inside(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{}`", shown(path)) }
}

fn has_key(value: &Value, name: &str) -> bool {
    value.as_dict().is_some_and(|entries| entries.contains_key(name))
}

/// The paths, below a value, of all values that are meant, in order.
fn find_all(value: &Value, meant: &dyn Fn(&Value) -> bool, here: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if meant(value) {
        found.push(here.clone());
    }
    let mut below = |step: String, value: &Value| {
        here.push(step);
        find_all(value, meant, here, found);
        here.pop();
    };
    match value {
        Value::Dict(_, entries) => entries.iter().for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(_, items) => items.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value)),
        _ => {}
    }
}

/// Puts another value at a path, if there is one.
fn replace(value: &mut Value, path: &[String], other: Value) {
    let Some((step, rest)) = path.split_first() else {
        *value = other;
        return;
    };
    let inner = match value {
        Value::Dict(_, entries) => entries.get_mut(step),
        Value::Array(_, items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
        _ => None,
    };
    if let Some(inner) = inner {
        replace(inner, rest, other);
    }
}

/// Whether the same was expected where the first complaint was about a value, and the second about the sentinel in its place.
fn complains_alike(before: &Kind, after: &Kind) -> bool {
    let is_sentinel = |actual: &Actual| *actual == Actual::Str(SENTINEL.to_owned());
    match (before, after) {
        (
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected),
            Kind::InvalidType(actual, other) | Kind::InvalidValue(actual, other),
        ) => is_sentinel(actual) && expected == other,
        (Kind::UnknownVariant(_, known), Kind::UnknownVariant(name, others)) => name == SENTINEL && known == others,
        // Where a name belongs, a text is no wrong type but an unknown name.
        (Kind::InvalidType(..), Kind::UnknownVariant(name, _)) => name == SENTINEL,
        _ => false,
    }
}

/// Whether two descriptions mean one value: signed and unsigned whole numbers are told apart by nobody who writes TOML.
fn same(a: &Actual, b: &Actual) -> bool {
    match (a, b) {
        (Actual::Signed(a), Actual::Unsigned(b)) | (Actual::Unsigned(b), Actual::Signed(a)) => u128::try_from(*a).is_ok_and(|a| a == *b),
        _ => a == b,
    }
}

/// Names the limit that a whole number is beyond.
///
/// The numbers of TOML end at 63 bits; what is larger has become a fraction.
fn bounded(text: &str, expected: &str, actual: &Actual) -> String {
    let most = i64::MAX as u128;
    let (least, most) = match expected {
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, most),
        "i8" => (i8::MIN.into(), i8::MAX as u128),
        "i16" => (i16::MIN.into(), i16::MAX as u128),
        "i32" => (i32::MIN.into(), i32::MAX as u128),
        "i64" | "isize" => (i64::MIN, most),
        _ => return text.to_owned(),
    };
    let is_large = match actual {
        Actual::Unsigned(number) => *number > most,
        Actual::Signed(number) => u128::try_from(*number).is_ok_and(|number| number > most),
        Actual::Float(number) => *number > most as f64 || (*number >= i64::MAX as f64),
        _ => false,
    };
    if is_large { format!("a whole number from {least} to {most}") } else { text.to_owned() }
}

/// The value that came: a number as it is written, since large ones are rounded when they are read.
fn came(layers: &Layers, at: &[String], actual: &Actual) -> String {
    let is_number = matches!(actual, Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_));
    match layers.literal(at) {
        Some(text)
            if is_number
                && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && text.len() <= LONGEST_LITERAL
                && !text.contains('\n') =>
        {
            format!("`{text}`")
        }
        _ => actual_text(actual),
    }
}

fn actual_text(actual: &Actual) -> String {
    match actual {
        Actual::Bool(truth) => format!("`{truth}`"),
        Actual::Unsigned(number) => format!("`{number}`"),
        Actual::Signed(number) => format!("`{number}`"),
        Actual::Float(number) => format!("`{number}`"),
        Actual::Char(text) => format!("the text `{text}`"),
        Actual::Str(text) => format!("the text `{text}`"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

fn expected_text(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "string" | "string or table" | "string or map" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        text if text.starts_with("struct ") || text.contains("tagged enum") => "a table".to_owned(),
        text if text.starts_with("a tuple of size ") || text.starts_with("an array of length ") => {
            format!("a list of {} values", text.rsplit(' ').next().unwrap_or_default())
        }
        text if text.ends_with(" elements in sequence") => {
            format!("a list of {} values", text.split(' ').next().unwrap_or_default())
        }
        text if text.starts_with("enum ") => "a name".to_owned(),
        text => text.to_owned(),
    }
}
