//! Whether methods come out in the published order, where figures themselves cannot be compared.

use super::summary::SummaryRow;
use crate::identity::Part;

/// Reported accuracies are rounded to two digits: methods closer than this have no order.
const ROUNDING: f64 = 0.0101;

/// The order of the methods of one pair (or of what else figures were reported of) by test accuracy, as reported and as found.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordering {
    /// Methods with a reported figure, the best reported one first: name, ours, reported.
    pub methods: Vec<(String, f64, f64)>,
    /// How many pairs of methods the reported figures tell apart.
    pub ordered: usize,
    /// Those of which the reported worse one is ahead here: better reported, worse reported.
    pub reversed: Vec<(String, String)>,
}

/// The order of the methods among these cells of one pair; `None` where fewer than two of them have a reported test accuracy.
pub fn ordering(cells: &[&SummaryRow]) -> Option<Ordering> {
    let methods: Vec<(String, f64, f64)> = cells
        .iter()
        .filter(|cell| cell.metric == "accuracy" && cell.split == Part::Test && !cell.method.is_endpoints())
        .filter_map(|cell| Some((cell.method.to_string(), cell.summary.mean, cell.reported?)))
        .collect();
    order(methods)
}

/// The order of things by the reported figures: name, ours, reported. `None` where no two reported figures differ by more than rounding.
pub fn order(mut things: Vec<(String, f64, f64)>) -> Option<Ordering> {
    things.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    let mut found = Ordering { methods: things, ordered: 0, reversed: Vec::new() };
    for (place, (better, ours_of_better, reported_of_better)) in found.methods.iter().enumerate() {
        for (worse, ours_of_worse, reported_of_worse) in &found.methods[place + 1..] {
            if reported_of_better - reported_of_worse > ROUNDING {
                found.ordered += 1;
                if ours_of_better <= ours_of_worse {
                    found.reversed.push((better.clone(), worse.clone()));
                }
            }
        }
    }
    (found.ordered > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{MethodLabel, PairName};
    use crate::statistics::Summary;

    fn cell(method: &str, ours: f64, reported: f64) -> SummaryRow {
        SummaryRow {
            pair: PairName::new("cifar10", "resnet20"),
            method: MethodLabel::method(method),
            models: 5,
            metric: "accuracy",
            split: Part::Test,
            summary: Summary::of(&[ours]).unwrap(),
            reported: Some(reported),
            reported_sd: None,
            verdict: String::new(),
            source: String::new(),
            stage: String::new(),
        }
    }

    #[test]
    fn reversed_methods_are_named_and_those_within_rounding_have_no_order() {
        let cells = [cell("naive", 0.2, 0.10), cell("c2m3", 0.5, 0.40), cell("merge-many", 0.6, 0.37), cell("other", 0.1, 0.395)];
        let found = ordering(&cells.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(found.methods.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["c2m3", "other", "merge-many", "naive"]);
        assert_eq!(found.ordered, 5);
        let reversed = [("c2m3", "merge-many"), ("other", "merge-many"), ("other", "naive")];
        assert_eq!(found.reversed, reversed.map(|(better, worse)| (better.to_owned(), worse.to_owned())));
    }

    #[test]
    fn without_two_distinct_figures_there_is_no_order() {
        assert_eq!(ordering(&[&cell("naive", 0.2, 0.10)]), None);
        assert_eq!(ordering(&[&cell("naive", 0.2, 0.10), &cell("c2m3", 0.2, 0.11)]), None);
    }
}
