//! What is wrong with a spec, where, and what to do about it.

use std::fmt;

/// A fault in a spec, or in a layer over it.
///
/// Its text says what is wrong, then where (`-->`), with the line, then one `hint:` per remedy.
#[derive(Debug)]
pub struct SpecError {
    message: String,
    place: Option<Box<Excerpt>>,
    hints: Vec<String>,
}

/// A place in a file, or a layer that has no lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The file, or the name of the layer.
    pub file: String,
    /// Line and column, from 1.
    pub position: Option<(usize, usize)>,
    /// The line itself.
    pub line: String,
    /// How many characters of it are meant.
    pub width: usize,
    /// The layer, when it is not the plain spec: ``profile `cpu` ``.
    pub layer: Option<String>,
}

impl Excerpt {
    /// A file, or a layer, as a whole.
    pub fn file(name: &str) -> Excerpt {
        Excerpt { file: name.to_owned(), ..Excerpt::default() }
    }
}

impl SpecError {
    /// A fault; library messages may bring their own `hint:` lines.
    pub fn new(message: impl Into<String>) -> SpecError {
        let message = message.into();
        let (hints, lines): (Vec<&str>, Vec<&str>) = message.lines().partition(|line| line.trim_start().starts_with("hint:"));
        let hints = hints.into_iter().map(|hint| hint.trim_start().trim_start_matches("hint:").trim().to_owned()).collect();
        SpecError { message: lines.join("\n"), place: None, hints }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Excerpt) -> SpecError {
        self.place = Some(Box::new(place));
        self
    }

    /// Adds a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> SpecError {
        self.hints.push(hint.into());
        self
    }

    /// Adds "did you mean", or the list of what is known.
    #[must_use]
    pub fn known<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> SpecError {
        let known: Vec<&str> = known.into_iter().collect();
        let quoted = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match onebasin_network::did_you_mean(wrong, known.iter().copied()) {
            Some(likely) if known.len() > 12 => self.hint(format!("did you mean `{likely}`?")),
            Some(likely) => self.hint(format!("did you mean `{likely}`? expected one of {quoted}")),
            None if known.is_empty() => self.hint("none is known here"),
            None => self.hint(format!("expected one of {quoted}")),
        }
    }

    /// What is wrong, without place and hints.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Whether a place is given already.
    pub(super) fn is_placed(&self) -> bool {
        self.place.is_some()
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(formatter, "\n  --> {}", place.file)?;
            if let Some((line, column)) = place.position {
                write!(formatter, ":{line}:{column}")?;
            }
            if let Some(layer) = &place.layer {
                write!(formatter, " ({layer})")?;
            }
            if let Some((number, column)) = place.position {
                let number = number.to_string();
                let margin = " ".repeat(number.len());
                write!(formatter, "\n{margin} |\n{number} | {}\n{margin} | ", place.line)?;
                // Tabs stay tabs, so that the marks stand under what they mark.
                let indent: String = place.line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                write!(formatter, "{indent}{}", "^".repeat(place.width))?;
            }
        }
        for hint in &self.hints {
            write!(formatter, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}

/// A library's error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
