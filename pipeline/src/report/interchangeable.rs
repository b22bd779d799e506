//! Methods that are draws of one thing: their names are those of other people's networks, so their spread and ranks are compared, not
//! single figures.

use std::fmt::Write;

use super::differences::{Differences, Outcome};
use super::orderings::Place;
use super::summary::SummaryRow;
use crate::comparison::Comparison;
use crate::number;
use crate::statistics::Summary;

/// Sentences on each group of interchangeable methods among the cells of one pair; nothing where print has none of them.
pub fn sentences(cells: &[&SummaryRow], comparison: &Comparison, differences: &Differences<'_>) -> String {
    let places: Vec<Place> = cells.iter().filter_map(|cell| Place::of(cell)).collect();
    let mut text = String::new();
    for group in &comparison.interchangeable {
        let (members, others): (Vec<&Place>, Vec<&Place>) = places.iter().partition(|place| group.contains(&place.name));
        if members.len() < 2 {
            continue;
        }
        let names: Vec<String> = members.iter().map(|place| format!("`{}`", place.name)).collect();
        let _ = writeln!(
            text,
            "{} are draws of one thing, whose single figures are not compared. Test accuracies reported: {}; here: {}.",
            names.join(", "),
            spread(members.iter().map(|place| place.reported)),
            spread(members.iter().map(|place| place.ours)),
        );
        for other in others {
            let print = members.iter().filter(|member| other.reported > member.reported).count();
            let of = |outcome: Outcome| members.iter().filter(|member| differences.outcome(&other.side, &member.side) == outcome).count();
            let _ = writeln!(
                text,
                "`{}` is above {print} of the {} in print; here it is ahead of {}, behind {}, not told apart from {}.",
                other.name,
                members.len(),
                of(Outcome::Held),
                of(Outcome::Reversed),
                of(Outcome::NotToldApart),
            );
        }
        text.push('\n');
    }
    text
}

/// `0.6532 to 0.7881, standard deviation 0.0587`.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let deviation = Summary::of(&values).and_then(|summary| summary.deviation).unwrap_or_default();
    format!("{} to {}, standard deviation {}", number::share(least), number::share(most), number::spread(deviation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{MethodLabel, PairName, Part};

    #[test]
    fn draws_are_compared_by_their_spread_and_another_method_by_its_rank_among_them() {
        let cell = |method: &str, ours: f64, reported: f64| SummaryRow {
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
        };
        let cells = [cell("to-a", 0.4, 0.7), cell("to-b", 0.5, 0.6), cell("joint", 0.45, 0.65)];
        let group = vec!["to-a".to_owned(), "to-b".to_owned()];
        let comparison = Comparison { interchangeable: vec![group], ..Comparison::default() };
        let text = sentences(&cells.iter().collect::<Vec<_>>(), &comparison, &Differences::default());
        assert!(text.contains("reported: 0.6000 to 0.7000, standard deviation 0.07"), "{text}");
        assert!(text.contains("`joint` is above 1 of the 2 in print; here it is ahead of 0, behind 0, not told apart from 2."), "{text}");
        assert_eq!(sentences(&[&cells[2]], &comparison, &Differences::default()), "");
    }
}
