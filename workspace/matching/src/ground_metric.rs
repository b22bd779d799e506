use ndarray::{Array1, Array2, ArrayD, Axis, Zip};
use onebasin_network::{GroupMoments, Parameter, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::align::{self, Side};

/// The ground metric of a transport: how far two units are from each other, given the weights they read with or what they give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// The Euclidean distance.
    #[default]
    Euclidean,
    /// Its square.
    Squared,
    /// One less the cosine, at least 0; 1 from and to a unit that is zero.
    Cosine,
}

/// What a matrix of costs is divided by. An exact plan is the same for any positive factor, so there only the logarithm matters;
/// regularisation and relaxation are in the unit of the costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CostScale {
    /// Nothing.
    #[default]
    None,
    /// Nothing, but `ln(1 + cost)` takes the place of each cost.
    Log,
    /// The greatest cost.
    Max,
    /// The median of all costs; between the middle two their mean.
    Median,
    /// The mean of all costs.
    Mean,
}

impl CostScale {
    /// The costs so scaled; as they are where they would be divided by 0. Costs are at least 0.
    pub(crate) fn apply(self, mut costs: Array2<f64>) -> Array2<f64> {
        let divisor = match self {
            CostScale::None => return costs,
            CostScale::Log => {
                costs.mapv_inplace(f64::ln_1p);
                return costs;
            }
            CostScale::Max => costs.fold(0.0, |most: f64, &cost| most.max(cost)),
            CostScale::Median => median(costs.iter().copied().collect()),
            CostScale::Mean => costs.mean().unwrap_or(0.0),
        };
        if divisor > 0.0 {
            costs /= divisor;
        }
        costs
    }

    /// Whether costs stay as they are.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    pub(crate) fn is_none(&self) -> bool {
        *self == CostScale::None
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Kept from zero as the authors' program keeps it.
const NORM_FLOOR: f64 = 1e-9;

/// Distances between the units of two models, from vectors of which only lengths and inner products are known.
///
/// The vector of a unit is its incoming weights, the rows in all `rows` parameters one after the other, so that squares and products add up
/// over parameters; or what it gives for the same inputs, every image and every pixel a number, of which moments are all that is kept.
/// Distances are built as `‖x‖² + ‖y‖² − 2⟨x, y⟩` in `f64`, clamped at 0.
///
/// Moments of activations hold products summed in single precision over at most 4096 samples at a time. So distances below some thousandths
/// of the vectors' lengths are rounding.
pub(crate) struct Rows {
    fixed_squares: Array1<f64>,
    moving_squares: Array1<f64>,
    products: Array2<f64>,
}

impl Rows {
    /// No weights yet, between so many units of the fixed model and of the moving one.
    pub fn new(fixed: usize, moving: usize) -> Rows {
        Rows { fixed_squares: Array1::zeros(fixed), moving_squares: Array1::zeros(moving), products: Array2::zeros((fixed, moving)) }
    }

    /// What units of the models `fixed` and `moving` give.
    pub fn of_moments(moments: &GroupMoments, fixed: usize, moving: usize) -> Rows {
        Rows {
            fixed_squares: moments.squares[fixed].clone(),
            moving_squares: moments.squares[moving].clone(),
            products: moments.product(fixed, moving),
        }
    }

    /// Adds the rows of one parameter; `columns` is the moving model's map on the other axis with its block.
    pub fn add(&mut self, parameter: &Parameter, fixed: &Weights, moving: &Weights, columns: Option<(Side<'_>, usize)>) {
        let moving = moving.get(&parameter.name);
        match columns {
            Some((map, block)) => self.add_arrays(fixed.get(&parameter.name), &align::map_columns(moving.view(), map, block)),
            None => self.add_arrays(fixed.get(&parameter.name), moving),
        }
    }

    /// Adds the rows of two arrays.
    pub fn add_arrays(&mut self, fixed: &ArrayD<f32>, moved: &ArrayD<f32>) {
        let (fixed_units, moving_units) = self.products.dim();
        let (fixed_width, moving_width) = (fixed.len() / fixed_units.max(1), moved.len() / moving_units.max(1));
        let fixed = fixed.view().into_shape_with_order((fixed_units, fixed_width)).expect("rows of the group");
        let moved = moved.mapv(f64::from).into_shape_with_order((moving_units, moving_width)).expect("rows of the group");
        self.moving_squares += &moved.map_axis(Axis(1), |row| row.dot(&row));
        // Each entry is the same sum wherever rows are cut, so bytes do not depend on the threads.
        let share = fixed_units.div_ceil(rayon::current_num_threads()).max(1);
        let products = self.products.axis_chunks_iter_mut(Axis(0), share).zip(self.fixed_squares.axis_chunks_iter_mut(Axis(0), share));
        let tasks: Vec<_> = fixed.axis_chunks_iter(Axis(0), share).zip(products).collect();
        tasks.into_par_iter().for_each(|(fixed, (mut products, mut squares))| {
            let fixed = fixed.mapv(f64::from);
            squares += &fixed.map_axis(Axis(1), |row| row.dot(&row));
            products += &fixed.dot(&moved.t());
        });
    }

    /// The same with other squares of the moving model's vectors: where columns were mixed, the vectors before say how far they are spread.
    pub fn with_moving_squares(mut self, squares: &[f64]) -> Rows {
        self.moving_squares = Array1::from(squares.to_vec());
        self
    }

    /// The cost matrix, [fixed units, moving units].
    pub fn costs(self, ground: Ground, normalise: bool) -> Array2<f64> {
        let Rows { fixed_squares, moving_squares, mut products } = self;
        let to_unit = normalise || ground == Ground::Cosine;
        let scale = |squares: &Array1<f64>| squares.mapv(|square| if to_unit { 1.0 / (square.sqrt() + NORM_FLOOR) } else { 1.0 });
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
                Ground::Cosine => (1.0 - *entry).max(0.0),
            };
        });
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, numbers, random};
    use ndarray::array;
    use onebasin_network::Permutation;

    fn rows(columns: Option<(Side<'_>, usize)>) -> Rows {
        let graph = chain(&[2, 2]);
        let a = numbers(graph.spec(), &[&[0.0, 0.0], &[0.0, 3.0, 1.0, 0.0], &[0.0, 0.0]]);
        let b = numbers(graph.spec(), &[&[0.0, 0.0], &[4.0, 0.0, 1.0, 0.0], &[0.0, 0.0]]);
        let mut rows = Rows::new(2, 2);
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
    fn distances_have_the_same_bits_whatever_the_threads() {
        let graph = chain(&[150, 37]);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        let costs = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut rows = Rows::new(37, 37);
                rows.add(&graph.spec().parameters[1], &a, &b, None);
                rows.costs(Ground::Euclidean, false)
            })
        };
        assert!([2, 3, 64].iter().all(|&threads| costs(threads) == costs(1)));
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
        let swap = Permutation::new(vec![1, 0]).unwrap();
        // (0, 3) and (1, 0) against (0, 4) and (0, 1).
        assert_eq!(rows(Some((Side::Order(&swap), 1))).costs(Ground::Squared, false), array![[1.0, 4.0], [17.0, 2.0]]);
    }

    #[test]
    fn a_cosine_is_of_directions_alone_and_a_unit_that_is_zero_has_none() {
        let graph = chain(&[3, 2]);
        let a = numbers(graph.spec(), &[&[0.0; 3], &[0.0, 3.0, 0.0, 1.0, 0.0, 0.0], &[0.0; 2]]);
        let b = numbers(graph.spec(), &[&[0.0; 3], &[0.0, 5.0, 0.0, 0.0, 0.0, 0.0], &[0.0; 2]]);
        let mut rows = Rows::new(2, 2);
        rows.add(&graph.spec().parameters[1], &a, &b, None);
        let found = rows.costs(Ground::Cosine, false);
        for (found, expected) in found.iter().zip([0.0, 1.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-8, "{found} and {expected}");
        }
    }

    #[test]
    fn distances_of_activations_come_of_their_moments() {
        // Units give (1, 2) and (3, 0) in the first model, (1, 2) and (0, -1) in the second.
        let mut moments = GroupMoments::zero(2, 2);
        moments.samples = 2;
        moments.squares = vec![array![5.0, 9.0], array![5.0, 1.0]];
        moments.products = vec![array![[5.0, -2.0], [3.0, 0.0]]];
        assert_eq!(Rows::of_moments(&moments, 0, 1).costs(Ground::Squared, false), array![[0.0, 10.0], [8.0, 10.0]]);
        assert_eq!(Rows::of_moments(&moments, 1, 0).costs(Ground::Squared, false), array![[0.0, 8.0], [10.0, 10.0]]);
    }

    #[test]
    fn costs_are_scaled_by_hand() {
        let costs = || array![[0.0, 1.0], [3.0, 4.0]];
        assert_eq!(CostScale::None.apply(costs()), costs());
        assert_eq!(CostScale::Log.apply(costs()), costs().mapv(f64::ln_1p));
        assert_eq!(CostScale::Max.apply(costs()), costs() / 4.0);
        assert_eq!(CostScale::Median.apply(costs()), costs() / 2.0);
        assert_eq!(CostScale::Median.apply(array![[0.0, 1.0, 5.0]]), array![[0.0, 1.0, 5.0]]);
        assert_eq!(CostScale::Mean.apply(costs()), costs() / 2.0);
        for scale in [CostScale::Log, CostScale::Max, CostScale::Median, CostScale::Mean] {
            assert_eq!(scale.apply(array![[0.0, 0.0]]), array![[0.0, 0.0]]);
        }
    }
}
