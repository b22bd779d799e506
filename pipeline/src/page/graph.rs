//! The plan as a picture that folds: a box for each kind of stage, which opens to the stages themselves.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::stages::Stages;

const BOX: (f64, f64) = (132.0, 40.0);
const GAP: (f64, f64) = (36.0, 14.0);

/// The section.
pub fn section(stages: &Stages) -> Markup {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    let mut edges: BTreeSet<(&str, &str)> = BTreeSet::new();
    for stage in &stages.stages {
        let count = counts.entry(&stage.kind).or_default();
        if *count == 0 {
            order.push(&stage.kind);
        }
        *count += 1;
        edges.extend(
            stage.inputs.iter().map(|&input| (stages.stages[input].kind.as_str(), stage.kind.as_str())).filter(|(from, to)| from != to),
        );
    }
    let levels = levels(&order, &edges);
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for &kind in &order {
        let row = rows.entry(levels[kind]).or_default();
        places.insert(kind, (levels[kind] as f64 * (BOX.0 + GAP.0) + 2.0, *row as f64 * (BOX.1 + GAP.1) + 2.0));
        *row += 1;
    }
    let width = (levels.values().max().copied().unwrap_or(0) + 1) as f64 * (BOX.0 + GAP.0) - GAP.0 + 4.0;
    let height = rows.values().max().copied().unwrap_or(1) as f64 * (BOX.1 + GAP.1) - GAP.1 + 4.0;
    html! {
        section id="stages" aria-labelledby="stages-title" {
            h2 id="stages-title" { "Stages" }
            p { (stages.stages.len()) " stages. A box opens the stages of its kind." }
            div.wide { svg.graph viewBox=(format!("0 0 {width} {height}")) style=(format!("width:{width}px")) role="group" aria-label="How kinds of stages follow from each other" {
                @for (from, to) in &edges {
                    @let ((x1, y1), (x2, y2)) = (places[from], places[to]);
                    @let (x1, y1, y2) = (x1 + BOX.0, y1 + BOX.1 / 2.0, y2 + BOX.1 / 2.0);
                    path.edge d=(format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + GAP.0 / 2.0, x2 - GAP.0 / 2.0)) {}
                }
                @for kind in &order {
                    @let (x, y) = places[kind];
                    a href={ "#kind-" (kind) } {
                        rect.kind x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="6" {}
                        text x=(x + BOX.0 / 2.0) y=(y + 18.0) text-anchor="middle" { (kind) }
                        text.tick x=(x + BOX.0 / 2.0) y=(y + 33.0) text-anchor="middle" { (counts[kind]) }
                    }
                }
            } }
            @for kind in &order { details.kind id={ "kind-" (kind) } data-kind=(kind) { summary { (kind) ": " (counts[kind]) } ul {} } }
        }
    }
}

/// How many steps a kind is away from what needs nothing. Kinds that need each other in turn stay where the walk first ends.
fn levels<'a>(order: &[&'a str], edges: &BTreeSet<(&'a str, &'a str)>) -> BTreeMap<&'a str, usize> {
    let mut levels: BTreeMap<&str, usize> = order.iter().map(|kind| (*kind, 0)).collect();
    for _ in 0..order.len() {
        for (from, to) in edges {
            let next = (levels[from] + 1).min(order.len() - 1);
            if levels[to] < next {
                levels.insert(to, next);
            }
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_stands_behind_everything_it_needs_and_a_circle_ends() {
        let edges = BTreeSet::from([("train", "align"), ("align", "merge"), ("train", "merge")]);
        assert_eq!(levels(&["train", "align", "merge"], &edges), BTreeMap::from([("train", 0), ("align", 1), ("merge", 2)]));
        // Rounds train what was merged.
        let circle = BTreeSet::from([("train", "merge"), ("merge", "train")]);
        assert!(levels(&["train", "merge"], &circle).values().all(|&level| level <= 1));
    }
}
