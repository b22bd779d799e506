//! Accuracy for each class as a table of coloured cells.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use maud::{Markup, html};

use super::{Tables, number};

/// The accuracy of each class, and its row in the table.
type Cells = BTreeMap<usize, (Option<f64>, usize)>;

/// Those of each network: whether it is merged, and method, number and model.
type Networks<'a> = BTreeMap<(bool, [&'a str; 3]), Cells>;

/// A map for each pair, replicate and split.
pub fn maps(tables: &Tables<'_>) -> Result<Vec<Markup>> {
    let Some(csv) = tables.read("class-accuracy.csv")? else { return Ok(Vec::new()) };
    let [datasets, architectures, methods, replicates, models, model, splits, stages] =
        ["dataset", "architecture", "method", "replicate", "models", "model", "split", "stage"].map(|name| csv.texts(name));
    let (datasets, architectures, methods, replicates) = (datasets?, architectures?, methods?, replicates?);
    let (models, model, splits, stages) = (models?, model?, splits?, stages?);
    let (classes, accuracies) = (csv.wholes("class")?, csv.numbers("accuracy")?);
    let mut maps: BTreeMap<[&str; 4], Networks<'_>> = BTreeMap::new();
    for row in 0..csv.height() {
        let map = maps.entry([&datasets[row], &architectures[row], &splits[row], &replicates[row]]).or_default();
        // End points come first.
        let network = (model[row].is_empty(), [methods[row].as_str(), models[row].as_str(), model[row].as_str()]);
        map.entry(network).or_default().insert(classes[row], (accuracies[row], row));
    }
    let drawn = |([dataset, architecture, split, replicate], rows): ([&str; 4], Networks<'_>)| {
        let classes: BTreeSet<usize> = rows.values().flat_map(BTreeMap::keys).copied().collect();
        html! {
            figure.chart.wide {
                table.map {
                    caption { (dataset) ", " (architecture) ", " (split) ", replicate " (replicate) }
                    thead { tr { th scope="col" { "network" } @for class in &classes { th scope="col" { (class) } } } }
                    tbody { @for ((merged, [method, models, model]), cells) in &rows {
                        tr data-method=(if *merged { *method } else { "" }) {
                            th scope="row" { @if *merged { (method) " of " (models) } @else { (model) } }
                            @for class in &classes {
                                @match cells.get(class).and_then(|(value, row)| Some(((*value)?, *row))) {
                                    Some((value, row)) => td.heat style=(format!("--share:{:.0}%", value * 100.0)) { (number(&format!("{value:.2}"), &stages[row])) },
                                    None => td {},
                                }
                            }
                        }
                    } }
                }
            }
        }
    };
    Ok(maps.into_iter().map(drawn).collect())
}
