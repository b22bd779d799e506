//! Colour for the words that should stand out. It only repeats what the words say.

use std::io::{IsTerminal, stderr, stdout};
use std::sync::OnceLock;

use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};

static CHOICE: OnceLock<ColorChoice> = OnceLock::new();

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Says once what the command line asks for. Until then nothing is coloured.
pub(super) fn choose(choice: ColorChoice) {
    let _ = CHOICE.set(choice);
}

fn is_on(stream: Stream) -> bool {
    let terminal = match stream {
        Stream::Output => stdout().is_terminal(),
        Stream::Error => stderr().is_terminal(),
    };
    let asked = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match CHOICE.get() {
        Some(ColorChoice::Always) => true,
        Some(ColorChoice::Auto) => terminal && asked("NO_COLOR").is_none() && asked("TERM").is_none_or(|term| term != "dumb"),
        Some(ColorChoice::Never) | None => false,
    }
}

/// The colour of a word that stands before a line; none for good news.
fn style(word: &str) -> Option<Style> {
    match word.trim() {
        "FAILED" | "DAMAGED" | "OUT" | "DIFFERENT" | "MISSING" | "UNREADABLE" | "error:" => Some(AnsiColor::Red.on_default().bold()),
        "SKIPPED" | "STALE" | "REPLACES" | "STOPPED" | "STOPPING" | "WAITING" | "WARNING" | "AGAIN" | "MEMORY" | "LATER" | "CANCELLED"
        | "DEVIATES" | "STANDS IN" | "warning:" => Some(AnsiColor::Yellow.on_default().bold()),
        "hint:" => Some(AnsiColor::Cyan.on_default().bold()),
        _ => None,
    }
}

/// A word, padded or not, in its colour.
pub(super) fn word(word: &str, stream: Stream) -> String {
    match style(word).filter(|_| is_on(stream)) {
        Some(style) => format!("{style}{word}{style:#}"),
        None => word.to_owned(),
    }
}

/// A text in which characters that steer a terminal, from the name of a file for example, are written as JSON writes them.
///
/// Line ends and tabs stay, and so do the colours of [`word`] where they are shown.
pub(super) fn harmless(text: &str, stream: Stream) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return text.to_owned();
    }
    let styles = ["error:", "warning:", "hint:"].into_iter().filter_map(style).filter(|_| is_on(stream));
    let colours: Vec<String> = styles.flat_map(|style| [style.render().to_string(), style.render_reset().to_string()]).collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let own = colours.iter().find(|colour| rest.starts_with(colour.as_str()));
        let length = own.map_or(first.len_utf8(), String::len);
        if own.is_none() && steers(first) {
            out.push_str(&format!("\\u{:04x}", u32::from(first)));
        } else {
            out.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    out
}

/// A text whose lines begin with `error:`, `warning:` or `hint:`.
pub(super) fn message(text: &str, stream: Stream) -> String {
    let paint = |line: &str| match ["error:", "warning:", "hint:"].into_iter().find(|lead| line.starts_with(lead)) {
        Some(lead) => format!("{}{}", word(lead, stream), &line[lead.len()..]),
        None => line.to_owned(),
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_steer_a_terminal_are_written_out_and_json_stays_json() {
        let text = harmless("a\u{1b}[2J\r\u{7}\u{9b}b\n\tc", Stream::Error);
        assert_eq!(text, "a\\u001b[2J\\u000d\\u0007\\u009bb\n\tc");
        let json = serde_json::to_string("a\u{7f}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&harmless(&json, Stream::Output)).unwrap(), "a\u{7f}");
    }
}
