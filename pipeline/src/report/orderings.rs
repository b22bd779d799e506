//! What becomes of a reported order here, where figures themselves need not be comparable.

use std::fmt::Write;

use super::differences::{Differences, Outcome, Side, is_ordered};
use super::summary::SummaryRow;
use crate::identity::Part;

/// Something with a reported accuracy and one of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// What the table calls it.
    pub name: String,
    pub side: Side,
    pub ours: f64,
    pub reported: f64,
}

impl Place {
    /// Of a cell with a reported figure, by the name of its method.
    pub fn of(cell: &SummaryRow) -> Option<Place> {
        let is_judged = cell.metric == "accuracy" && cell.split == Part::Test && !cell.method.is_endpoints();
        let side = Side { pair: cell.pair.clone(), method: cell.method.clone(), models: cell.models };
        is_judged.then_some(Place { name: cell.method.to_string(), side, ours: cell.summary.mean, reported: cell.reported? })
    }
}

/// A reported order, and what becomes of each two that it tells apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The best reported one first.
    pub places: Vec<Place>,
    pub held: usize,
    /// The better reported, the worse reported.
    pub reversed: Vec<(String, String)>,
    pub not_told_apart: Vec<(String, String)>,
}

impl Order {
    /// Of these; `None` where no two reported figures differ by more than rounding.
    pub fn of(mut places: Vec<Place>, differences: &Differences<'_>) -> Option<Order> {
        places.sort_by(|a, b| b.reported.total_cmp(&a.reported).then_with(|| a.name.cmp(&b.name)));
        let mut found = Order { places: Vec::new(), held: 0, reversed: Vec::new(), not_told_apart: Vec::new() };
        for (index, better) in places.iter().enumerate() {
            for worse in places[index + 1..].iter().filter(|worse| is_ordered(better.reported, worse.reported)) {
                let names = || (better.name.clone(), worse.name.clone());
                match differences.outcome(&better.side, &worse.side) {
                    Outcome::Held => found.held += 1,
                    Outcome::Reversed => found.reversed.push(names()),
                    Outcome::NotToldApart => found.not_told_apart.push(names()),
                }
            }
        }
        (found.count() > 0).then_some(Order { places, ..found })
    }

    /// How many pairs the reported figures tell apart.
    pub fn count(&self) -> usize {
        self.held + self.reversed.len() + self.not_told_apart.len()
    }

    /// A sentence on the order of methods.
    pub fn sentence(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(|place| place.name.as_str()).collect();
        let mut text = format!(
            "Reported order by test accuracy: {}. Of the {} pairs of methods whose reported figures differ, {} held here, {} reversed, {} not told \
             apart.",
            names.join(", "),
            self.count(),
            count(self.held, "is", "are"),
            count(self.reversed.len(), "is", "are"),
            count(self.not_told_apart.len(), "is", "are"),
        );
        for (what, pairs) in [("Reversed", &self.reversed), ("Not told apart", &self.not_told_apart)] {
            let pairs: Vec<String> = pairs.iter().map(|(better, worse)| format!("{better} before {worse}")).collect();
            if !pairs.is_empty() {
                let _ = write!(text, " {what}: {}.", pairs.join(", "));
            }
        }
        text
    }
}

fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::super::differences::DifferenceRow;
    use super::*;
    use crate::identity::{MethodLabel, PairName};

    fn place(name: &str, ours: f64, reported: f64) -> Place {
        let side = Side { pair: PairName::new("cifar10", "resnet20"), method: MethodLabel::method(name), models: 5 };
        Place { name: name.to_owned(), side, ours, reported }
    }

    fn row(one: &Place, other: &Place, p_holm: f64) -> DifferenceRow {
        DifferenceRow {
            pair: one.side.pair.clone(),
            method: one.side.method.clone(),
            models: 5,
            other_architecture: "resnet20".to_owned(),
            other_method: other.side.method.clone(),
            other_models: 5,
            split: Part::Test,
            metric: "accuracy".to_owned(),
            tested_by: "mcnemar".to_owned(),
            paired: "images".to_owned(),
            count: 2000,
            difference: one.ours - other.ours,
            low: None,
            high: None,
            p: p_holm,
            p_holm,
            reported: None,
            verdict: String::new(),
            stage: String::new(),
        }
    }

    #[test]
    fn the_sentence_names_what_is_reversed_and_what_is_not_told_apart() {
        let [naive, c2m3, many, other] =
            [place("naive", 0.2, 0.10), place("c2m3", 0.5, 0.40), place("merge-many", 0.6, 0.37), place("other", 0.1, 0.395)];
        // Rows stand either way round.
        let rows = [row(&naive, &c2m3, 0.001), row(&c2m3, &many, 0.001), row(&many, &naive, 0.001), row(&other, &many, 0.2)];
        let found = Order::of(vec![naive, c2m3, many, other], &Differences::new(&rows)).unwrap();
        assert_eq!((found.held, found.count()), (2, 5));
        assert_eq!(
            found.sentence(),
            "Reported order by test accuracy: c2m3, other, merge-many, naive. Of the 5 pairs of methods whose reported figures differ, 2 \
             are held here, 1 is reversed, 2 are not told apart. Reversed: c2m3 before merge-many. Not told apart: other before merge-many, other \
             before naive."
        );
    }

    #[test]
    fn without_two_distinct_figures_there_is_no_order() {
        let none = Differences::default();
        assert!(Order::of(vec![place("naive", 0.2, 0.10)], &none).is_none());
        assert!(Order::of(vec![place("naive", 0.2, 0.10), place("c2m3", 0.2, 0.11)], &none).is_none());
    }
}
