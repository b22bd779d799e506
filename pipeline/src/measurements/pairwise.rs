//! Barriers and middles of the lines between two models, over pairs of models, draws of the matching and replicates: `pairwise.csv`, a
//! picture of means and deviations, a section of `table.md`.
//!
//! Source: C²M³ (arXiv 2405.17897), tables 3 to 6 and figure 4: mean and deviation over pairs of models and seeds of the matching.

mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};
use onebasin_matching::barrier;

use super::Measurement;
use super::barriers::BarrierRow;
use super::draws::middle;
use crate::drawing::{Canvas, list, method_rank};
use crate::identity::{MethodLabel, PairName, Part};
use crate::number;
use crate::plan::PairPlanner;
use crate::spec::{Asked, SpecError};
use crate::statistics::Summary;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

/// The measurement: it summarises barriers and has no stages.
pub struct Pairwise;

/// Losses of one function that differ by less than this share differ by rounding alone.
const ROUNDING: f64 = 1e-4;

row! {
    /// A method on a split: a row of `pairwise.csv`. A line counts once, whichever its pair of models, draw and replicate.
    struct PairwiseRow in "pairwise.csv", order |a, b| {
        (&a.pair, &a.method, a.split.name()).cmp(&(&b.pair, &b.method, b.split.name()))
    };
    {
        pair: PairName,
        method: MethodLabel,
        split: Part,
        pairs: usize,
        draws: usize,
        replicates: usize,
        /// Over the mean of the end losses.
        barrier_mean: f64,
        barrier_mean_sd: Option<f64>,
        /// Over the straight line between the end losses.
        barrier_line: f64,
        barrier_line_sd: Option<f64>,
        midpoint_loss: f64,
        midpoint_loss_sd: Option<f64>,
        midpoint_accuracy: f64,
        midpoint_accuracy_sd: Option<f64>,
        stage: String,
    }
}

impl Measurement for Pairwise {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(None)
    }

    fn plan((): &(), _: &mut PairPlanner<'_, '_>) {}

    fn derive(tables: &mut Tables) -> Result<()> {
        let rows = summarise(tables)?;
        if !rows.is_empty() {
            tables.extend(rows);
        }
        Ok(())
    }

    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        section(tables, pair, unlearned)
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// The lines of one method on one split.
#[derive(Default)]
struct Lines<'a> {
    pairs: BTreeSet<(&'a str, &'a str)>,
    draws: BTreeSet<usize>,
    replicates: BTreeSet<usize>,
    stages: BTreeSet<&'a str>,
    /// Barrier over the mean, barrier over the line, loss and accuracy in the middle.
    values: [Vec<f64>; 4],
}

/// Summarises lines, whose points come in order.
///
/// Nothing of a data set and architecture where no method has two lines on a split.
fn summarise(tables: &Tables) -> Result<Vec<PairwiseRow>> {
    let mut cells: BTreeMap<(&PairName, MethodLabel, &str), (Part, Lines<'_>)> = BTreeMap::new();
    for points in tables.of::<BarrierRow>().chunk_by(BarrierRow::is_on_line_of) {
        let first = &points[0];
        let lambdas: Vec<f64> = points.iter().map(|row| row.lambda).collect();
        let losses: Vec<f64> = points.iter().map(|row| row.loss).collect();
        let height = barrier(&lambdas, &losses)
            .with_context(|| format!("the line from `{}` to `{}` by `{}`", first.fixed, first.permutee, first.key.method))?;
        // An even number of points has none in the middle.
        let middle = middle(&points.iter().collect::<Vec<_>>()).filter(|point| (point.lambda - 0.5).abs() < 1e-9);
        let Some(half) = middle else { continue };
        let key = (&first.key.pair, first.key.method.undrawn(), first.split.name());
        let (_, lines) = cells.entry(key).or_insert_with(|| (first.split, Lines::default()));
        lines.pairs.insert((&first.fixed, &first.permutee));
        lines.draws.insert(first.key.method.draw().unwrap_or(1));
        lines.replicates.insert(first.key.replicate);
        lines.stages.insert(&first.stage);
        for (values, value) in lines.values.iter_mut().zip([height.mean, height.line, half.loss, half.accuracy]) {
            values.push(value);
        }
    }
    let several: BTreeSet<&PairName> = cells.iter().filter(|(_, (_, lines))| lines.values[0].len() > 1).map(|(key, _)| key.0).collect();
    let of_several = cells.into_iter().filter(|((pair, ..), _)| several.contains(pair));
    let rows = of_several.filter_map(|((pair, method, _), (split, lines))| {
        let [mean, line, loss, accuracy] = lines.values.each_ref().map(|values| Summary::of(values));
        let (mean, line, loss, accuracy) = (mean?, line?, loss?, accuracy?);
        Some(PairwiseRow {
            pair: pair.clone(),
            method,
            split,
            pairs: lines.pairs.len(),
            draws: lines.draws.len(),
            replicates: lines.replicates.len(),
            barrier_mean: mean.mean,
            barrier_mean_sd: mean.deviation,
            barrier_line: line.mean,
            barrier_line_sd: line.deviation,
            midpoint_loss: loss.mean,
            midpoint_loss_sd: loss.deviation,
            midpoint_accuracy: accuracy.mean,
            midpoint_accuracy_sd: accuracy.deviation,
            stage: tables.stage_of(lines.stages),
        })
    });
    Ok(rows.collect())
}

/// The rows of a data set and architecture as a section of `table.md`; nothing where there are none.
fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
    let mut rows: Vec<&PairwiseRow> = tables.of::<PairwiseRow>().iter().filter(|row| row.pair == *pair).collect();
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(|row| method_rank(tables.of(), row.method.name()));
    let mut text =
        "\n### Barriers of pairs\n\nMean ± standard deviation over the lines of a method: pairs of models × draws of the matching × \
                    replicates. Barrier: the highest loss of a line over the straight line between the end losses, or over their mean; \
                    middle: at λ = ½.\n\n\
                    | method | split | lines | barrier over line | barrier over mean | loss in the middle | accuracy in the middle |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for row in rows {
        let lines = if (row.draws, row.replicates) == (1, 1) {
            row.pairs.to_string()
        } else {
            format!("{} × {} × {}", row.pairs, row.draws, row.replicates)
        };
        let of_row = |line: &&BarrierRow| line.key.pair == *pair && line.key.method.undrawn() == row.method && line.split == row.split;
        let ends = tables.of::<BarrierRow>().iter().filter(of_row);
        let ends = ends.flat_map(|line| [&line.fixed, &line.permutee].map(|end| (line.key.replicate, end.as_str())));
        let _ = write!(text, "| {}{} | {} | {lines} |", row.method, unlearned.sign_of(ends), row.split);
        let figures = [
            (number::shown(row.barrier_line), row.barrier_line_sd),
            (number::shown(row.barrier_mean), row.barrier_mean_sd),
            (number::shown(row.midpoint_loss), row.midpoint_loss_sd),
            (number::share(row.midpoint_accuracy), row.midpoint_accuracy_sd),
        ];
        for (mean, deviation) in figures {
            let spread = deviation.map(|deviation| format!(" ± {}", number::spread(deviation))).unwrap_or_default();
            let _ = write!(text, " {mean}{spread} |");
        }
        text.push('\n');
    }
    text.push_str(&highest_at_ends(tables, pair));
    text
}

/// Where the lines of a method on a split begin and end.
struct LineEnds<'a> {
    /// Whether none is higher than at its worse end.
    at_end: bool,
    /// The losses at both ends, by replicate and models. Draws of a matching share the models.
    ends: BTreeMap<(usize, &'a str, &'a str), [f64; 2]>,
}

impl LineEnds<'_> {
    /// Whether the lines of another method lead between the same losses. A permutation leaves the function of a model as it is, a soft map
    /// does not.
    fn has_ends_of(&self, other: &LineEnds<'_>) -> bool {
        let alike = |one: f64, other: f64| (one - other).abs() <= ROUNDING * one.abs().max(other.abs());
        self.ends.len() == other.ends.len()
            && self
                .ends
                .iter()
                .all(|(line, ends)| other.ends.get(line).is_some_and(|others| alike(ends[0], others[0]) && alike(ends[1], others[1])))
    }
}

/// A sentence on methods whose lines are nowhere higher than at an end: where they have the same ends, their barriers over the mean are
/// equal, and look like a mistake.
fn highest_at_ends(tables: &Tables, pair: &PairName) -> String {
    let mut found: BTreeMap<(&str, usize, MethodLabel), LineEnds<'_>> = BTreeMap::new();
    for points in tables.of::<BarrierRow>().chunk_by(BarrierRow::is_on_line_of).filter(|points| points[0].key.pair == *pair) {
        let (first, last) = (&points[0], &points[points.len() - 1]);
        let method = first.key.method.undrawn();
        let lines = found.entry((first.split.name(), method_rank(tables.of(), method.name()), method));
        let lines = lines.or_insert(LineEnds { at_end: true, ends: BTreeMap::new() });
        lines.at_end &= points.iter().all(|point| point.loss <= first.loss.max(last.loss));
        lines.ends.insert((first.key.replicate, &first.fixed, &first.permutee), [first.loss, last.loss]);
    }
    let mut text = String::new();
    for split in [Part::Train, Part::Test] {
        let methods: Vec<(&MethodLabel, &LineEnds<'_>)> = found
            .iter()
            .filter(|((of, ..), lines)| *of == split.name() && lines.at_end)
            .map(|((.., method), lines)| (method, lines))
            .collect();
        if methods.is_empty() {
            continue;
        }
        let named = |methods: &[(&MethodLabel, &LineEnds<'_>)]| list(methods.iter().map(|(method, _)| format!("`{method}`")));
        let _ = write!(
            text,
            "\nOn {split}, the lines of {} are nowhere higher than at their worse end: the barrier over the mean is half of the difference \
             between the end losses of each line",
            named(&methods)
        );
        // Methods with the same ends, the largest such group.
        let groups = methods.iter().map(|(_, one)| {
            methods.iter().filter(|(_, other)| one.has_ends_of(other)).copied().collect::<Vec<(&MethodLabel, &LineEnds<'_>)>>()
        });
        let alike = groups.rev().max_by_key(Vec::len).unwrap_or_default();
        if alike.len() > 1 && alike.len() == methods.len() {
            text.push_str(", the same for all of them, whose lines have the same ends");
        } else if alike.len() > 1 {
            let _ = write!(text, ", the same for {}, whose lines have the same ends", named(&alike));
        }
        text.push_str(".\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ResultKey;
    use crate::table::Row;

    fn line(method: &str, permutee: &str, losses: [f64; 3]) -> Vec<BarrierRow> {
        let point = |(lambda, loss)| BarrierRow {
            key: ResultKey { pair: PairName::new("glyphs", "mlp"), method: method.parse().unwrap(), replicate: 0 },
            fixed: "a".to_owned(),
            permutee: permutee.to_owned(),
            split: Part::Test,
            lambda,
            loss,
            accuracy: 1.0 / (1.0 + loss),
            stage: method.to_owned(),
        };
        [0.0, 0.5, 1.0].into_iter().zip(losses).map(point).collect()
    }

    fn tables(rows: &[BarrierRow]) -> Tables {
        let mut tables = Tables::made_by("maker".to_owned());
        tables.extend(rows.iter().cloned());
        tables
    }

    #[test]
    fn every_pair_and_draw_counts_once_and_the_spread_is_over_all_of_them() {
        let rows = [
            line("drawn#1", "b", [1.0, 2.0, 1.0]),
            line("drawn#1", "c", [1.0, 3.0, 1.0]),
            line("drawn#2", "b", [1.0, 4.0, 1.0]),
            line("drawn#2", "c", [1.0, 5.0, 1.0]),
            line("single", "b", [1.0, 1.5, 3.0]),
        ]
        .concat();
        let mut tables = tables(&rows);
        let found = summarise(&tables).unwrap();
        assert_eq!(found.iter().map(|row| row.method.name()).collect::<Vec<_>>(), ["drawn", "single"]);
        assert_eq!((found[0].pairs, found[0].draws, found[0].replicates), (2, 2, 1));
        // 1, 2, 3 and 4 about 2.5: squares sum to 5, over three.
        let deviation = found[0].barrier_mean_sd.unwrap();
        assert!((found[0].barrier_mean - 2.5).abs() < 1e-12 && (deviation - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((found[0].midpoint_loss - 3.5).abs() < 1e-12);
        // From 1 to 3 without a rise over the line: the worse end lies 1 over the mean.
        let single = &found[1];
        let figures = [single.barrier_mean, single.barrier_line, single.midpoint_loss, single.midpoint_accuracy];
        assert_eq!(figures, [1.0, 0.0, 1.5, 0.4]);
        let text = String::from_utf8(PairwiseRow::table(&found).bytes().unwrap()).unwrap();
        assert_eq!(
            text.lines().next().unwrap(),
            "dataset,architecture,method,split,pairs,draws,replicates,barrier_mean,barrier_mean_sd,barrier_line,barrier_line_sd,\
             midpoint_loss,midpoint_loss_sd,midpoint_accuracy,midpoint_accuracy_sd,stage"
        );
        assert_eq!(text.lines().nth(2).unwrap(), "glyphs,mlp,single,test,1,1,1,1.0,,0.0,,1.5,,0.4,,single");
        tables.extend(found);
        let section = section(&tables, &rows[0].key.pair, &Unlearned::default());
        assert!(section.contains("| drawn | test | 2 × 2 × 1 | 2.500 ± 1.3 | 2.500 ± 1.3 | 3.500 ± 1.3 |"), "{section}");
        assert!(section.contains("| single | test | 1 | 0 | 1.000 | 1.500 | 0.4000 |"), "{section}");
        assert!(section.contains("the lines of `single` are nowhere higher than at their worse end"), "{section}");
        assert!(!section.contains("the same for"), "one method is like no other: {section}");
    }

    #[test]
    fn only_methods_whose_lines_have_the_same_ends_have_the_same_barrier_over_the_mean() {
        let lines = |soft: f64| {
            let of = |method: &str, last: f64| [line(method, "b", [1.0, 1.5, last]), line(method, "c", [1.0, 1.2, last])].concat();
            let rows = [of("c2m3", 3.0), of("naive", 3.000_001), of("soft", soft)].concat();
            let mut tables = tables(&rows);
            tables.extend(summarise(&tables).unwrap());
            section(&tables, &rows[0].key.pair, &Unlearned::default())
        };
        let apart = lines(2.0);
        assert!(apart.contains("the lines of `c2m3`, `naive` and `soft` are nowhere higher"), "{apart}");
        assert!(apart.contains("of each line, the same for `c2m3` and `naive`, whose lines have the same ends."), "{apart}");
        let alike = lines(3.0);
        assert!(alike.contains("of each line, the same for all of them, whose lines have the same ends."), "{alike}");
    }

    #[test]
    fn one_line_a_method_is_no_study_of_pairs() {
        let rows = [line("c2m3", "b", [1.0, 2.0, 1.0]), line("naive", "b", [1.0, 2.0, 1.0])].concat();
        let tables = tables(&rows);
        assert!(summarise(&tables).unwrap().is_empty() && section(&tables, &rows[0].key.pair, &Unlearned::default()).is_empty());
    }
}
