//! Networks that did not train: their training ended at about the loss of guessing evenly.

use std::collections::{BTreeMap, BTreeSet};

use onebasin_training::CurvePoint;

use crate::identity::{MethodLabel, PairName};
use crate::number;
use crate::table::row;

/// A training that ends above this share of the loss of guessing evenly has learned next to nothing.
const SHARE: f64 = 0.98;

/// A training ends at the mean loss of this last share of its steps, or of so many steps: a single batch says little, and may be of one image.
const TAIL: f64 = 0.1;
const FEWEST: f64 = 5.0;

row! {
    /// A network that did not train: a row of `untrained.csv`. Models stay in the order of the spec.
    pub struct UntrainedRow in "untrained.csv", order |a, b| (&a.pair, a.replicate).cmp(&(&b.pair, b.replicate));
    {
        pair: PairName,
        replicate: usize,
        model: String,
        /// Mean training loss at the end, in nats.
        loss: f64,
        /// The outputs of the network; guessing evenly costs the logarithm of it.
        classes: usize,
        stage: String,
    }
}

/// What stands behind the name of a row of `table.md` that uses a network which did not train, or may not have.
pub const SIGN: char = '†';

/// What of a pair uses networks that did not train, or may not have.
#[derive(Debug, Default)]
pub struct Unlearned {
    models: BTreeSet<(usize, String)>,
    methods: BTreeSet<String>,
}

impl Unlearned {
    /// Such networks, by replicate, and the methods that merge or match one.
    pub fn new<'m>(models: impl IntoIterator<Item = (usize, &'m str)>, methods: &[MethodLabel]) -> Unlearned {
        // A row may stand for all draws of a method.
        let labels = methods.iter().flat_map(|label| [label.to_string(), label.undrawn().to_string()]);
        let models = models.into_iter().map(|(replicate, model)| (replicate, model.to_owned()));
        Unlearned { models: models.collect(), methods: labels.collect() }
    }

    /// The sign for a row of a method, or nothing.
    pub fn sign(&self, method: &MethodLabel) -> String {
        sign(self.methods.contains(&method.to_string()))
    }

    /// The sign for a row of several methods, or nothing.
    pub fn sign_of_any(&self, methods: impl IntoIterator<Item = MethodLabel>) -> String {
        sign(methods.into_iter().any(|method| self.methods.contains(&method.to_string())))
    }

    /// The sign for a row that uses these models of a replicate, or nothing.
    pub fn sign_of<'m>(&self, used: impl IntoIterator<Item = (usize, &'m str)>) -> String {
        sign(used.into_iter().any(|(replicate, model)| self.models.contains(&(replicate, model.to_owned()))))
    }
}

fn sign(is_unlearned: bool) -> String {
    if is_unlearned { format!(" {SIGN}") } else { String::new() }
}

/// The loss at which a training ended, if that is about the loss of guessing evenly among so many classes.
pub fn untrained(curve: &[CurvePoint], classes: usize) -> Option<f64> {
    if classes < 2 {
        return None;
    }
    let steps = curve.last()?.step as f64;
    let end = (steps - FEWEST).min((1.0 - TAIL) * steps);
    let (mut sum, mut count) = (0.0, 0.0);
    let mut before = 0;
    for (index, point) in curve.iter().enumerate() {
        let weight = (point.step - before) as f64;
        before = point.step;
        if point.step as f64 > end || index + 1 == curve.len() {
            (sum, count) = (sum + weight * point.loss, count + weight);
        }
    }
    let loss = sum / count;
    let learned = loss <= SHARE * (classes as f64).ln();
    (!learned).then_some(loss)
}

/// The rows of each pair.
pub fn by_pair(rows: &[UntrainedRow]) -> BTreeMap<&PairName, Vec<&UntrainedRow>> {
    let mut pairs: BTreeMap<&PairName, Vec<&UntrainedRow>> = BTreeMap::new();
    for row in rows {
        pairs.entry(&row.pair).or_default().push(row);
    }
    pairs
}

/// `d (training loss 2.303 of ln 10 = 2.303)`: some of these networks by name, and how many others.
pub fn named<'a>(rows: impl IntoIterator<Item = &'a UntrainedRow>) -> String {
    const MOST: usize = 4;
    let rows: Vec<&UntrainedRow> = rows.into_iter().collect();
    let of_several = rows.iter().any(|row| row.replicate > 0);
    let name = |row: &&UntrainedRow| if of_several { format!("{} of replicate {}", row.model, row.replicate) } else { row.model.clone() };
    let mut names: Vec<String> = rows.iter().take(MOST).map(name).collect();
    if rows.len() > MOST {
        names.push(format!("{} more", rows.len() - MOST));
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let (low, high) = rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| (low.min(row.loss), high.max(row.loss)));
    let [low, high] = [low, high].map(number::shown);
    let losses = if low == high { low } else { format!("{low} to {high}") };
    let classes = rows.first().map_or(0, |row| row.classes);
    format!("{names} ({})", of_guessing(&losses, classes))
}

/// `training loss 2.303 of ln 10 = 2.303`.
fn of_guessing(loss: &str, classes: usize) -> String {
    format!("training loss {loss} of ln {classes} = {}", number::shown((classes as f64).ln()))
}

/// What is said of one network whose training ended at this loss.
pub fn sentence(loss: f64, classes: usize) -> String {
    format!("the network did not train: {} at its end", of_guessing(&number::shown(loss), classes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::MethodName;

    fn curve(losses: &[f64]) -> Vec<CurvePoint> {
        let point = |(index, &loss): (usize, &f64)| CurvePoint { step: 10 * (index + 1), epoch: 0.0, loss, rate: 0.1 };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_training_that_ends_where_guessing_does_is_none() {
        let even = 10f64.ln();
        assert_eq!(untrained(&curve(&[even; 20]), 10), Some(even));
        assert_eq!(untrained(&curve(&[0.981 * even]), 10), Some(0.981 * even));
        assert_eq!(untrained(&curve(&[0.979 * even]), 10), None);
        assert!(untrained(&curve(&[0.1, f64::NAN]), 10).is_some(), "no number is no loss");
        assert_eq!(untrained(&[], 10), None, "nothing is known");
    }

    #[test]
    fn the_end_is_the_mean_of_the_last_tenth_of_the_steps() {
        let mut losses = vec![0.5; 40];
        losses[39] = 3.0;
        assert_eq!(untrained(&curve(&losses), 10), None, "one bad part is not the end");
        losses[36..].fill(2.5);
        assert_eq!(untrained(&curve(&losses), 10), Some(2.5));
        // The last part may be shorter, and counts less.
        let mut points = curve(&[0.5, 0.5, 2.0, 4.0]);
        points[3].step = 31;
        assert_eq!(untrained(&points, 2), Some((10.0 * 2.0 + 4.0) / 11.0));
    }

    #[test]
    fn a_short_training_is_not_judged_by_its_last_batch_alone() {
        let point = |(index, &loss): (usize, &f64)| CurvePoint { step: index + 1, epoch: 0.0, loss, rate: 0.1 };
        let steps = |losses: &[f64]| losses.iter().enumerate().map(point).collect::<Vec<_>>();
        assert_eq!(untrained(&steps(&[2.0, 1.0, 0.8, 0.6, 0.5, 0.4, 4.0]), 10), None, "of one image, say");
        assert_eq!(untrained(&steps(&[0.1, 3.0, 3.0, 3.0, 3.0, 3.0]), 10), Some(3.0));
        assert_eq!(untrained(&steps(&[3.0, 2.0]), 10), Some(2.5), "there are no more");
    }

    #[test]
    fn a_row_has_the_sign_if_it_uses_such_a_network_and_all_draws_of_a_method_if_one_does() {
        let draw: MethodLabel = MethodName { draw: Some(2), ..MethodName::new("weights") }.into();
        let unlearned = Unlearned::new([(1, "b")], std::slice::from_ref(&draw));
        assert_eq!([&draw, &draw.undrawn(), &MethodLabel::method("naive")].map(|label| unlearned.sign(label)), [" †", " †", ""]);
        assert_eq!([(1, "b"), (0, "b"), (1, "a")].map(|model| unlearned.sign_of([model])), [" †", "", ""]);
        let any = |names: [&str; 2]| unlearned.sign_of_any(names.map(MethodLabel::method));
        assert_eq!((any(["naive", "weights"]), any(["naive", "other"])), (" †".to_owned(), String::new()));
        assert_eq!(Unlearned::default().sign(&draw), "");
    }

    #[test]
    fn networks_are_named_with_their_replicate_where_there_are_several() {
        let row = |replicate, model: &str, loss| UntrainedRow {
            pair: PairName::new("digits", "mlp"),
            replicate,
            model: model.to_owned(),
            loss,
            classes: 10,
            stage: String::new(),
        };
        assert_eq!(named(&[row(0, "d", 10f64.ln())]), "d (training loss 2.303 of ln 10 = 2.303)");
        let two = [row(0, "b", 2.3), row(1, "d", 2.4)];
        assert_eq!(named(&two), "b of replicate 0 and d of replicate 1 (training loss 2.300 to 2.400 of ln 10 = 2.303)");
        let many = ["a", "b", "c", "d", "e", "f"].map(|model| row(0, model, 2.5));
        assert_eq!(named(&many), "a, b, c, d and 2 more (training loss 2.500 of ln 10 = 2.303)");
    }
}
