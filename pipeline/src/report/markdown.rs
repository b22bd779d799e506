//! `table.md`: the table as a person reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::ArchitectureRow;
use super::orderings::ordering;
use super::pairwise::{PairwiseRow, section};
use super::reported::Comparison;
use super::rows::{Pair, Rows};
use super::summary::{ENDPOINTS, SummaryRow};
use super::trends::{along_models, along_widths};

/// The columns of the main table: heading, metric, split.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("accuracy, train", "accuracy", "train"),
    ("accuracy, test", "accuracy", "test"),
    ("loss, train", "loss", "train"),
    ("loss, test", "loss", "test"),
    ("barrier, train", "barrier_line", "train"),
    ("barrier, test", "barrier_line", "test"),
];

/// Writes the cells as Markdown: a table a pair, one over the number of models where it varies, then verdicts with their sources.
pub fn render(
    title: &str,
    cells: &[SummaryRow],
    rows: &Rows,
    pairwise: &[PairwiseRow],
    architectures: &[ArchitectureRow],
    comparison: &Comparison,
    missing: &[String],
) -> String {
    let mut text = format!("# {title}\n");
    if !missing.is_empty() {
        text.push_str("\n**Incomplete**: these pairs have no rows, because a stage of theirs failed.\n\n");
        missing.iter().for_each(|missing| text.push_str(&format!("- {missing}\n")));
    }
    let pairs: BTreeSet<&Pair> = cells.iter().map(|cell| &cell.pair).collect();
    for pair in pairs {
        let cells: Vec<&SummaryRow> = cells.iter().filter(|cell| cell.pair == *pair).collect();
        let stand_in = comparison
            .stood_in_for(&pair.dataset, &pair.architecture)
            .map_or_else(String::new, |other| format!(", standing in for {other}"));
        let _ = write!(text, "\n## {}{stand_in}, {}\n\n", pair.dataset, pair.architecture);
        let found = comparison.deviations_of(&pair.dataset, &pair.architecture);
        let deviating = !found.is_empty();
        text.push_str(&deviations(found, &cells));
        text.push_str(&main_table(&cells));
        text.push_str(&over_models(&cells));
        text.push_str(&along_models(&cells));
        text.push_str(&subsets(pair, rows));
        text.push_str(&section(pairwise, pair));
        text.push_str(&alignments(pair, rows));
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

fn main_table(cells: &[&SummaryRow]) -> String {
    let most = cells.iter().map(|cell| cell.models).max().unwrap_or_default();
    let cells: Vec<&&SummaryRow> = cells.iter().filter(|cell| cell.models == most).collect();
    let columns: Vec<_> =
        COLUMNS.iter().filter(|(_, metric, split)| cells.iter().any(|cell| cell.metric == *metric && cell.split == *split)).collect();
    let mut methods: Vec<&str> = cells.iter().map(|cell| cell.method.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    methods.sort_by_key(|method| (*method != ENDPOINTS, *method));
    let mut text = format!(
        "{most} models. In brackets: the reported figure. Barrier: over the straight line between the end losses, mean over pairs.\n\n| method |"
    );
    for (heading, ..) in &columns {
        let _ = write!(text, " {heading} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(columns.len()));
    for method in methods {
        let _ = write!(text, "\n| {method} |");
        for (_, metric, split) in &columns {
            let cell = cells.iter().find(|cell| cell.method == method && cell.metric == *metric && cell.split == *split);
            let _ = write!(text, " {} |", cell.map_or_else(String::new, |cell| figure(cell)));
        }
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
        cells.iter().filter(|cell| cell.method != ENDPOINTS && cell.metric == "accuracy" && cell.split == "test").collect();
    let counts: BTreeSet<usize> = merged.iter().map(|cell| cell.models).collect();
    if counts.len() < 2 {
        return String::new();
    }
    let methods: BTreeSet<&str> = merged.iter().map(|cell| cell.method.as_str()).collect();
    let mut text = "\nTest accuracy by the number of models merged:\n\n| method |".to_owned();
    for count in &counts {
        let _ = write!(text, " {count} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(counts.len()));
    for method in methods {
        let _ = write!(text, "\n| {method} |");
        for count in &counts {
            let cell = merged.iter().find(|cell| cell.method == method && cell.models == *count);
            let _ = write!(text, " {} |", cell.map_or_else(String::new, |cell| figure(cell)));
        }
    }
    text.push('\n');
    text
}

/// Merges of chosen models: by their number, the mean and the range over the choices.
fn subsets(pair: &Pair, rows: &Rows) -> String {
    let of_pair: Vec<_> = rows.others.subsets().iter().filter(|row| row.key.pair == *pair).collect();
    let split = if of_pair.iter().any(|row| row.split == "test") { "test" } else { "train" };
    let mut accuracies: BTreeMap<(&str, usize, &str), Vec<f64>> = BTreeMap::new();
    for row in of_pair.iter().filter(|row| row.split == split) {
        accuracies.entry((&row.key.method, row.models, row.matched)).or_default().push(row.accuracy);
    }
    if accuracies.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nSubsets of the models merged, {split} accuracy over the subsets. Apart: each matched on its own; jointly: all models matched, \
         then a subset averaged.\n\n| method | models | matched | merges | mean | least | greatest |\n\
         | --- | ---: | --- | ---: | ---: | ---: | ---: |\n"
    );
    for ((method, models, matched), values) in accuracies {
        let (least, greatest) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
        let (count, mean) = (values.len(), values.iter().sum::<f64>() / values.len() as f64);
        let _ = writeln!(text, "| {method} | {models} | {matched} | {count} | {mean:.4} | {least:.4} | {greatest:.4} |");
    }
    text
}

fn alignments(pair: &Pair, rows: &Rows) -> String {
    let mut worst: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in rows.matching.iter().filter(|row| row.pair == *pair) {
        let (cycle, function) = worst.entry(&row.method).or_default();
        *cycle = row.cycle_error.max(*cycle);
        *function = row.function_error.max(*function);
    }
    if worst.is_empty() {
        return String::new();
    }
    let mut text =
        "\nLargest errors of the alignments: how far a model mapped around a cycle of models comes back from itself, and how far \
                    a permuted model's outputs lie from its own.\n\n| method | cycle error | function error |\n| --- | ---: | ---: |\n"
            .to_owned();
    for (method, (cycle, function)) in worst {
        let [cycle, function] = [cycle, function].map(|error| if error == 0.0 { "0".to_owned() } else { format!("{error:.1e}") });
        let _ = writeln!(text, "| {method} | {cycle} | {function} |");
    }
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
