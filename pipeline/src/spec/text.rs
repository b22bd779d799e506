//! One TOML text: its values, and where each of them stands.

use std::collections::BTreeMap;
use std::ops::Range;

use figment::value::{Dict, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Excerpt, SpecError};

/// A parsed TOML text that remembers the place of every key.
#[derive(Clone, Debug)]
pub struct Text {
    name: String,
    text: String,
    root: Mark,
    values: Dict,
}

/// Where a value stands, and what it holds.
#[derive(Clone, Debug)]
struct Mark {
    span: Range<usize>,
    inside: Inside,
}

#[derive(Clone, Debug)]
enum Inside {
    Leaf,
    List(Vec<Mark>),
    Table(BTreeMap<String, (Range<usize>, Mark)>),
}

/// Which end of `key = value` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Key,
    Value,
}

impl Text {
    /// Parses a text; `name` is what errors call it.
    ///
    /// # Errors
    /// The text is not TOML; the error holds the line.
    pub fn parse(name: &str, text: String) -> Result<Text, SpecError> {
        let (root, values) = {
            let table = DeTable::parse(&text).map_err(|error| {
                let mut problem = SpecError::new(format!("this is not TOML: {}", error.message().replace('\n', ", ")));
                if let Some(span) = error.span() {
                    problem = problem.at(excerpt(name, &text, &span, None));
                }
                problem
            })?;
            let span = table.span();
            mark_table(table.get_ref(), span)
        };
        Ok(Text { name: name.to_owned(), text, root, values })
    }

    /// A text that is exactly one TOML value: nothing before it, nothing behind it, no comment.
    pub fn value(text: &str) -> Option<Value> {
        const KEY: &str = "v = ";
        let line = format!("{KEY}{text}");
        let table = DeTable::parse(&line).ok()?;
        let mut entries = table.get_ref().iter();
        let (_, value) = entries.next().filter(|(_, value)| value.span() == (KEY.len()..line.len()))?;
        entries.next().is_none().then(|| mark(value).1)
    }

    /// Every value.
    pub fn values(&self) -> &Dict {
        &self.values
    }

    /// How the value at a path is written.
    pub fn literal(&self, path: &[String]) -> Option<&str> {
        let mark = path.iter().try_fold(&self.root, |here, step| here.inside(step).map(|(_, value)| value))?;
        self.text.get(mark.span.clone())
    }

    /// The lines around the deepest part of `path` that the text has.
    pub fn excerpt(&self, path: &[String], end: End, layer: Option<String>) -> Excerpt {
        let mut span = None;
        let mut here = &self.root;
        for (depth, step) in path.iter().enumerate() {
            let Some((key, value)) = here.inside(step) else { break };
            let last = depth + 1 == path.len();
            span = Some(if last && end == End::Value && !matches!(value.inside, Inside::Table(_)) { &value.span } else { key });
            here = value;
        }
        match span {
            Some(span) => excerpt(&self.name, &self.text, span, layer),
            None => Excerpt { layer, ..Excerpt::file(&self.name) },
        }
    }
}

impl Mark {
    /// The span of a key or element, and what it holds.
    fn inside(&self, step: &str) -> Option<(&Range<usize>, &Mark)> {
        match &self.inside {
            Inside::Leaf => None,
            Inside::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)).map(|item| (&item.span, item)),
            Inside::Table(entries) => entries.get(step).map(|(key, value)| (key, value)),
        }
    }
}

fn mark_table(table: &DeTable<'_>, span: Range<usize>) -> (Mark, Dict) {
    let mut marks = BTreeMap::new();
    let mut values = Dict::new();
    for (key, value) in table {
        let (mark, plain) = mark(value);
        let name = key.get_ref().to_string();
        marks.insert(name.clone(), (key.span(), mark));
        values.insert(name, plain);
    }
    (Mark { span, inside: Inside::Table(marks) }, values)
}

fn mark(value: &Spanned<DeValue<'_>>) -> (Mark, Value) {
    let span = value.span();
    let leaf = |value: Value| (Mark { span: span.clone(), inside: Inside::Leaf }, value);
    match value.get_ref() {
        DeValue::String(text) => leaf(Value::from(text.as_ref())),
        // A number beyond 64 bits becomes the nearest fraction, which no whole-number key takes.
        DeValue::Integer(number) => leaf(match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(whole) => Value::from(whole),
            Err(_) => Value::from(number.as_str().parse::<f64>().unwrap_or(f64::INFINITY)),
        }),
        DeValue::Float(number) => leaf(Value::from(number.as_str().parse::<f64>().unwrap_or(f64::NAN))),
        DeValue::Boolean(truth) => leaf(Value::from(*truth)),
        DeValue::Datetime(date) => leaf(Value::from(date.to_string())),
        DeValue::Array(items) => {
            let (marks, values): (Vec<Mark>, Vec<Value>) = items.iter().map(mark).unzip();
            (Mark { span, inside: Inside::List(marks) }, Value::from(values))
        }
        DeValue::Table(table) => {
            let (mark, values) = mark_table(table, span);
            (mark, Value::from(values))
        }
    }
}

fn excerpt(name: &str, text: &str, span: &Range<usize>, layer: Option<String>) -> Excerpt {
    let start = span.start.min(text.len());
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    let column = text[line_start..start].chars().count();
    let end = span.end.clamp(start, line_start + line.len().max(start - line_start));
    Excerpt {
        file: name.to_owned(),
        position: Some((before.matches('\n').count() + 1, column + 1)),
        line: line.to_owned(),
        width: text[start..end].chars().count().max(1),
        layer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &Text, path: &[&str], end: End) -> (Option<(usize, usize)>, String) {
        let path: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        let excerpt = text.excerpt(&path, end, None);
        (
            excerpt.position,
            excerpt.line[..].chars().skip(excerpt.position.map_or(0, |(_, column)| column - 1)).take(excerpt.width).collect(),
        )
    }

    #[test]
    fn keys_and_values_are_found_in_tables_lists_and_inline_tables() {
        let text = Text::parse("a.toml", "x = 1\n\n[b.c]\nd = [10, { e = \"é\" }]\n[[f]]\ng = 1\n[[f]]\ng = 2\n".to_owned()).unwrap();
        assert_eq!(place(&text, &["x"], End::Key), (Some((1, 1)), "x".to_owned()));
        assert_eq!(place(&text, &["b", "c", "d", "0"], End::Value), (Some((4, 6)), "10".to_owned()));
        assert_eq!(place(&text, &["b", "c", "d", "1", "e"], End::Value), (Some((4, 16)), "\"é\"".to_owned()));
        assert_eq!(place(&text, &["f", "1", "g"], End::Value), (Some((8, 5)), "2".to_owned()));
        assert_eq!(place(&text, &["b", "c", "missing"], End::Value), (Some((3, 4)), "c".to_owned()));
        assert_eq!(place(&text, &["f", "1", "missing"], End::Value).0, Some((7, 1)));
        assert_eq!(place(&text, &["nothing"], End::Key).0, None);
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = Text::parse("a.toml", "x = 1\ny = = 2\n".to_owned()).unwrap_err().to_string();
        assert!(error.contains("--> a.toml:2:5"), "{error}");
    }
}
