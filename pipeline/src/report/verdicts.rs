//! Our figures beside the reported ones, and what is to be said of each.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::markdown::figure;
use super::notes::Notes;
use super::summary::SummaryRow;
use crate::drawing::{MethodRow, method_rank};

/// A table of every cell with a reported figure, then the sources; nothing where there is none.
pub(super) fn verdicts(cells: &[&SummaryRow], methods: &[MethodRow], deviating: bool, notes: &Notes) -> String {
    let mut compared: Vec<&&SummaryRow> = cells.iter().filter(|cell| cell.reported.is_some()).collect();
    if compared.is_empty() {
        return String::new();
    }
    compared.sort_by_key(|cell| (method_rank(methods, cell.method.name()), cell.method.draw()));
    let mut text = "\nBeside the reported figures:\n\n| method | models | metric | split | ours | reported | verdict |\n\
                    | --- | ---: | --- | --- | ---: | ---: | --- |\n"
        .to_owned();
    for cell in &compared {
        let [ours, reported] = [cell.summary.mean, cell.reported.unwrap_or_default()].map(|value| figure(cell.metric, value));
        let verdict = short(&cell.verdict, deviating);
        let (method, mark) = (&cell.method, notes.marks_of(cell.models));
        let _ = writeln!(text, "| {method}{mark} | {} | {} | {} | {ours} | {reported} | {verdict} |", cell.models, cell.metric, cell.split);
    }
    let sources: BTreeSet<&str> = compared.iter().map(|cell| cell.source.as_str()).collect();
    text.push_str("\nSources:\n\n");
    for source in sources {
        let _ = writeln!(text, "- {source}");
    }
    text
}

/// A verdict as a cell of a table: what differs in a pair is listed once, above.
pub(super) fn short(verdict: &str, deviating: bool) -> &str {
    if deviating && !verdict.starts_with("comparable") { "not comparable: other settings" } else { verdict }
}
