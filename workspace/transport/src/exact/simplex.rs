//! The network simplex on the complete bipartite graph: pivots on a spanning tree of rows and columns.
//!
//! Pricing reads one row at a time in turn and takes its most negative reduced cost, a loop without branches. Cycling is excluded by perturbing
//! the masses symbolically: each row has an infinitesimal more, the last column all of them, so no basic entry is ever exactly zero.
//!
//! It runs in doubles, and what it ends with is then proven. Where costs of very unequal size leave rounding as large as the costs that
//! decide, there is no proof: potentials without rounding go on from there.

use super::fixed::{Exactly, Fixed, Scale};
use super::gauge::duals;
use super::masses::Masses;
use super::proof::{Slack, proven};
use super::start::greedy_basis;
use super::tree::{Potential, Tree};
use crate::TransportError;
use crate::kernels::least;

/// A reduced cost below this share of the numbers it is the difference of is rounding.
const NEGLIGIBLE: f64 = 1e-13;

/// Pivots for each row and column after which doubles only go round in circles. Ten are usual.
const PATIENCE: u64 = 1000;

pub(crate) struct Solution {
    /// The basis, sorted by row, then column; masses may be zero.
    pub entries: Vec<(u32, u32, f64)>,
    pub row_duals: Vec<f64>,
    pub column_duals: Vec<f64>,
}

/// Costs, row after row, and the masses of both sides.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub costs: &'a [f64],
    pub masses: &'a Masses,
}

impl Problem<'_> {
    /// An optimal basis and its potentials.
    ///
    /// # Errors
    /// No optimum within the pivots that any known problem takes.
    pub fn solve(self) -> Result<Solution, TransportError> {
        let Masses { rows, columns, .. } = self.masses;
        if rows.is_empty() || columns.is_empty() {
            return Ok(Solution { entries: Vec::new(), row_duals: vec![0.0; rows.len()], column_duals: vec![0.0; columns.len()] });
        }
        let (tree, slack) = pulp::Arch::new().dispatch(InDoubles(self));
        let total = rows.iter().sum();
        if slack.is_some_and(|slack| proven(slack, total, self.entries(&tree))) {
            let entries = sorted(&tree);
            let (row_duals, column_duals) = tree.into_potentials();
            return Ok(Solution { entries, row_duals, column_duals });
        }
        // A path through all nodes is the longest sum; shifting parts of the plan adds a few of those.
        Scale::of(self.costs.iter().copied(), 8 * (rows.len() + columns.len() + 1)).dispatch(WithoutRounding { problem: self, tree })
    }

    /// Mass, cost and the potentials of each entry of the basis.
    fn entries<'a>(&'a self, tree: &'a Tree<f64>) -> impl Iterator<Item = (f64, f64, f64, f64)> + 'a {
        let width = self.masses.columns.len();
        tree.basis().map(move |(row, column, mass)| {
            let (row, column) = (row as usize, column as usize);
            (mass.real, self.costs[row * width + column], tree.row_potential(row), tree.column_potentials()[column])
        })
    }
}

fn sorted<P: Potential>(tree: &Tree<P>) -> Vec<(u32, u32, f64)> {
    let mut entries: Vec<(u32, u32, f64)> = tree.basis().map(|(row, column, mass)| (row, column, mass.real)).collect();
    entries.sort_unstable_by_key(|(row, column, _)| (*row, *column));
    entries
}

/// From a greedy basis to one that doubles cannot better, and what is left of its proof; nothing when they came to no end.
struct InDoubles<'a>(Problem<'a>);

impl pulp::WithSimd for InDoubles<'_> {
    type Output = (Tree<f64>, Option<Slack>);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Self::Output {
        let Problem { costs, masses } = self.0;
        let (height, width) = (masses.rows.len(), masses.columns.len());
        let mut tree = Tree::new(height, width, greedy_basis(simd, costs, masses));
        tree.refresh_potentials(|entry| costs[entry]);
        let nodes = (height + width) as u64;
        let (mut row, mut idle, mut pivots) = (0, 0, 0_u64);
        let mut exact_potentials = true;
        let mut slack = Slack::NONE;
        while pivots < PATIENCE * nodes {
            let costs_here = &costs[row * width..][..width];
            let entering = least(simd, costs_here, tree.column_potentials());
            let potential = tree.row_potential(row);
            let reduced = entering.value - potential;
            let size = costs_here[entering.column].abs() + tree.column_potentials()[entering.column].abs() + potential.abs();
            if reduced < -NEGLIGIBLE * size {
                tree.pivot(row, entering.column, reduced);
                pivots += 1;
                (idle, exact_potentials, slack) = (0, false, Slack::NONE);
                if pivots.is_multiple_of(nodes) {
                    // Potentials are updated by differences: what a large cost left behind in them must not steer for long.
                    tree.refresh_potentials(|entry| costs[entry]);
                }
            } else {
                idle += 1;
                slack.see(entering.value, potential);
            }
            row = if row + 1 == height { 0 } else { row + 1 };
            if idle == height {
                if exact_potentials {
                    return (tree, Some(slack));
                }
                tree.refresh_potentials(|entry| costs[entry]);
                (idle, exact_potentials, slack) = (0, true, Slack::NONE);
            }
        }
        (tree, None)
    }
}

/// From the basis that doubles found to an optimal one.
struct WithoutRounding<'a> {
    problem: Problem<'a>,
    tree: Tree<f64>,
}

impl<const N: usize> Potential for Fixed<N> {
    const ZERO: Fixed<N> = Fixed::ZERO;

    #[inline(always)]
    fn plus(self, other: Fixed<N>) -> Fixed<N> {
        self.plus(other)
    }

    #[inline(always)]
    fn less(self, other: Fixed<N>) -> Fixed<N> {
        self.less(other)
    }
}

impl Exactly for WithoutRounding<'_> {
    type Output = Result<Solution, TransportError>;

    fn run<const N: usize>(self, scale: Scale) -> Self::Output {
        let WithoutRounding { problem: Problem { costs, masses }, tree } = self;
        let (height, width) = (masses.rows.len(), masses.columns.len());
        let mut tree: Tree<Fixed<N>> = tree.with_potentials();
        tree.refresh_potentials(|entry| Fixed::new(costs[entry], scale));
        let most = PATIENCE * (height + width) as u64;
        let (mut row, mut idle, mut pivots) = (0, 0, 0_u64);
        while idle < height {
            let prices = costs[row * width..][..width].iter().zip(tree.column_potentials());
            let reduced = prices.map(|(cost, potential)| Fixed::new(*cost, scale).less(*potential)).enumerate();
            let (column, value) = reduced.min_by_key(|(_, value)| *value).expect("there is a column");
            let reduced = value.less(tree.row_potential(row));
            if reduced.is_negative() {
                if pivots == most {
                    return Err(TransportError::Unsettled { pivots });
                }
                tree.pivot(row, column, reduced);
                (idle, pivots) = (0, pivots + 1);
            } else {
                idle += 1;
            }
            row = if row + 1 == height { 0 } else { row + 1 };
        }
        let entries = sorted(&tree);
        let (row_duals, column_duals) = duals(costs, &tree, scale);
        Ok(Solution { entries, row_duals, column_duals })
    }
}
