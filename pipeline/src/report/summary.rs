//! Cells of the table: every metric of every method, summarised over replicates, beside what was reported.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use onebasin_matching::barrier;

use super::differences::{Differences, Side};
use crate::comparison::Comparison;
use crate::drawing::MethodRow;
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::measurements::{BarrierRow, MergedRow, ModelRow};
use crate::statistics::Summary;
use crate::table::{Tables, columns, row};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    pub pair: PairName,
    pub method: MethodLabel,
    /// Number of models merged; of the models before merging and of the pairs of a barrier, how many there are in the experiment.
    pub models: usize,
    pub metric: &'static str,
    pub split: Part,
    pub summary: Summary,
    pub reported: Option<f64>,
    pub reported_sd: Option<f64>,
    pub verdict: String,
    pub source: String,
    /// As [`Tables::stage_of`] the stages that measured it.
    pub stage: String,
}

impl SummaryRow {
    /// The merged model it is a figure of; the end points are none.
    pub fn side(&self) -> Side {
        Side { pair: self.pair.clone(), method: self.method.clone(), models: self.models }
    }
}

/// What `summary.csv` and `by-models.csv` say of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub metric: String,
    pub split: Part,
    pub replicates: usize,
    pub mean: f64,
    pub sd: Option<f64>,
    /// The lower end of the 95 % interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub reported: Option<f64>,
    pub reported_sd: Option<f64>,
    pub verdict: String,
    /// The method it is compared with: the best merged model of its column. Empty for itself, and where nothing was paired.
    pub versus: String,
    /// What it has more than that one.
    pub difference: Option<f64>,
    pub difference_low: Option<f64>,
    pub difference_high: Option<f64>,
    /// Adjusted for all differences of the metric.
    pub p_holm: Option<f64>,
    pub stage: String,
}

columns!(Figures {
    metric: String,
    split: Part,
    replicates: usize,
    mean: f64,
    sd: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    reported: Option<f64>,
    reported_sd: Option<f64>,
    verdict: String,
    versus: String,
    difference: Option<f64>,
    difference_low: Option<f64>,
    difference_high: Option<f64>,
    p_holm: Option<f64>,
    stage: String,
});

row! {
    /// A cell of the table, all models merged: a row of `summary.csv`.
    pub struct WholeRow in "summary.csv", order |_, _| Ordering::Equal;
    {
        pair: PairName,
        method: MethodLabel,
        figures: Figures,
    }
}

row! {
    /// A cell for each number of models merged: a row of `by-models.csv`.
    pub struct ByModelsRow in "by-models.csv", order |_, _| Ordering::Equal;
    {
        pair: PairName,
        method: MethodLabel,
        models: usize,
        figures: Figures,
    }
}

impl ByModelsRow {
    /// Whether it is an accuracy of a pair on a split.
    pub fn is_accuracy_of(&self, pair: &PairName, split: Part) -> bool {
        self.pair == *pair && self.figures.metric == "accuracy" && self.figures.split == split
    }
}

/// The best merged model of each column: of a pair, a number of models, a metric on a split. An ensemble is no merged model.
pub struct Leaders<'a>(BTreeMap<(&'a PairName, usize, &'static str, &'static str), &'a SummaryRow>);

impl<'a> Leaders<'a> {
    /// Among these cells. The first of equals in the order of names leads.
    pub fn of(cells: &'a [SummaryRow], methods: &[MethodRow]) -> Leaders<'a> {
        let mut leaders: BTreeMap<_, &SummaryRow> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| merges(&cell.method, methods) && cell.summary.mean.is_finite()) {
            let leader = leaders.entry((&cell.pair, cell.models, cell.metric, cell.split.name())).or_insert(cell);
            if cell.merit() > leader.merit() {
                *leader = cell;
            }
        }
        Leaders(leaders)
    }

    /// Of the column of a cell.
    pub fn of_column(&self, cell: &SummaryRow) -> Option<&'a SummaryRow> {
        self.0.get(&(&cell.pair, cell.models, cell.metric, cell.split.name())).copied()
    }
}

/// Whether a method makes one model of several: not the end points, and not the ensemble, which only bounds what merging can keep.
pub fn merges(label: &MethodLabel, methods: &[MethodRow]) -> bool {
    !label.is_endpoints() && !methods.iter().any(|row| row.method == label.name() && row.merging == "ensemble")
}

impl SummaryRow {
    /// The greater, the better.
    fn merit(&self) -> f64 {
        if self.metric == "accuracy" { self.summary.mean } else { -self.summary.mean }
    }

    fn figures(&self, leaders: &Leaders<'_>, differences: &Differences<'_>) -> Figures {
        let Summary { count, mean, deviation, interval } = self.summary;
        let leader = leaders.of_column(self).filter(|leader| self.split == Part::Test && leader.method != self.method);
        let found = leader.and_then(|leader| Some((leader, differences.between(self.metric, &self.side(), &leader.side())?)));
        let versus = found.map(|(leader, (row, swapped))| {
            let minus = |end: Option<f64>| end.map(|end| -end);
            let (difference, low, high) =
                if swapped { (-row.difference, minus(row.high), minus(row.low)) } else { (row.difference, row.low, row.high) };
            (leader.method.to_string(), difference, low, high, row.p_holm)
        });
        Figures {
            metric: self.metric.to_owned(),
            split: self.split,
            replicates: count,
            mean,
            sd: deviation,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            reported: self.reported,
            reported_sd: self.reported_sd,
            verdict: self.verdict.clone(),
            stage: self.stage.clone(),
            difference: versus.as_ref().map(|(_, difference, ..)| *difference),
            difference_low: versus.as_ref().and_then(|(.., low, _, _)| *low),
            difference_high: versus.as_ref().and_then(|(.., high, _)| *high),
            p_holm: versus.as_ref().map(|(.., p_holm)| *p_holm),
            versus: versus.map(|(method, ..)| method).unwrap_or_default(),
        }
    }
}

/// Values of one cell.
struct Values<'a> {
    split: Part,
    /// By replicate; a replicate may give several (one a model or pair), whose mean counts.
    replicates: BTreeMap<usize, Vec<f64>>,
    /// The stages that measured them.
    stages: BTreeSet<&'a str>,
}

/// What a value is of: the pair of data set and architecture, the method, the number of models, the metric.
type Measured<'a> = (&'a PairName, &'a MethodLabel, usize, &'static str);

/// How many models of each pair of data set and architecture there are.
pub fn model_counts(models: &[ModelRow]) -> BTreeMap<&PairName, usize> {
    let mut names: BTreeMap<&PairName, BTreeSet<&str>> = BTreeMap::new();
    for row in models {
        names.entry(&row.pair).or_default().insert(&row.model);
    }
    names.into_iter().map(|(pair, names)| (pair, names.len())).collect()
}

/// Summarises everything measured.
///
/// A replicate counts once in every cell: `endpoints` is the mean over its models and a barrier the mean over its pairs of models.
///
/// # Errors
/// Points that are no line from λ = 0 to 1, or a loss on one that is not a number.
pub fn summarise(tables: &Tables, comparison: &Comparison) -> Result<Vec<SummaryRow>> {
    let mut values: BTreeMap<(PairName, MethodLabel, usize, &'static str, &'static str), Values<'_>> = BTreeMap::new();
    let mut add = |(pair, method, models, metric): Measured<'_>, split: Part, replicate: usize, value: f64, stage| {
        let cell = values.entry((pair.clone(), method.clone(), models, metric, split.name()));
        let cell = cell.or_insert_with(|| Values { split, replicates: BTreeMap::new(), stages: BTreeSet::new() });
        cell.replicates.entry(replicate).or_default().push(value);
        cell.stages.insert(stage);
    };
    let models: &[ModelRow] = tables.of();
    let counts = model_counts(models);
    for row in models {
        let count = counts[&row.pair];
        add((&row.pair, &MethodLabel::Endpoints, count, "loss"), row.split, row.replicate, row.loss, &row.stage);
        add((&row.pair, &MethodLabel::Endpoints, count, "accuracy"), row.split, row.replicate, row.accuracy, &row.stage);
    }
    for MergedRow { key, models, split, loss, accuracy, stage } in tables.of::<MergedRow>() {
        add((&key.pair, &key.method, *models, "loss"), *split, key.replicate, *loss, stage);
        add((&key.pair, &key.method, *models, "accuracy"), *split, key.replicate, *accuracy, stage);
    }
    for points in tables.of::<BarrierRow>().chunk_by(BarrierRow::is_on_line_of) {
        let first = &points[0];
        let lambdas: Vec<f64> = points.iter().map(|row| row.lambda).collect();
        let losses: Vec<f64> = points.iter().map(|row| row.loss).collect();
        let ResultKey { pair, method, replicate } = &first.key;
        let height =
            barrier(&lambdas, &losses).with_context(|| format!("the line from `{}` to `{}` by `{method}`", first.fixed, first.permutee))?;
        let models = counts.get(pair).copied().unwrap_or(2);
        add((pair, method, models, "barrier_line"), first.split, *replicate, height.line, &first.stage);
        add((pair, method, models, "barrier_mean"), first.split, *replicate, height.mean, &first.stage);
    }
    let cells = values.into_iter().filter_map(|((pair, method, models, metric, _), Values { split, replicates, stages })| {
        let means: Vec<f64> = replicates.values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
        let summary = Summary::of(&means)?;
        let figure = comparison.find(&pair, &method, models, metric, split);
        Some(SummaryRow {
            reported: figure.map(|figure| figure.value),
            reported_sd: figure.and_then(|figure| figure.sd),
            verdict: figure.map(|figure| comparison.verdict(&pair, summary.mean, figure)).unwrap_or_default(),
            source: figure.map(|figure| figure.source.clone()).unwrap_or_default(),
            pair,
            method,
            models,
            metric,
            split,
            summary,
            stage: tables.stage_of(stages),
        })
    });
    Ok(cells.collect())
}

/// Adds the rows of `summary.csv` (all models merged) and `by-models.csv` (every number of models merged).
pub fn tabulate(rows: &[SummaryRow], differences: &Differences<'_>, methods: &[MethodRow], tables: &mut Tables) {
    // A barrier is of all models there are, an accuracy of those that are merged: the most of each.
    let mut largest: BTreeMap<(&PairName, &MethodLabel, &str), usize> = BTreeMap::new();
    for row in rows {
        let most = largest.entry((&row.pair, &row.method, row.metric)).or_default();
        *most = row.models.max(*most);
    }
    let leaders = Leaders::of(rows, methods);
    let by_models = rows.iter().map(|row| {
        let (pair, method, figures) = (row.pair.clone(), row.method.clone(), row.figures(&leaders, differences));
        ByModelsRow { pair, method, models: row.models, figures }
    });
    let by_models: Vec<ByModelsRow> = by_models.collect();
    let whole = by_models.iter().filter(|row| largest[&(&row.pair, &row.method, row.figures.metric.as_str())] == row.models);
    let whole = whole.map(|ByModelsRow { pair, method, figures, .. }| WholeRow {
        pair: pair.clone(),
        method: method.clone(),
        figures: figures.clone(),
    });
    tables.declare::<WholeRow>();
    tables.extend(whole.collect::<Vec<_>>());
    tables.declare::<ByModelsRow>();
    tables.extend(by_models);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> PairName {
        PairName::new("glyphs", "mlp")
    }

    #[test]
    fn accuracies_of_the_most_models_merged_stand_beside_barriers_between_all() {
        let cell = |metric: &'static str, models: usize| SummaryRow {
            pair: pair(),
            method: MethodLabel::method("naive"),
            models,
            metric,
            split: Part::Train,
            summary: Summary::of(&[0.5]).unwrap(),
            reported: None,
            reported_sd: None,
            verdict: String::new(),
            source: String::new(),
            stage: String::new(),
        };
        let mut tables = Tables::default();
        let cells = [cell("accuracy", 2), cell("accuracy", 3), cell("barrier_line", 4)];
        tabulate(&cells, &Differences::default(), &[], &mut tables);
        let metrics: Vec<&str> = tables.of::<WholeRow>().iter().map(|row| row.figures.metric.as_str()).collect();
        assert_eq!(metrics, ["accuracy", "barrier_line"]);
    }

    #[test]
    fn a_replicate_counts_once_however_many_models_it_has() {
        let model = |replicate, model: &str, accuracy| ModelRow {
            pair: pair(),
            replicate,
            model: model.to_owned(),
            split: Part::Test,
            loss: 1.0,
            accuracy,
            stage: String::new(),
        };
        let mut tables = Tables::default();
        tables.extend([model(0, "a", 0.8), model(0, "b", 0.9), model(1, "a", 0.6), model(1, "b", 0.7)]);
        let cells = summarise(&tables, &Comparison::default()).unwrap();
        let cell = cells.iter().find(|cell| cell.metric == "accuracy").unwrap();
        assert_eq!((cell.summary.count, cell.models, &cell.method), (2, 2, &MethodLabel::Endpoints));
        assert!((cell.summary.mean - 0.75).abs() < 1e-12);
        assert!((cell.summary.deviation.unwrap() - 0.2 / 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_barrier_of_a_line_is_its_highest_excess_over_both_definitions() {
        let point = |lambda, loss| BarrierRow {
            key: ResultKey { pair: pair(), method: MethodLabel::method("naive"), replicate: 0 },
            fixed: "a".to_owned(),
            permutee: "b".to_owned(),
            split: Part::Test,
            lambda,
            loss,
            accuracy: 0.0,
            stage: String::new(),
        };
        let mut tables = Tables::default();
        tables.extend([point(0.0, 1.0), point(0.5, 3.0), point(1.0, 2.0)]);
        let cells = summarise(&tables, &Comparison::default()).unwrap();
        assert_eq!(
            cells.iter().map(|cell| (cell.metric, cell.summary.mean)).collect::<Vec<_>>(),
            [("barrier_line", 1.5), ("barrier_mean", 1.5)]
        );
    }
}
