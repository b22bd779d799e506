//! `table.md`: the table as a person reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::architectures::ArchitectureRow;
use super::orderings::ordering;
use super::summary::SummaryRow;
use super::trends::{along_models, along_widths};
use crate::comparison::Comparison;
use crate::identity::{MethodLabel, PairName, Part};
use crate::measurements;
use crate::spec::Lost;
use crate::table::Tables;

/// The columns of the main table: heading, metric, split.
const COLUMNS: [(&str, &str, Part); 6] = [
    ("accuracy, train", "accuracy", Part::Train),
    ("accuracy, test", "accuracy", Part::Test),
    ("loss, train", "loss", Part::Train),
    ("loss, test", "loss", Part::Test),
    ("barrier, train", "barrier_line", Part::Train),
    ("barrier, test", "barrier_line", Part::Test),
];

/// Writes the cells as Markdown: a table a pair, one over the number of models where it varies, then verdicts with their sources.
pub fn render(
    title: &str,
    origin: &str,
    cells: &[SummaryRow],
    tables: &Tables,
    architectures: &[ArchitectureRow],
    comparison: &Comparison,
    lost: &[Lost],
) -> String {
    let mut text = format!("# {title}\n");
    if !origin.is_empty() {
        let _ = write!(text, "\nRun with {origin}.\n");
    }
    if !lost.is_empty() {
        text.push_str("\n**Incomplete**: these have no rows, because a stage failed.\n\n");
        for Lost { pair, method, stage } in lost {
            let method = method.as_ref().map_or_else(String::new, |method| format!(", {method}"));
            let _ = writeln!(text, "- {pair}{method}: `{stage}`");
        }
    }
    let pairs: BTreeSet<&PairName> = cells.iter().map(|cell| &cell.pair).collect();
    for pair in pairs {
        let cells: Vec<&SummaryRow> = cells.iter().filter(|cell| cell.pair == *pair).collect();
        let stand_in = comparison.stood_in_for(pair).map_or_else(String::new, |other| format!(", standing in for {other}"));
        let _ = write!(text, "\n## {}{stand_in}, {}\n\n", pair.dataset, pair.architecture);
        let found = comparison.deviations_of(pair);
        let deviating = !found.is_empty();
        text.push_str(&deviations(found, &cells));
        let lost: Vec<&Lost> = lost.iter().filter(|lost| lost.pair == *pair && lost.method.is_some()).collect();
        text.push_str(&main_table(&cells, &lost));
        text.push_str(&over_models(&cells));
        text.push_str(&along_models(&cells));
        for measurement in measurements::ALL {
            text.push_str(&measurement.section(tables, pair));
        }
        text.push_str(&verdicts(&cells, deviating));
    }
    text.push_str(&along_widths(cells, architectures));
    if !comparison.differs.is_empty() {
        let _ = write!(text, "\nNo cell is compared with a reported one: {}.\n", comparison.differs);
    }
    text
}

/// How the settings differ from the published ones, and whether the published order of methods holds all the same.
fn deviations(found: &[String], cells: &[&SummaryRow]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut text = "At other settings than the published ones, whose figures it cannot match:\n\n".to_owned();
    for deviation in found {
        let _ = writeln!(text, "- {deviation}");
    }
    text.push('\n');
    let most = cells.iter().map(|cell| cell.models).max().unwrap_or_default();
    let largest: Vec<&SummaryRow> = cells.iter().copied().filter(|cell| cell.models == most).collect();
    if let Some(order) = ordering(&largest) {
        let names: Vec<&str> = order.methods.iter().map(|(name, ..)| name.as_str()).collect();
        let held = order.ordered - order.reversed.len();
        let _ = write!(
            text,
            "Reported order by test accuracy: {}. Of the pairs of methods that it tells apart, {held} of {} come in the same order here",
            names.join(", "),
            order.ordered
        );
        for (place, (better, worse)) in order.reversed.iter().enumerate() {
            let _ = write!(text, "{} {better} before {worse}", if place == 0 { "; not:" } else { "," });
        }
        text.push_str(".\n\n");
    }
    text
}

fn main_table(cells: &[&SummaryRow], lost: &[&Lost]) -> String {
    let most = cells.iter().map(|cell| cell.models).max().unwrap_or_default();
    let cells: Vec<&&SummaryRow> = cells.iter().filter(|cell| cell.models == most).collect();
    let columns: Vec<_> =
        COLUMNS.iter().filter(|(_, metric, split)| cells.iter().any(|cell| cell.metric == *metric && cell.split == *split)).collect();
    let methods: BTreeSet<(bool, &MethodLabel)> = cells.iter().map(|cell| (!cell.method.is_endpoints(), &cell.method)).collect();
    let mut text = format!(
        "{most} models. In brackets: the reported figure. Barrier: over the straight line between the end losses, mean over pairs.\n\n| method |"
    );
    for (heading, ..) in &columns {
        let _ = write!(text, " {heading} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(columns.len()));
    for (_, method) in methods {
        let _ = write!(text, "\n| {method} |");
        for (_, metric, split) in &columns {
            let cell = cells.iter().find(|cell| cell.method == *method && cell.metric == *metric && cell.split == *split);
            let _ = write!(text, " {} |", cell.map_or_else(String::new, |cell| figure(cell)));
        }
    }
    for Lost { method, .. } in lost {
        let _ = write!(text, "\n| {} | failed |{}", method.as_deref().unwrap_or_default(), " |".repeat(columns.len().saturating_sub(1)));
    }
    text.push('\n');
    text
}

/// Mean, spread over replicates, reported value: `0.9812 ± 0.0010 [0.9832]`.
fn figure(cell: &SummaryRow) -> String {
    let mut text = format!("{:.4}", cell.summary.mean);
    if let Some(deviation) = cell.summary.deviation {
        let _ = write!(text, " ± {deviation:.4}");
    }
    if let Some(reported) = cell.reported {
        let _ = write!(text, " [{reported:.4}]");
    }
    text
}

fn over_models(cells: &[&SummaryRow]) -> String {
    let merged: Vec<&&SummaryRow> =
        cells.iter().filter(|cell| !cell.method.is_endpoints() && cell.metric == "accuracy" && cell.split == Part::Test).collect();
    let counts: BTreeSet<usize> = merged.iter().map(|cell| cell.models).collect();
    if counts.len() < 2 {
        return String::new();
    }
    let methods: BTreeSet<&MethodLabel> = merged.iter().map(|cell| &cell.method).collect();
    let mut text = "\nTest accuracy by the number of models merged:\n\n| method |".to_owned();
    for count in &counts {
        let _ = write!(text, " {count} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(counts.len()));
    for method in methods {
        let _ = write!(text, "\n| {method} |");
        for count in &counts {
            let cell = merged.iter().find(|cell| cell.method == *method && cell.models == *count);
            let _ = write!(text, " {} |", cell.map_or_else(String::new, |cell| figure(cell)));
        }
    }
    text.push('\n');
    text
}

fn verdicts(cells: &[&SummaryRow], deviating: bool) -> String {
    let compared: Vec<&&SummaryRow> = cells.iter().filter(|cell| cell.reported.is_some()).collect();
    if compared.is_empty() {
        return String::new();
    }
    let mut text = "\nBeside the reported figures:\n\n| method | models | metric | split | ours | reported | verdict |\n\
                    | --- | ---: | --- | --- | ---: | ---: | --- |\n"
        .to_owned();
    for cell in &compared {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.4} | {:.4} | {} |",
            cell.method,
            cell.models,
            cell.metric,
            cell.split,
            cell.summary.mean,
            cell.reported.unwrap_or_default(),
            if deviating { "not comparable: other settings" } else { &cell.verdict }
        );
    }
    let sources: BTreeSet<&str> = compared.iter().map(|cell| cell.source.as_str()).collect();
    text.push_str("\nSources:\n\n");
    for source in sources {
        let _ = writeln!(text, "- {source}");
    }
    text
}
