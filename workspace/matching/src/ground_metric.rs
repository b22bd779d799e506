use ndarray::{Array1, Array2, Axis, Zip};
use onebasin_network::{Parameter, Weights};
use serde::{Deserialize, Serialize};

use crate::{UnitMap, align};

/// The ground metric of a transport: how far two units are from each other, given the weights they read with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// The Euclidean distance.
    #[default]
    Euclidean,
    /// Its square.
    Squared,
}

/// Kept from zero as the authors' program keeps it.
const NORM_FLOOR: f64 = 1e-9;

/// Distances between the units of two models, from the parameters whose rows they are.
///
/// The incoming weights of a unit are its rows in all `rows` parameters, one after the other, so squared distances add up over
/// parameters. Built as `‖x‖² + ‖y‖² − 2⟨x, y⟩` in `f64`, clamped at 0.
pub(crate) struct Rows {
    fixed_squares: Array1<f64>,
    moving_squares: Array1<f64>,
    products: Array2<f64>,
}

impl Rows {
    /// No weights yet, between `units` units each.
    pub fn new(units: usize) -> Rows {
        Rows { fixed_squares: Array1::zeros(units), moving_squares: Array1::zeros(units), products: Array2::zeros((units, units)) }
    }

    /// Adds the rows of one parameter; `columns` is the moving model's map on the other axis with its block.
    pub fn add(&mut self, parameter: &Parameter, fixed: &Weights, moving: &Weights, columns: Option<(&UnitMap, usize)>) {
        let units = self.fixed_squares.len();
        let mut moved = moving.get(&parameter.name).clone();
        if let Some((map, block)) = columns {
            moved = align::map_columns(moved, map, block);
        }
        let width = moved.len() / units.max(1);
        let fixed = fixed.get(&parameter.name).mapv(f64::from).into_shape_with_order((units, width)).expect("rows of the group");
        let moved = moved.mapv(f64::from).into_shape_with_order((units, width)).expect("rows of the group");
        self.fixed_squares += &fixed.map_axis(Axis(1), |row| row.dot(&row));
        self.moving_squares += &moved.map_axis(Axis(1), |row| row.dot(&row));
        self.products += &fixed.dot(&moved.t());
    }

    /// The cost matrix, [fixed units, moving units].
    pub fn costs(self, ground: Ground, normalise: bool) -> Array2<f64> {
        let Rows { fixed_squares, moving_squares, mut products } = self;
        let scale = |squares: &Array1<f64>| squares.mapv(|square| if normalise { 1.0 / (square.sqrt() + NORM_FLOOR) } else { 1.0 });
        let (fixed_scale, moving_scale) = (scale(&fixed_squares), scale(&moving_squares));
        let (fixed_scale, moving_scale) = (fixed_scale.insert_axis(Axis(1)), moving_scale.insert_axis(Axis(0)));
        let (fixed_squares, moving_squares) = (fixed_squares.insert_axis(Axis(1)), moving_squares.insert_axis(Axis(0)));
        products *= &fixed_scale;
        products *= &moving_scale;
        let squares = (fixed_squares * &fixed_scale * &fixed_scale, moving_squares * &moving_scale * &moving_scale);
        Zip::from(&mut products).and_broadcast(&squares.0).and_broadcast(&squares.1).for_each(|entry, &fixed, &moving| {
            let square = (fixed + moving - 2.0 * *entry).max(0.0);
            *entry = match ground {
                Ground::Euclidean => square.sqrt(),
                Ground::Squared => square,
            };
        });
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, numbers};
    use ndarray::array;
    use onebasin_network::Permutation;

    fn rows(columns: Option<(&UnitMap, usize)>) -> Rows {
        let graph = chain(&[2, 2]);
        let a = numbers(graph.spec(), &[&[0.0, 0.0], &[0.0, 3.0, 1.0, 0.0], &[0.0, 0.0]]);
        let b = numbers(graph.spec(), &[&[0.0, 0.0], &[4.0, 0.0, 1.0, 0.0], &[0.0, 0.0]]);
        let mut rows = Rows::new(2);
        rows.add(&graph.spec().parameters[1], &a, &b, columns);
        rows
    }

    #[test]
    fn distances_between_rows_by_hand() {
        // (0, 3) and (1, 0) against (4, 0) and (1, 0).
        assert_eq!(rows(None).costs(Ground::Squared, false), array![[25.0, 10.0], [9.0, 0.0]]);
        assert_eq!(rows(None).costs(Ground::Euclidean, false), array![[5.0, 10.0f64.sqrt()], [3.0, 0.0]]);
    }

    #[test]
    fn rows_of_length_one_are_two_apart_when_orthogonal() {
        let found = rows(None).costs(Ground::Squared, true);
        for (found, expected) in found.iter().zip([2.0, 2.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-8, "{found} and {expected}");
        }
    }

    #[test]
    fn the_other_axis_is_brought_into_order_first() {
        let swap = UnitMap::Permutation(Permutation::new(vec![1, 0]).unwrap());
        // (0, 3) and (1, 0) against (0, 4) and (0, 1).
        assert_eq!(rows(Some((&swap, 1))).costs(Ground::Squared, false), array![[1.0, 4.0], [17.0, 2.0]]);
    }
}
