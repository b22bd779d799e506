//! Barriers as shares of what there is to lose: of the loss of guessing evenly less that of the ends.
//!
//! A barrier of half a nat is small between networks that guess, and ruin between good ones.

use onebasin_matching::barrier;

use crate::identity::{MethodLabel, PairName, Part};
use crate::measurements::{BarrierRow, ClassRow};
use crate::spec::BarrierOver;
use crate::table::Tables;

/// With less than this share of the loss of guessing evenly to lose, the ends guess and a share would say nothing.
const LEAST: f64 = 0.02;

/// The mean barrier over the lines of a method on a split, over ln C less the mean loss of their ends, for C classes. `None` without lines, or
/// where the ends guess.
pub fn share(pair: &PairName, method: &MethodLabel, split: Part, over: BarrierOver, tables: &Tables) -> Option<f64> {
    let classes = tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset).count();
    let guessing = (classes as f64).ln();
    let (mut height, mut ends, mut lines) = (0.0, 0.0, 0.0);
    let is_asked = |row: &BarrierRow| row.key.pair == *pair && row.key.method == *method && row.split == split;
    for points in tables.of::<BarrierRow>().chunk_by(BarrierRow::is_on_line_of).filter(|points| is_asked(&points[0])) {
        let [lambdas, losses] =
            [(|row| row.lambda) as fn(&BarrierRow) -> f64, |row| row.loss].map(|of| points.iter().map(of).collect::<Vec<_>>());
        let found = barrier(&lambdas, &losses).ok()?;
        height += match over {
            BarrierOver::Line => found.line,
            BarrierOver::Mean => found.mean,
        };
        ends += 0.5 * (losses.first()? + losses.last()?);
        lines += 1.0;
    }
    let to_lose = guessing - ends / lines;
    (to_lose > LEAST * guessing).then(|| height / lines / to_lose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ResultKey;

    fn pair() -> PairName {
        PairName::new("digits", "mlp")
    }

    fn tables(lines: &[[f64; 3]]) -> Tables {
        let mut tables = Tables::default();
        tables.extend((0..10).map(|label| ClassRow {
            dataset: "digits".to_owned(),
            label,
            class: String::new(),
            train: 100,
            test: 10,
            stage: String::new(),
        }));
        for (place, losses) in lines.iter().enumerate() {
            tables.extend(losses.iter().enumerate().map(|(point, &loss)| BarrierRow {
                key: ResultKey { pair: pair(), method: MethodLabel::method("naive"), replicate: 0 },
                fixed: "a".to_owned(),
                permutee: place.to_string(),
                split: Part::Test,
                lambda: 0.5 * point as f64,
                loss,
                accuracy: 0.5,
                stage: String::new(),
            }));
        }
        tables
    }

    fn shares(lines: &[[f64; 3]]) -> [Option<f64>; 2] {
        let tables = tables(lines);
        [BarrierOver::Line, BarrierOver::Mean].map(|over| share(&pair(), &MethodLabel::method("naive"), Part::Test, over, &tables))
    }

    #[test]
    fn all_that_there_was_to_lose_is_a_share_of_one() {
        let even = 10f64.ln();
        let [line, mean] = shares(&[[0.1, even, 0.1], [0.3, even, 0.3]]);
        assert!((line.unwrap() - 1.0).abs() < 1e-12 && line == mean);
        // The middle lies 0.8 over both: the line is there as high as the mean.
        let [line, mean] = shares(&[[0.1, 1.1, 0.5], [0.1, 1.1, 0.5]]);
        assert!((line.unwrap() - 0.8 / (even - 0.3)).abs() < 1e-12 && (mean.unwrap() - 0.8 / (even - 0.3)).abs() < 1e-12);
        let [line, mean] = shares(&[[0.1, 0.2, 0.5]]);
        assert!(line == Some(0.0) && (mean.unwrap() - 0.2 / (even - 0.3)).abs() < 1e-12);
    }

    #[test]
    fn between_networks_that_guess_there_is_nothing_to_lose() {
        assert_eq!(shares(&[[2.3, 2.5, 2.3]]), [None; 2]);
        assert_eq!(shares(&[[2.9, 3.5, 2.9]]), [None; 2]);
        assert_eq!(shares(&[]), [None; 2]);
    }
}
