//! `table.md`: the table as a person reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::differences::{DifferenceRow, Differences};
use super::interchangeable;
use super::main_columns::{Column, Column::Figure, Column::Kept, columns, explained};
use super::notes::Notes;
use super::orderings::{Order, Place};
use super::over_time;
use super::summary::{Leaders, SummaryRow, merges};
use super::tabulate::Known;
use super::to_lose;
use super::trends::{along_models, along_widths};
use super::verdicts::verdicts;
use crate::comparison::{Comparison, Deviation};
use crate::drawing::{MethodRow, method_rank};
use crate::gaps::INCOMPLETE;
use crate::identity::{MethodLabel, Part};
use crate::measurements;
use crate::number;
use crate::spec::Lost;
use crate::table::Tables;

/// Writes the cells as Markdown: a table a pair, in the order of the spec, one over the number of models where it varies, then verdicts
/// with their sources.
pub fn render(cells: &[SummaryRow], tables: &Tables, known: &Known) -> String {
    let Known { title, architectures, methods, comparison, lost, origin, .. } = known;
    let mut text = format!("# {title}\n");
    if !origin.is_empty() {
        let _ = write!(text, "\nRun with {origin}.\n");
    }
    if !lost.is_empty() {
        let _ = write!(text, "\n{INCOMPLETE}: these have no rows, because a stage failed.\n\n");
        for Lost { pair, method, stage } in lost {
            let method = method.as_ref().map_or_else(String::new, |method| format!(", {method}"));
            let _ = writeln!(text, "- {pair}{method}: `{stage}`");
        }
    }
    let differences = Differences::new(tables.of::<DifferenceRow>());
    let leaders = Leaders::of(cells, methods);
    for pair in architectures.iter().map(|row| &row.pair) {
        let cells: Vec<&SummaryRow> = cells.iter().filter(|cell| cell.pair == *pair).collect();
        if cells.is_empty() {
            continue;
        }
        let stand_in = comparison.stood_in_for(pair).map_or_else(String::new, |other| format!(", standing in for {other}"));
        let _ = write!(text, "\n## {}{stand_in}, {}\n\n", pair.dataset, pair.architecture);
        let found = comparison.deviations_of(pair);
        let deviating = !found.is_empty();
        text.push_str(&deviations(found, comparison.profile.is_some()));
        let notes = Notes::of(pair, tables, known);
        text.push_str(&order_of_methods(&cells, comparison, &differences, &notes));
        let lost: Vec<&Lost> = lost.iter().filter(|lost| lost.pair == *pair && lost.method.is_some()).collect();
        let best = Best { leaders: &leaders, differences: &differences };
        text.push_str(&main_table(&cells, tables, known, &best, &notes, &lost));
        text.push_str(&over_models(&cells, methods, &best, &notes));
        text.push_str(&along_models(&cells, methods, &differences));
        for measurement in measurements::ALL {
            text.push_str(&measurement.section(tables, pair, notes.unlearned()));
        }
        text.push_str(&verdicts(&cells, methods, deviating, &notes));
        text.push_str(&over_time::section(tables, pair, methods, deviating, &notes));
    }
    text.push_str(&along_widths(cells, architectures, methods, &differences));
    if !comparison.differs.is_empty() {
        let _ = write!(text, "\nNo cell is compared with a reported one: {}.\n", comparison.differs);
    }
    text
}

/// How the settings differ from the published ones, where there are such; without any, data may be others than their name says.
fn deviations(found: &[Deviation], are_published: bool) -> String {
    if found.is_empty() {
        return String::new();
    }
    let head =
        if are_published { "At other settings than the published ones, whose figures it cannot match" } else { "Not what the names say" };
    let mut text = format!("{head}:\n\n");
    for deviation in found {
        let _ = writeln!(text, "- {deviation}");
    }
    text.push('\n');
    text
}

/// Of a pair of data set and architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Most {
    /// How many models there are.
    models: usize,
    /// The most that are merged; all, where nothing is merged.
    merged: usize,
}

impl Most {
    fn of(cells: &[&SummaryRow]) -> Most {
        let models = cells.iter().map(|cell| cell.models).max().unwrap_or_default();
        let is_merged = |cell: &&&SummaryRow| !cell.method.is_endpoints() && cell.metric == "accuracy";
        let merged = cells.iter().filter(is_merged).map(|cell| cell.models).max().unwrap_or(models);
        Most { models, merged }
    }

    /// The cells of the main table: those of all models, and of the most merged where these are fewer.
    fn of_table<'a>(self, cells: &[&'a SummaryRow]) -> Vec<&'a SummaryRow> {
        let is_shown = |cell: &&SummaryRow| cell.models == self.models || !cell.method.is_endpoints() && cell.models == self.merged;
        cells.iter().copied().filter(is_shown).collect()
    }

    fn sentence(self) -> String {
        let Most { models, merged } = self;
        let of = if merged < models { format!(", {merged} of them merged") } else { String::new() };
        format!("{models} model{}{of}. `endpoints`: mean of the models before merging.", if models == 1 { "" } else { "s" })
    }
}

/// What becomes of the reported order of methods, of all models merged. Where end points did not learn, an order says nothing.
fn order_of_methods(cells: &[&SummaryRow], comparison: &Comparison, differences: &Differences<'_>, notes: &Notes) -> String {
    let largest: Vec<&SummaryRow> = Most::of(cells).of_table(cells).into_iter().filter(|cell| !notes.is_marked(&cell.method)).collect();
    let places = largest.iter().filter_map(|cell| Place::of(cell)).filter(|place| !comparison.is_interchangeable(&place.name));
    let mut text = Order::of(places.collect(), differences).map_or_else(String::new, |order| order.sentence() + "\n\n");
    text.push_str(&interchangeable::sentences(&largest, comparison, differences));
    text
}

/// The methods of some cells, in the order of the spec, the end points first.
fn in_order<'a>(cells: &[&'a SummaryRow], methods: &[MethodRow]) -> Vec<&'a MethodLabel> {
    let labels: BTreeSet<(usize, Option<usize>, &MethodLabel)> =
        cells.iter().map(|cell| (method_rank(methods, cell.method.name()), cell.method.draw(), &cell.method)).collect();
    labels.into_iter().map(|(.., label)| label).collect()
}

/// A cell of a table for people: the figure and what follows it.
#[derive(Clone, Debug, Default)]
struct Cell {
    figure: String,
    rest: String,
    /// What compares it with others of its column, where it takes part in the comparison: the greater, the better.
    rank: Option<f64>,
    /// Whether a test was made between it and the best of its column; whether it tells them apart.
    told_apart: Option<bool>,
}

/// The best cell of each column, and which others may be as good.
struct Best<'a> {
    leaders: &'a Leaders<'a>,
    differences: &'a Differences<'a>,
}

impl Best<'_> {
    /// Whether a cell is told apart from the best of its column; `None` where no test was made.
    fn told_apart(&self, cell: &SummaryRow) -> Option<bool> {
        let leader = self.leaders.of_column(cell).filter(|_| cell.split == Part::Test)?;
        self.differences.told_apart(cell.metric, &cell.side(), &leader.side())
    }
}

impl Cell {
    /// Mean, spread over replicates, reported value: `0.9812 ± 0.0010 [0.9832]`.
    fn of(cell: &SummaryRow, takes_part: bool, best: &Best<'_>) -> Cell {
        let figure = figure(cell.metric, cell.summary.mean);
        let mut rest = String::new();
        if let Some(deviation) = cell.summary.deviation {
            let _ = write!(rest, " ± {}", number::spread(deviation));
        }
        if let Some(reported) = cell.reported {
            let _ = write!(rest, " [{}]", self::figure(cell.metric, reported));
        }
        let sign = if cell.metric == "accuracy" { 1.0 } else { -1.0 };
        let rank = figure.parse::<f64>().ok().filter(|_| takes_part).map(|value| sign * value);
        Cell { figure, rest, rank, told_apart: best.told_apart(cell).filter(|_| takes_part) }
    }
}

/// A figure of a metric.
pub(super) fn figure(metric: &str, value: f64) -> String {
    if metric == "accuracy" { number::share(value) } else { number::shown(value) }
}

/// A column in which the best cells are bold: all that are equal in the digits shown, or not told apart from the best by a test. Without a test
/// none where all are.
fn with_best(column: Vec<Cell>) -> Vec<String> {
    let is_tested = column.iter().any(|cell| cell.told_apart.is_some());
    let best = column.iter().filter_map(|cell| cell.rank).fold(f64::NEG_INFINITY, f64::max);
    let is_best = |cell: &Cell| cell.rank.is_some_and(|rank| rank == best) || cell.told_apart == Some(false);
    let tells_apart = column.iter().any(|cell| cell.rank.is_some() && !is_best(cell));
    let text = |cell: Cell| {
        if (tells_apart || is_tested) && is_best(&cell) {
            format!("**{}**{}", cell.figure, cell.rest)
        } else {
            format!("{}{}", cell.figure, cell.rest)
        }
    };
    column.into_iter().map(text).collect()
}

/// A Markdown table: names of rows, then columns of numbers with their headings.
fn table(names: &[String], columns: &[(String, Vec<String>)]) -> String {
    let mut text = "| method |".to_owned();
    columns.iter().for_each(|(heading, _)| text.push_str(&format!(" {heading} |")));
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(columns.len()));
    for (row, name) in names.iter().enumerate() {
        let _ = write!(text, "\n| {name} |");
        columns.iter().for_each(|(_, cells)| text.push_str(&format!(" {} |", cells[row])));
    }
    text.push('\n');
    text
}

fn main_table(cells: &[&SummaryRow], tables: &Tables, known: &Known, best: &Best<'_>, notes: &Notes, lost: &[&Lost]) -> String {
    let Known { methods, barriers, .. } = known;
    let most = Most::of(cells);
    let cells = most.of_table(cells);
    let labels = in_order(&cells, methods);
    let find = |label: &MethodLabel, metric: &str, split: Part| {
        cells.iter().find(|cell| cell.method == *label && cell.metric == metric && cell.split == split)
    };
    let cell = |label: &MethodLabel, column: Column| -> Option<Cell> {
        match column {
            Figure(metric, split) => {
                find(label, metric, split).map(|cell| Cell::of(cell, merges(label, methods) && notes.takes_part(label, metric), best))
            }
            Kept(_) if label.is_endpoints() => None,
            Kept(split) => {
                let [merged, ends] = [label, &MethodLabel::Endpoints].map(|label| find(label, "accuracy", split));
                let share = merged?.summary.mean / ends?.summary.mean;
                share.is_finite().then(|| Cell { figure: number::fixed(share, 3), ..Cell::default() })
            }
            Column::Lost(over, split) => {
                let share = to_lose::share(&cells.first()?.pair, label, split, over, tables)?;
                Some(Cell { figure: number::fixed(share, 3), ..Cell::default() })
            }
        }
    };
    let columns: Vec<(String, Vec<Option<Cell>>)> = columns(barriers)
        .into_iter()
        .map(|(heading, column)| (heading, labels.iter().map(|label| cell(label, column)).collect::<Vec<_>>()))
        .filter(|(_, column)| column.iter().any(Option::is_some))
        .collect();
    let is_tested = columns.iter().flat_map(|(_, column)| column).flatten().any(|cell| cell.told_apart.is_some());
    let columns: Vec<(String, Vec<String>)> = columns
        .into_iter()
        .map(|(heading, column)| (heading, with_best(column.into_iter().map(Option::unwrap_or_default).collect())))
        .collect();
    let names: Vec<String> = labels.iter().map(|label| format!("{label}{}", notes.marks(label))).collect();
    let has = |of: fn(&SummaryRow) -> bool| cells.iter().any(|cell| of(cell));
    let has_bold = columns.iter().any(|(_, column)| column.iter().any(|cell| cell.starts_with("**")));
    let shows = |start: &str| columns.iter().any(|(heading, _)| heading.starts_with(start));
    let mut text = most.sentence();
    for (said, sentence) in [
        (has(|cell| cell.metric == "barrier_line"), &*explained(barriers)),
        (
            shows("barrier / "),
            "`barrier / to lose`: the barrier over ln K less the end losses, for K classes; at 1 the models guess between.",
        ),
        (has(|cell| !cell.method.is_endpoints()), "`merged / ends`: accuracy as a share of that of the end points."),
        (has_bold && !is_tested, "Bold: the best merged model."),
        (has_bold && is_tested, "Bold: the best merged model; in accuracy and loss on test, with all that are not told apart from it."),
        (has(|cell| cell.summary.deviation.is_some()), "±: standard deviation over replicates."),
        (has(|cell| cell.reported.is_some()), "In brackets: the reported figure."),
    ] {
        if said {
            let _ = write!(text, " {sentence}");
        }
    }
    let mut rows = table(&names, &columns);
    for Lost { method, .. } in lost {
        let _ = writeln!(rows, "| {} | failed |{}", method.as_deref().unwrap_or_default(), " |".repeat(columns.len().saturating_sub(1)));
    }
    format!("{text}\n\n{rows}{}", notes.text())
}

fn over_models(cells: &[&SummaryRow], methods: &[MethodRow], best: &Best<'_>, notes: &Notes) -> String {
    let accuracies = || cells.iter().copied().filter(|cell| !cell.method.is_endpoints() && cell.metric == "accuracy");
    let split = if accuracies().any(|cell| cell.split == Part::Test) { Part::Test } else { Part::Train };
    let merged: Vec<&SummaryRow> = accuracies().filter(|cell| cell.split == split).collect();
    let counts: BTreeSet<usize> = merged.iter().map(|cell| cell.models).collect();
    if counts.len() < 2 {
        return String::new();
    }
    let labels = in_order(&merged, methods);
    let column = |count: usize| {
        let of = |label: &&MethodLabel| merged.iter().find(|cell| cell.method == **label && cell.models == count);
        let cells = labels.iter().map(|label| {
            of(label).map_or_else(Cell::default, |cell| Cell::of(cell, merges(label, methods) && !notes.is_chance(label), best))
        });
        (format!("{count}{}", notes.marks_of(count)), with_best(cells.collect()))
    };
    let columns: Vec<(String, Vec<String>)> = counts.into_iter().map(column).collect();
    let names: Vec<String> = labels.iter().map(ToString::to_string).collect();
    let of = if split == Part::Test { "Test" } else { "Train" };
    format!("\n{of} accuracy by the number of models merged:\n\n{}", table(&names, &columns))
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
