//! `onebasin measure`: loss and accuracy of networks in files.

use anyhow::anyhow;
use onebasin_matching::{barrier, lambdas};
use onebasin_training::{Device, Evaluation, evaluate, evaluate_line};
use serde_json::{Value, json};

use super::networks::{Images, read, read_each, tell_assumptions};
use super::{Failure, Verdict};
use crate::cli;
use crate::console;
use crate::number::legible;
use crate::weight_file::Network;

/// What is measured: of which network or point of a line, on which split.
struct Row {
    name: String,
    lambda: Option<f64>,
    split: &'static str,
    evaluation: Evaluation,
}

/// Prints loss and accuracy of each network, or along the line between two.
pub fn measure(arguments: &cli::Measure) -> Result<Verdict, Failure> {
    let line = match (arguments.lambdas, arguments.files.len()) {
        (None, _) => None,
        (Some(count), 2) if count >= 2 => Some(lambdas(count)),
        (Some(count), 2) => return Err(Failure::Input(anyhow!("`--lambdas` is {count}, expected at least 2: the ends"))),
        (Some(_), files) => return Err(Failure::Input(anyhow!("`--lambdas` measures the line between 2 files, got {files}"))),
    };
    // The images say the shape, unless the command line does.
    let images = Images::open(&arguments.images)?;
    let mut network = arguments.network.clone();
    let (channels, height, width) = images.dataset.train.shape;
    network.input.get_or_insert_with(|| vec![channels, height, width]);
    let (networks, fine) = if line.is_some() { read(&arguments.files, &network)? } else { read_each(&arguments.files, &network)? };
    if !fine {
        return Ok(Verdict::No);
    }
    tell_assumptions(&networks[0], &network);
    console::note(&images.told());
    let classes = images.dataset.test.classes;
    let others = networks.iter().find(|network| network.graph.architecture.classes != classes);
    if let Some(Network { path, graph, .. }) = others {
        let outputs = graph.architecture.classes;
        console::note(&format!("warning: `{}` has {outputs} outputs, the data set has {classes} classes", path.display()));
    }
    let device = Device::select("cpu").map_err(Failure::input)?;
    let graph = &networks[0].graph;
    let mut rows = Vec::new();
    let splits = [("train", &images.dataset.train, arguments.train), ("test", &images.dataset.test, true)];
    for (split, all, _) in splits.into_iter().filter(|(.., wanted)| *wanted) {
        let data = images.first(all);
        match &line {
            None => {
                for network in &networks {
                    let evaluation =
                        evaluate(&network.graph, &network.weights, &data, &images.normalisation, &device).map_err(Failure::input)?;
                    rows.push(Row { name: network.path.display().to_string(), lambda: None, split, evaluation });
                }
            }
            Some(points) => {
                let (a, b) = (&networks[0].weights, &networks[1].weights);
                let along = evaluate_line(graph, a, b, points, &data, &images.normalisation, &device).map_err(Failure::input)?;
                let losses: Vec<f64> = along.iter().map(|evaluation| evaluation.loss).collect();
                let found = barrier(points, &losses).map_err(Failure::running)?;
                console::note(&format!(
                    "{split}: the barrier is {} over the line between the end losses, {} over their mean",
                    legible(found.line, 6),
                    legible(found.mean, 6)
                ));
                let rows_of = points.iter().zip(along);
                rows.extend(rows_of.map(|(&lambda, evaluation)| Row { name: "line".to_owned(), lambda: Some(lambda), split, evaluation }));
            }
        }
    }
    if let Some(Row { name, .. }) = rows.iter().find(|row| !row.evaluation.loss.is_finite()) {
        let hint = "hint: weights or running variances of its file make numbers that `f32` does not hold; take an earlier state";
        return Err(Failure::Running(anyhow!("`{name}` gives outputs that are no numbers\n{hint}")));
    }
    console::data(&if arguments.json { as_json(&rows) } else { as_text(&rows) })?;
    Ok(Verdict::Fine)
}

fn as_text(rows: &[Row]) -> String {
    let mut cells = vec![["network", "lambda", "split", "images", "loss", "accuracy"].map(str::to_owned)];
    for Row { name, lambda, split, evaluation } in rows {
        let lambda = lambda.map_or("-".to_owned(), |lambda| format!("{lambda:.4}"));
        let Evaluation { loss, accuracy, count } = evaluation;
        cells.push([name.clone(), lambda, (*split).to_owned(), count.to_string(), legible(*loss, 6), format!("{accuracy:.6}")]);
    }
    console::columns(&cells).join("\n")
}

fn as_json(rows: &[Row]) -> String {
    let row = |Row { name, lambda, split, evaluation }: &Row| {
        let Evaluation { loss, accuracy, count } = evaluation;
        json!({ "network": name, "lambda": lambda, "split": split, "images": count, "loss": loss, "accuracy": accuracy })
    };
    format!("{:#}", Value::from(rows.iter().map(row).collect::<Vec<Value>>()))
}
