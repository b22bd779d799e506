//! Which tables become charts.

use std::collections::BTreeMap;

use anyhow::Result;
use maud::Markup;

use super::chart::{Chart, Line};
use super::{Tables, class_map, class_of, plane};
use crate::table::Csv;

/// Charts of one kind.
pub struct Section {
    pub id: &'static str,
    pub title: &'static str,
    /// What is shown.
    pub note: &'static str,
    pub charts: Vec<Markup>,
}

/// A table whose rows are points of lines.
struct Lines {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    file: &'static str,
    /// The column that runs from left to right, and how a person calls it.
    along: (&'static str, &'static str),
    /// The columns that run upwards.
    values: &'static [(&'static str, &'static str)],
    /// The columns that tell charts apart, beside data set and architecture.
    charts: &'static [&'static str],
    /// The columns that tell lines apart.
    lines: &'static [&'static str],
}

const LOSS_AND_ACCURACY: &[(&str, &str)] = &[("loss", "loss, nats"), ("accuracy", "accuracy")];

const LINES: &[Lines] = &[
    Lines {
        id: "barriers",
        title: "Lines",
        note: "From one model to another in the frame of each method: a line for each pair of models and replicate.",
        file: "barriers.csv",
        along: ("lambda", "λ"),
        values: LOSS_AND_ACCURACY,
        charts: &["split"],
        lines: &["method", "replicate", "fixed", "permutee"],
    },
    Lines {
        id: "numbers",
        title: "Numbers of models",
        note: "What is merged of the first so many models.",
        file: "merged.csv",
        along: ("models", "models merged"),
        values: &[("accuracy", "accuracy"), ("loss", "loss, nats")],
        charts: &["split"],
        lines: &["method", "replicate"],
    },
    Lines {
        id: "rounds",
        title: "Rounds",
        note: "Merged, trained on, and merged again.",
        file: "rounds.csv",
        along: ("round", "rounds"),
        values: &[("accuracy", "accuracy"), ("loss", "loss, nats")],
        charts: &["split"],
        lines: &["method", "replicate"],
    },
    Lines {
        id: "epochs",
        title: "Epochs",
        note: "Lines between two models on the way of their training.",
        file: "epochs.csv",
        along: ("epoch", "epochs"),
        values: &[("barrier_mean", "barrier over the mean, nats"), ("midpoint_accuracy", "accuracy halfway")],
        charts: &["split"],
        lines: &["method", "replicate", "fixed", "permutee"],
    },
    Lines {
        id: "cycles",
        title: "Cycles",
        note: "From a model to itself after maps around a cycle of models.",
        file: "cycles.csv",
        along: ("lambda", "λ"),
        values: LOSS_AND_ACCURACY,
        charts: &["cycle", "split"],
        lines: &["method", "replicate"],
    },
    Lines {
        id: "traces",
        title: "Traces",
        note: "The objective of each matching while it ascends. Methods by activations or by the loss have other units.",
        file: "traces.csv",
        along: ("iteration", "iterations"),
        values: &[("objective", "objective")],
        charts: &["models"],
        lines: &["method", "replicate", "names"],
    },
    Lines {
        id: "training",
        title: "Training",
        note: "How the loss fell while models were trained.",
        file: "learning-curves.csv",
        along: ("epochs", "epochs"),
        values: &[("loss", "training loss, nats")],
        charts: &[],
        lines: &["model", "replicate"],
    },
    Lines {
        id: "reliability",
        title: "Reliability",
        note: "How often a class is right, over the probability that it was given.",
        file: "reliability.csv",
        along: ("probability", "probability"),
        values: &[("frequency", "share that is right")],
        charts: &["kind", "split"],
        lines: &["method", "replicate", "models", "model"],
    },
];

/// All charts of a results folder, in sections.
pub fn sections(tables: &Tables<'_>) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for wanted in LINES {
        let Some(csv) = tables.read(wanted.file)? else { continue };
        let charts = of_lines(tables, &csv, wanted)?;
        if !charts.is_empty() {
            sections.push(Section { id: wanted.id, title: wanted.title, note: wanted.note, charts });
        }
    }
    let classes = class_map::maps(tables)?;
    if !classes.is_empty() {
        let note = "Accuracy on the images of each class: the darker, the higher.";
        sections.push(Section { id: "classes", title: "Classes", note, charts: classes });
    }
    let planes = plane::planes(tables)?;
    if !planes.is_empty() {
        let note = "The loss of mixtures of three models, and of the same in the frame of a method.";
        sections.push(Section { id: "planes", title: "Planes", note, charts: planes });
    }
    let margins = margins(tables)?;
    if !margins.is_empty() {
        let note =
            "What the objective loses if a unit must go elsewhere, all units of a group in order: near 0 another place would do as well.";
        sections.push(Section { id: "margins", title: "Margins", note, charts: margins });
    }
    Ok(sections)
}

/// Columns by name; texts of columns that are not there are none.
fn texts(csv: &Csv, names: &[&str]) -> Vec<Option<Vec<String>>> {
    names.iter().map(|name| csv.texts(name).ok()).collect()
}

fn of_lines(tables: &Tables<'_>, csv: &Csv, wanted: &Lines) -> Result<Vec<Markup>> {
    let (datasets, architectures, stages) = (csv.texts("dataset")?, csv.texts("architecture")?, csv.texts("stage")?);
    let (facets, keys) = (texts(csv, wanted.charts), texts(csv, wanted.lines));
    let methods = csv.texts("method").ok();
    let along = csv.numbers(wanted.along.0)?;
    let mut drawn = Vec::new();
    for (column, value) in wanted.values {
        let values = csv.numbers(column)?;
        let mut charts: BTreeMap<Vec<&str>, BTreeMap<Vec<&str>, Line>> = BTreeMap::new();
        for row in 0..csv.height() {
            let (Some(x), Some(y)) = (along[row], values[row]) else { continue };
            let cell = |column: &'_ Option<Vec<String>>| column.as_ref().map_or("", |column| column[row].as_str()).to_owned();
            let chart: Vec<&str> = [datasets[row].as_str(), architectures[row].as_str()]
                .into_iter()
                .chain(facets.iter().map(|column| column.as_ref().map_or("", |column| column[row].as_str())))
                .collect();
            let line: Vec<&str> = keys.iter().map(|column| column.as_ref().map_or("", |column| column[row].as_str())).collect();
            let new = || {
                let method = methods.as_ref().map(|methods| methods[row].as_str()).unwrap_or_default();
                let name = wanted.lines.iter().zip(&keys).map(|(name, column)| (name, cell(column))).filter(|(_, text)| !text.is_empty());
                let name = name.map(|(name, text)| if *name == "replicate" { format!("replicate {text}") } else { text });
                Line {
                    method: method.split('#').next().unwrap_or(method).to_owned(),
                    class: if method.is_empty() { format!("k{}", row % 7) } else { class_of(tables, method) },
                    name: name.collect::<Vec<_>>().join(", "),
                    stage: stages[row].clone(),
                    points: Vec::new(),
                }
            };
            charts.entry(chart).or_default().entry(line).or_insert_with(new).points.push((x, y));
        }
        for (facet, lines) in charts {
            // A single point along the axis is no line: the tables have it.
            if lines.values().all(|line| line.points.len() < 2) {
                continue;
            }
            let mut lines: Vec<Line> = lines.into_values().collect();
            if methods.is_none() {
                lines.iter_mut().enumerate().for_each(|(place, line)| line.class = format!("k{}", place % 7));
            }
            let title = facet.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(", ");
            let chart = Chart {
                title: format!("{title}: {}", value.split(',').next().unwrap_or(value)),
                along: wanted.along.1.to_owned(),
                value: (*value).to_owned(),
                lines,
            };
            drawn.extend(chart.draw());
        }
    }
    Ok(drawn)
}

/// The margins of each group of units by method, model and group, with the row of the first.
type Groups<'a> = BTreeMap<(&'a str, &'a str, &'a str), (usize, Vec<f64>)>;

/// The sorted margins of each group of units, over the share of its units.
fn margins(tables: &Tables<'_>) -> Result<Vec<Markup>> {
    let Some(csv) = tables.read("margins.csv")? else { return Ok(Vec::new()) };
    let [datasets, architectures, methods, models, groups, stages] =
        ["dataset", "architecture", "method", "model", "group", "stage"].map(|name| csv.texts(name));
    let (datasets, architectures, methods, models, groups, stages) = (datasets?, architectures?, methods?, models?, groups?, stages?);
    let margins = csv.required("margin")?;
    let mut charts: BTreeMap<(&str, &str), Groups<'_>> = BTreeMap::new();
    for (row, &margin) in margins.iter().enumerate() {
        let lines = charts.entry((&datasets[row], &architectures[row])).or_default();
        lines.entry((&methods[row], &models[row], &groups[row])).or_insert_with(|| (row, Vec::new())).1.push(margin);
    }
    let chart = |((dataset, architecture), lines): ((&str, &str), Groups<'_>)| {
        let line = |((method, model, group), (row, mut values)): ((&str, &str, &str), (usize, Vec<f64>))| {
            values.sort_by(f64::total_cmp);
            let count = values.len();
            // A hundred points show the shape of any group.
            let step = count.div_ceil(100).max(1);
            let points =
                values.iter().enumerate().step_by(step).map(|(place, &value)| ((place + 1) as f64 / count as f64, value)).collect();
            let name = [method, model, group].join(", ");
            Line { method: method.to_owned(), class: class_of(tables, method), name, stage: stages[row].clone(), points }
        };
        let lines = lines.into_iter().map(line).collect();
        Chart { title: format!("{dataset}, {architecture}"), along: "share of units".to_owned(), value: "margin".to_owned(), lines }.draw()
    };
    Ok(charts.into_iter().filter_map(chart).collect())
}
