//! How far the figures of two results folders lie apart, beside how far their replicates do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A figure that is another one, over all replicates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// What it is about, without the replicate.
    pub key: Vec<String>,
    /// The column.
    pub column: String,
    /// Its means.
    pub means: [f64; 2],
    /// The greater of the two standard deviations over replicates; `None` where a folder has one replicate.
    pub spread: Option<f64>,
    /// How many there are of each.
    pub replicates: [usize; 2],
}

impl Moved {
    /// Whether the means lie further apart than replicates spread; `None` where that is not known.
    pub fn is_beyond(&self) -> Option<bool> {
        self.spread.map(|spread| (self.means[1] - self.means[0]).abs() > spread)
    }

    /// For a line.
    pub fn text(&self) -> String {
        let [one, two] = self.means;
        // As many decimals as tell the means apart.
        let decimals = (4..12).find(|&decimals| format!("{one:.decimals$}") != format!("{two:.decimals$}")).unwrap_or(4);
        let short = |number: f64| format!("{number:.decimals$}");
        let beside = match (self.spread, self.is_beyond()) {
            (Some(spread), Some(true)) => format!("beyond the spread {} over replicates", short(spread)),
            (Some(spread), _) => format!("within the spread {} over replicates", short(spread)),
            (None, _) => "one replicate: its spread is not known".to_owned(),
        };
        let moved = two - one;
        let sign = if moved >= 0.0 { "+" } else { "" };
        format!("{}: {} {} to {} ({sign}{}), {beside}", self.key.join(" "), self.column, short(one), short(two), short(moved))
    }
}

/// Rows of one table, without the cell of the replicate, by what they are about: for each column, the figure of each replicate.
pub type ByKey = BTreeMap<Vec<String>, BTreeMap<String, Vec<f64>>>;

/// The figures whose means differ.
pub fn moved(first: &ByKey, second: &ByKey) -> Vec<Moved> {
    let mut all = Vec::new();
    for (key, one) in first {
        let Some(two) = second.get(key) else { continue };
        for column in one.keys().chain(two.keys()).collect::<BTreeSet<_>>() {
            let (Some(one), Some(two)) = (one.get(column), two.get(column)) else { continue };
            let means = [mean(one), mean(two)];
            if one != two && means[0].is_finite() && means[1].is_finite() {
                let spread = deviation(one).zip(deviation(two)).map(|(one, two)| one.max(two));
                let replicates = [one.len(), two.len()];
                all.push(Moved { key: key.clone(), column: column.clone(), means, spread, replicates });
            }
        }
    }
    all
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The standard deviation of a sample; `None` of one number.
fn deviation(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers);
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (numbers.len() > 1).then(|| (squares / (numbers.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(numbers: &[f64]) -> ByKey {
        [(vec!["c2m3".to_owned()], [("accuracy".to_owned(), numbers.to_vec())].into())].into()
    }

    #[test]
    fn a_move_is_held_beside_the_spread_of_replicates() {
        let of = |one: &[f64], two: &[f64]| moved(&table(one), &table(two));
        assert!(of(&[0.5, 0.6], &[0.5, 0.6]).is_empty());
        let within = of(&[0.5, 0.6], &[0.52, 0.62]);
        assert_eq!(within[0].is_beyond(), Some(false));
        assert_eq!(within[0].text(), "c2m3: accuracy 0.5500 to 0.5700 (+0.0200), within the spread 0.0707 over replicates");
        assert_eq!(of(&[0.5, 0.6], &[0.7, 0.8])[0].is_beyond(), Some(true));
        let alone = of(&[0.5], &[0.4]);
        assert_eq!(alone[0].is_beyond(), None);
        assert!(alone[0].text().ends_with("(-0.1000), one replicate: its spread is not known"), "{}", alone[0].text());
    }
}
