//! One key set from outside of a spec: by `--set` or by a variable of the environment. Both are read by one grammar.

use figment::value::{Dict, Value};

use super::error::SpecError;
use super::text::Text;

/// Steps of a key path; the TOML parser has a like limit for values.
pub(super) const DEEPEST: usize = 64;

/// What sources that are variables begin with.
pub const VARIABLE: &str = "environment variable ";

/// How much of a wrong value is quoted.
const LONGEST_QUOTE: usize = 60;

/// A key path and the value it is set to.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// What messages call it: `--set seed=7`, ``environment variable `ONEBASIN_SEED` ``.
    pub source: String,
    /// From the top of the spec to the key.
    steps: Vec<String>,
    value: Value,
    /// The value as it was given.
    text: String,
}

impl Assignment {
    /// Reads `key.path=value`.
    ///
    /// # Errors
    /// There is no `=`, or either side of it cannot be read.
    pub fn set(text: &str) -> Result<Assignment, SpecError> {
        let source = format!("--set {}", quotable(text));
        let Some((key, value)) = text.split_once('=') else {
            return Err(SpecError::new(format!("`{source}` sets nothing")).hint("write --set key.path=value"));
        };
        let steps = steps(key).ok_or_else(|| {
            SpecError::new(format!("`{source}`: `{}` is not a key path", quotable(key)))
                .hint("a key path is names joined by dots, such as `trainings.adam.epochs` or `methods.c2m3.matching.iterations`")
        })?;
        Ok(Assignment { value: read(&source, value)?, source, steps, text: value.trim().to_owned() })
    }

    /// Reads a variable whose name, without the prefix, has the steps of a key path.
    ///
    /// # Errors
    /// The value cannot be read.
    pub fn variable(name: &str, steps: Vec<String>, value: &str) -> Result<Assignment, SpecError> {
        let source = format!("{VARIABLE}`{name}`");
        Ok(Assignment { value: read(&source, value)?, source, steps, text: value.trim().to_owned() })
    }

    /// The key path, joined by dots.
    pub fn key(&self) -> String {
        self.steps.join(".")
    }

    /// The key path.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The value as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value inside the tables that its path names.
    pub fn into_values(self) -> Dict {
        let mut steps = self.steps.into_iter().rev();
        let last = steps.next().unwrap_or_default();
        steps.fold(Dict::from([(last, self.value)]), |inner, step| Dict::from([(step, Value::from(inner))]))
    }
}

/// `a.b[0].c` as its steps; `None` where it is no key path.
pub(super) fn steps(key: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let mut name = part.trim();
        // Messages write `methods[0]`, so it is read too.
        let mut indices = Vec::new();
        while let Some((before, index)) = name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            if index.is_empty() || !index.chars().all(|c| c.is_ascii_digit()) {
                return None;
            }
            indices.push(index.to_owned());
            name = before;
        }
        let unquoted = ['"', '\''].into_iter().find_map(|mark| name.strip_prefix(mark)?.strip_suffix(mark));
        let name = unquoted.unwrap_or(name);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return None;
        }
        steps.push(name.to_owned());
        steps.extend(indices.into_iter().rev());
    }
    (steps.len() <= DEEPEST).then_some(steps)
}

/// Exactly one TOML value, or a bare word, which is a text.
fn read(source: &str, text: &str) -> Result<Value, SpecError> {
    let text = text.trim_matches([' ', '\t']);
    if let Some(value) = Text::value(text) {
        return Ok(value);
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:+@~".contains(c)) {
        return Ok(Value::from(text));
    }
    let came = if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", quotable(text)) };
    let error = SpecError::new(format!("`{}`: expected one TOML value or a bare word, got {came}", source.replace('`', "")));
    let error = error.hint("numbers, \"text\", true, [lists] and { tables } are values; put single quotes around the whole for the shell");
    Err(match text {
        "" => error.hint("an empty text is two double quotes: `\"\"`"),
        _ if text.starts_with(['[', '{', '"', '\'']) => error.hint("put each text in double quotes, also inside of lists: `[\"test\"]`"),
        _ => error.hint("put text in double quotes: `\"...\"`"),
    })
}

/// A text on one line, cut short.
fn quotable(text: &str) -> String {
    let mut quoted: String = text
        .chars()
        .take(LONGEST_QUOTE)
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        quoted.push_str("...");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        read("--set x", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_one_toml_value_or_a_bare_word_and_nothing_else() {
        assert_eq!(value("5e-2").unwrap().to_actual(), Value::from(0.05).to_actual());
        assert_eq!(value(" [1, 2] ").unwrap().into_array().unwrap().len(), 2);
        assert_eq!(value("1_1_1").unwrap().to_i128(), Some(111));
        for word in ["sgd", ".05", "a=b", "reported/x.csv", "2x"] {
            assert_eq!(value(word).unwrap().as_str(), Some(word));
        }
        assert_eq!(value("\"a # b\"").unwrap().as_str(), Some("a # b"));
        for wrong in ["1#7", "1 # seven", "1\n", "1\nmodels = 9", "[test]", "", "two words", "{ a = 1", "\"a", "1]", "x = 1 }"] {
            let error = value(wrong).unwrap_err();
            assert!(error.contains("expected one TOML value or a bare word") && error.contains("double quotes"), "{wrong}: {error}");
            assert!(!error.contains("models = 9\n"), "{error}");
        }
        assert!(value(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_key_path_is_names_joined_by_dots_with_indices_in_either_form() {
        assert_eq!(steps("a.b-c.0").unwrap(), ["a", "b-c", "0"]);
        assert_eq!(steps("methods[1].matching").unwrap(), ["methods", "1", "matching"]);
        assert_eq!(steps(" \"a\" . 'b' ").unwrap(), ["a", "b"]);
        for wrong in ["", "a..b", ".a", "a.", "a[x]", "a[]", "a b", "a\nb", "a#b"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
        assert_eq!(steps(&vec!["a"; DEEPEST + 1].join(".")), None);
    }
}
