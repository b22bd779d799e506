//! Whether a method's accuracy goes with the number of models, or with their width, as it was reported to, where figures themselves cannot
//! be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::architectures::{ArchitectureRow, Family, families};
use super::differences::Differences;
use super::orderings::{Order, Place};
use super::summary::SummaryRow;
use crate::drawing::{MethodRow, method_rank};
use crate::identity::MethodLabel;
use crate::number;

/// A method's test accuracies along something that grows, where there are reported ones.
struct Trend<'a> {
    method: &'a MethodLabel,
    points: BTreeMap<usize, Place>,
}

/// Along the number of models, for the cells of one pair: a table in Markdown, or nothing where no method has two reported figures.
pub fn along_models(cells: &[&SummaryRow], methods: &[MethodRow], differences: &Differences<'_>) -> String {
    let trends = trends(cells.iter().copied(), methods, |cell| Some(cell.models));
    table("Over the number of models, test accuracy:", "models", &trends, differences)
}

/// Along the width, for the cells of all pairs: a table in Markdown for each data set and family trained alike.
pub fn along_widths(
    cells: &[SummaryRow],
    architectures: &[ArchitectureRow],
    methods: &[MethodRow],
    differences: &Differences<'_>,
) -> String {
    let mut text = String::new();
    for Family { dataset, family, widths, .. } in families(architectures) {
        let of_family: Vec<&SummaryRow> =
            cells.iter().filter(|cell| cell.pair.dataset == dataset && widths.contains_key(&cell.pair.architecture)).collect();
        // Widths are compared at one number of models: the most that all of them merged.
        let counts = |architecture: &str| -> BTreeSet<usize> {
            let merged = of_family.iter().filter(|cell| cell.pair.architecture == architecture && !cell.method.is_endpoints());
            merged.map(|cell| cell.models).collect()
        };
        let shared = widths.keys().map(|architecture| counts(architecture)).reduce(|one, other| &one & &other).unwrap_or_default();
        let Some(most) = shared.last() else { continue };
        let at_most = of_family.into_iter().filter(|cell| cell.models == *most);
        let trends = trends(at_most, methods, |cell| widths.get(&cell.pair.architecture).copied());
        let heading = format!("Over the width of {dataset}'s {family}, test accuracy of {most} models merged:");
        text.push_str(&table(&heading, "widths", &trends, differences));
    }
    if text.is_empty() { text } else { format!("\n## Widths\n{text}") }
}

/// The trends of the methods with at least two reported test accuracies, in the order of the spec.
fn trends<'a>(
    cells: impl Iterator<Item = &'a SummaryRow>,
    methods: &[MethodRow],
    place: impl Fn(&SummaryRow) -> Option<usize>,
) -> Vec<Trend<'a>> {
    let mut trends: BTreeMap<(usize, &MethodLabel), BTreeMap<usize, Place>> = BTreeMap::new();
    for cell in cells {
        if let (Some(along), Some(found)) = (place(cell), Place::of(cell)) {
            let points = trends.entry((method_rank(methods, cell.method.name()), &cell.method)).or_default();
            points.insert(along, Place { name: along.to_string(), ..found });
        }
    }
    trends.into_iter().filter(|(_, points)| points.len() > 1).map(|((_, method), points)| Trend { method, points }).collect()
}

fn table(heading: &str, along: &str, trends: &[Trend<'_>], differences: &Differences<'_>) -> String {
    if trends.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{heading}\n\n| method | {along} | reported | ours | pairs in print | held | reversed | not told apart |\n\
         | --- | --- | --- | --- | ---: | ---: | ---: | ---: |\n"
    );
    for Trend { method, points } in trends {
        let list = |value: fn(&Place) -> f64| -> String {
            points.values().map(|point| number::share(value(point))).collect::<Vec<_>>().join(", ")
        };
        let places: Vec<String> = points.keys().map(usize::to_string).collect();
        let order = Order::of(points.values().cloned().collect(), differences);
        let counts = order.map_or([0; 4], |it| [it.count(), it.held, it.reversed.len(), it.not_told_apart.len()]);
        let counts = counts.map(|count| count.to_string()).join(" | ");
        let (reported, ours) = (list(|point| point.reported), list(|point| point.ours));
        let _ = writeln!(text, "| {method} | {} | {reported} | {ours} | {counts} |", places.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{PairName, Part};
    use crate::statistics::Summary;

    fn cell(method: &str, models: usize, ours: f64, reported: Option<f64>) -> SummaryRow {
        SummaryRow {
            pair: PairName::new("cifar10", "resnet20"),
            method: MethodLabel::method(method),
            models,
            metric: "accuracy",
            split: Part::Test,
            summary: Summary::of(&[ours]).unwrap(),
            reported,
            reported_sd: None,
            verdict: String::new(),
            source: String::new(),
            stage: String::new(),
        }
    }

    #[test]
    fn a_trend_over_models_counts_what_becomes_of_each_two_numbers_that_print_tells_apart() {
        let cells = [
            cell("c2m3", 2, 0.5, Some(0.79)),
            cell("c2m3", 3, 0.4, Some(0.70)),
            cell("c2m3", 4, 0.45, Some(0.60)),
            cell("naive", 2, 0.1, Some(0.1)),
            cell("naive", 3, 0.1, None),
        ];
        let text = along_models(&cells.iter().collect::<Vec<_>>(), &[], &Differences::default());
        let row = "| c2m3 | 2, 3, 4 | 0.7900, 0.7000, 0.6000 | 0.5000, 0.4000, 0.4500 | 3 | 0 | 0 | 3 |";
        assert!(text.contains(row) && !text.contains("naive"), "{text}");
        assert_eq!(along_models(&[&cells[3]], &[], &Differences::default()), "");
    }

    #[test]
    fn a_trend_over_widths_takes_networks_trained_alike_at_the_most_models_that_all_widths_merged() {
        let row = |architecture: &str, width: usize, training: &str| ArchitectureRow {
            pair: PairName::new("cifar10", architecture),
            stands_for: String::new(),
            family: "resnet".to_owned(),
            shape: "depth-20".to_owned(),
            width: Some(width),
            parameters: 1,
            training: training.to_owned(),
        };
        let of = |architecture: &str, models: usize, ours: f64, reported: f64| {
            let mut cell = cell("c2m3", models, ours, Some(reported));
            cell.pair.architecture = architecture.to_owned();
            cell
        };
        let cells = [of("wide", 3, 0.6, 0.8), of("narrow", 3, 0.5, 0.3), of("wide", 5, 0.1, 0.9)];
        let text = along_widths(&cells, &[row("wide", 16, "same"), row("narrow", 8, "same")], &[], &Differences::default());
        assert!(
            text.contains("of 3 models merged") && text.contains("| c2m3 | 8, 16 | 0.3000, 0.8000 | 0.5000, 0.6000 | 1 | 0 | 0 | 1 |"),
            "{text}"
        );
        assert_eq!(along_widths(&cells, &[row("wide", 16, "same"), row("narrow", 8, "longer")], &[], &Differences::default()), "");
    }
}
