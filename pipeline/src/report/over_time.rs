//! Figures over the epochs of a training, or over rounds of training and merging, beside the reported ones: `reported-over-time.csv`, a section of
//! `table.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::markdown::figure;
use super::notes::Notes;
use super::summary::model_counts;
use super::verdicts::short;
use crate::comparison::Comparison;
use crate::drawing::{MethodRow, method_rank};
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::measurements::{EpochRow, ModelRow, OverTimeRow, RoundRow};
use crate::reported::Moment;
use crate::statistics::Summary;
use crate::table::{Row as _, Tables};

/// What a method has at a moment, over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct OverTime {
    pub pair: PairName,
    pub method: MethodLabel,
    /// Number of models merged; of a barrier, how many there are in the experiment.
    pub models: usize,
    pub moment: Moment,
    pub metric: &'static str,
    pub split: Part,
    pub summary: Summary,
    /// The stages that measured it.
    pub stages: BTreeSet<String>,
}

/// What tells one cell from another.
type Cell = (PairName, MethodLabel, usize, Moment, &'static str, &'static str);

/// Values by replicate, and the stages that measured them.
type Values = (Part, BTreeMap<usize, Vec<f64>>, BTreeSet<String>);

/// Every figure of an epoch or a round; a replicate counts once, with the mean over its lines.
fn of_rows(models: &[ModelRow], epochs: &[EpochRow], rounds: &[RoundRow]) -> Vec<OverTime> {
    let counts = model_counts(models);
    let mut cells: BTreeMap<Cell, Values> = BTreeMap::new();
    let mut add = |key: &ResultKey, models, moment, split: Part, stage: &str, figures: [(&'static str, f64); 2]| {
        for (metric, value) in figures {
            let cell = cells.entry((key.pair.clone(), key.method.clone(), models, moment, metric, split.name()));
            let (_, values, stages) = cell.or_insert_with(|| (split, BTreeMap::new(), BTreeSet::new()));
            values.entry(key.replicate).or_default().push(value);
            stages.insert(stage.to_owned());
        }
    };
    for EpochRow { key, epoch, split, barrier_mean, barrier_line, stage, .. } in epochs {
        let models = counts.get(&key.pair).copied().unwrap_or(2);
        let figures = [("barrier_line", *barrier_line), ("barrier_mean", *barrier_mean)];
        add(key, models, Moment::epoch(*epoch), *split, stage, figures);
    }
    for RoundRow { key, models, round, split, loss, accuracy, stage } in rounds {
        add(key, *models, Moment::round(*round), *split, stage, [("accuracy", *accuracy), ("loss", *loss)]);
    }
    let summarised = |((pair, method, models, moment, metric, _), (split, values, stages)): (Cell, Values)| {
        let means: Vec<f64> = values.values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
        Some(OverTime { pair, method, models, moment, metric, split, summary: Summary::of(&means)?, stages })
    };
    cells.into_iter().filter_map(summarised).collect()
}

/// The figures of epochs and rounds in a results folder.
///
/// # Errors
/// When a file is malformed.
pub fn read(results: &Path) -> Result<Vec<OverTime>> {
    let (epochs, rounds) = (EpochRow::read_if_present(results)?, RoundRow::read_if_present(results)?);
    Ok(of_rows(&ModelRow::read_if_present(results)?, &epochs, &rounds))
}

/// Adds a row for each figure that stands beside a reported one; no file where there is none.
pub fn tabulate(tables: &mut Tables, comparison: &Comparison) {
    let cells = of_rows(tables.of(), tables.of(), tables.of());
    let rows = cells.into_iter().filter_map(|OverTime { pair, method, models, moment, metric, split, summary, stages }| {
        let reported = comparison.find_at(moment, &pair, &method, models, metric, split)?;
        Some(OverTimeRow {
            verdict: comparison.verdict(&pair, summary.mean, reported),
            reported: reported.value,
            reported_sd: reported.sd,
            source: reported.source.clone(),
            stage: tables.stage_of(stages.iter().map(String::as_str)),
            pair,
            method,
            models,
            moment,
            metric: metric.to_owned(),
            split,
            replicates: summary.count,
            mean: summary.mean,
            sd: summary.deviation,
        })
    });
    let rows: Vec<OverTimeRow> = rows.collect();
    if !rows.is_empty() {
        tables.extend(rows);
    }
}

/// A table of them, then the sources; nothing where there are none.
pub fn section(tables: &Tables, pair: &PairName, methods: &[MethodRow], deviating: bool, notes: &Notes) -> String {
    let mut rows: Vec<&OverTimeRow> = tables.of::<OverTimeRow>().iter().filter(|row| row.pair == *pair).collect();
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(|row| (method_rank(methods, row.method.name()), row.method.draw(), row.metric.clone(), row.split.name(), row.moment));
    let mut text =
        "\nBeside the reported figures of epochs and rounds:\n\n| method | after | metric | split | ours | reported | verdict |\n\
                    | --- | --- | --- | --- | ---: | ---: | --- |\n"
            .to_owned();
    for row in &rows {
        let [ours, reported] = [row.mean, row.reported].map(|value| figure(&row.metric, value));
        let verdict = short(&row.verdict, deviating);
        let _ = writeln!(
            text,
            "| {}{} | {} | {} | {} | {ours} | {reported} | {verdict} |",
            row.method,
            notes.marks_of(row.models),
            row.moment.words(),
            row.metric,
            row.split
        );
    }
    let sources: BTreeSet<&str> = rows.iter().map(|row| row.source.as_str()).collect();
    text.push_str("\nSources:\n\n");
    for source in sources {
        let _ = writeln!(text, "- {source}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Deviation;
    use crate::reported::{Reported, parse};

    fn reported(rows: &str) -> Vec<Reported> {
        parse(format!("dataset,architecture,method,models,epoch,round,metric,split,value,sd,tolerance,source\n{rows}").as_bytes(), "a.csv")
            .unwrap()
    }

    fn round(method: &str, replicate: usize, round: usize, accuracy: f64) -> RoundRow {
        let key = ResultKey { pair: PairName::new("mnist", "cnn"), method: MethodLabel::method(method), replicate };
        RoundRow { key, models: 10, round, split: Part::Test, loss: 1.0, accuracy, stage: format!("{method}{replicate}{round}") }
    }

    #[test]
    fn a_round_stands_beside_what_was_reported_of_it_as_a_mean_over_replicates() {
        let mut tables = Tables::made_by("maker".to_owned());
        tables.extend([round("c2m3", 0, 1, 0.2), round("c2m3", 1, 1, 0.4), round("c2m3", 0, 2, 0.5), round("naive", 0, 1, 0.1)]);
        let figures = reported("mnist,cnn,c2m3,10,,1,accuracy,test,0.31,,0.02,list\nmnist,cnn,naive,10,,1,accuracy,test,0.3,,0.02,list\n");
        tabulate(&mut tables, &Comparison { figures: figures.clone(), ..Comparison::default() });
        let rows = tables.of::<OverTimeRow>();
        assert_eq!(rows.iter().map(|row| (row.method.name(), row.replicates)).collect::<Vec<_>>(), [("c2m3", 2), ("naive", 1)]);
        assert!((rows[0].mean - 0.3).abs() < 1e-12 && rows[0].verdict.contains("within 0.02"), "{:?}", rows[0]);
        assert_eq!((rows[0].stage.as_str(), rows[1].stage.as_str()), ("maker", "naive01"));
        assert!(rows[1].verdict.contains("beyond 0.02"));
        let pair = PairName::new("mnist", "cnn");
        let of_one = Deviation { methods: vec!["c2m3".to_owned()], ..Deviation::of_all("matching rounds 1 instead of 9") };
        let mut tables = Tables::made_by("maker".to_owned());
        tables.extend([round("c2m3", 0, 1, 0.3), round("naive", 0, 1, 0.3)]);
        tabulate(&mut tables, &Comparison { figures, deviations: vec![(pair.clone(), vec![of_one])], ..Comparison::default() });
        let text = section(&tables, &pair, &[], true, &Notes::default());
        assert!(text.contains("| c2m3 | round 1 | accuracy | test | 0.3000 | 0.3100 | not comparable: other settings |\n"), "{text}");
        assert!(
            text.contains("| naive | round 1 | accuracy | test | 0.3000 | 0.3000 | comparable: off by 0.0000, within 0.02 |\n"),
            "{text}"
        );
        assert!(text.ends_with("\nSources:\n\n- list\n"), "{text}");
    }

    #[test]
    fn an_epoch_has_both_barriers_as_a_mean_over_lines() {
        let line = |permutee: &str, barrier_mean, barrier_line| EpochRow {
            key: ResultKey { pair: PairName::new("mnist", "mlp"), method: MethodLabel::method("naive"), replicate: 0 },
            fixed: "a".to_owned(),
            permutee: permutee.to_owned(),
            epoch: 3,
            split: Part::Train,
            barrier_mean,
            barrier_line,
            end_loss: 0.0,
            end_accuracy: 1.0,
            midpoint_loss: 1.0,
            midpoint_accuracy: 0.5,
            stage: permutee.to_owned(),
        };
        let cells = of_rows(&[], &[line("b", 1.0, 0.5), line("c", 3.0, 2.5)], &[]);
        let found: Vec<_> = cells.iter().map(|cell| (cell.metric, cell.summary.mean, cell.moment)).collect();
        assert_eq!(found, [("barrier_line", 1.5, Moment::epoch(3)), ("barrier_mean", 2.0, Moment::epoch(3))]);
    }
}
