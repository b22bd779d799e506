//! The name of a method, with the draw of its matching.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::table::text_column;

/// A method of the spec, and which draw of its matching where it is drawn several times: `git-re-basin#3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MethodName {
    /// As the spec calls it.
    pub name: String,
    /// From 1; `None` for a method that is matched once.
    pub draw: Option<usize>,
}

/// What a row is about: a method, or the models before merging.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MethodLabel {
    /// The models before merging: `endpoints`.
    Endpoints,
    /// A method.
    Method(MethodName),
}

/// What rows about the models before merging say in place of a method.
const ENDPOINTS: &str = "endpoints";

impl MethodName {
    /// A method that is matched once.
    pub fn new(name: impl Into<String>) -> MethodName {
        MethodName { name: name.into(), draw: None }
    }

    /// Whether it is matched once, or the first of its draws.
    pub fn is_first(&self) -> bool {
        self.draw.is_none_or(|draw| draw == 1)
    }

    fn key(&self) -> (&str, Option<String>) {
        // Draws are sorted as text, as the files have them since the first.
        (&self.name, self.draw.map(|draw| draw.to_string()))
    }
}

impl MethodLabel {
    /// Whether a name is the one that stands for the models before merging.
    pub fn is_reserved(name: &str) -> bool {
        name == ENDPOINTS
    }

    /// A method that is matched once.
    pub fn method(name: impl Into<String>) -> MethodLabel {
        MethodLabel::Method(MethodName::new(name))
    }

    /// The name without a draw: that of a method in the spec, or `endpoints`.
    pub fn name(&self) -> &str {
        match self {
            MethodLabel::Endpoints => ENDPOINTS,
            MethodLabel::Method(method) => &method.name,
        }
    }

    /// Which draw, where there are several.
    pub fn draw(&self) -> Option<usize> {
        match self {
            MethodLabel::Endpoints => None,
            MethodLabel::Method(method) => method.draw,
        }
    }

    /// The same without a draw.
    pub fn undrawn(&self) -> MethodLabel {
        match self {
            MethodLabel::Endpoints => MethodLabel::Endpoints,
            MethodLabel::Method(method) => MethodLabel::method(&method.name),
        }
    }

    /// Whether these are the models before merging.
    pub fn is_endpoints(&self) -> bool {
        *self == MethodLabel::Endpoints
    }

    fn key(&self) -> (&str, Option<String>) {
        match self {
            MethodLabel::Endpoints => (ENDPOINTS, None),
            MethodLabel::Method(method) => method.key(),
        }
    }
}

impl From<MethodName> for MethodLabel {
    fn from(method: MethodName) -> MethodLabel {
        MethodLabel::Method(method)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.draw {
            None => formatter.write_str(&self.name),
            Some(draw) => write!(formatter, "{}#{draw}", self.name),
        }
    }
}

impl fmt::Display for MethodLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MethodLabel::Endpoints => formatter.write_str(ENDPOINTS),
            MethodLabel::Method(method) => method.fmt(formatter),
        }
    }
}

impl FromStr for MethodLabel {
    type Err = ();

    fn from_str(text: &str) -> Result<MethodLabel, ()> {
        match text.split_once('#') {
            _ if text == ENDPOINTS => Ok(MethodLabel::Endpoints),
            _ if text.is_empty() => Err(()),
            Some((name, draw)) => Ok(MethodLabel::Method(MethodName { name: name.to_owned(), draw: Some(draw.parse().map_err(|_| ())?) })),
            None => Ok(MethodLabel::method(text)),
        }
    }
}

impl Ord for MethodLabel {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for MethodLabel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for MethodLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text_column!(MethodLabel, "the name of a method");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_back_as_it_is_written() {
        for text in ["endpoints", "git-re-basin", "git-re-basin#3"] {
            assert_eq!(text.parse::<MethodLabel>().unwrap().to_string(), text);
        }
        assert!("git-re-basin#x".parse::<MethodLabel>().is_err());
    }

    #[test]
    fn labels_are_ordered_as_their_texts() {
        let mut texts = ["c2m3", "a#2", "a#10", "endpoints", "a", "a-b", "naive"];
        let mut labels = texts.map(|text| text.parse::<MethodLabel>().unwrap());
        texts.sort_unstable();
        labels.sort();
        assert_eq!(labels.map(|label| label.to_string()), texts);
    }
}
