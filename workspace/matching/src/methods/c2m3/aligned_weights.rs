//! One model's parameters in the universe, carried from step to step.
//!
//! A step mixes `P` with a permutation `Π`, and products with a permutation are gathers:
//! `W P → (1 − α) W P + α W Π`, `Pᵀ W → (1 − α) Pᵀ W + α Πᵀ W`, and, with the two old sides,
//! `PᵀWP → (1 − α)² PᵀWP + α (1 − α) (Πᵀ (W P) + (Pᵀ W) Π) + α² ΠᵀWΠ`.
//! The weights of each sum are those of a mean, so old rounding errors shrink by `1 − α` and each step adds its own:
//! after `k` steps entries are off by at most about `k` roundings of the greatest weight. Steps are multiples of [`GRAIN`], so that `α` and `1 − α`
//! are exact in `f32` and the errors lean to no side.

use ndarray::{Array2, ArrayView2};
use onebasin_network::{Threads, Weights, multiply_add};

use super::layout::{Cross, Flat, Layout};
use super::soft_permutation::SoftPermutation;

/// What steps are multiples of: the spacing of `f32` below 1.
pub(crate) const GRAIN: f64 = 1.0 / 16_777_216.0;

/// Terms of a mixture below this weight are beyond single precision, whatever their matrices.
const NEGLIGIBLE: f64 = 1e-12;

/// A model, its point and its aligned weights.
#[derive(Clone, Debug)]
pub(crate) struct AlignedWeights {
    /// The point, one matrix for each group.
    pub point: Vec<SoftPermutation>,
    /// Whether the model stays where it started.
    pub held: bool,
    pub flats: Vec<AlignedFlat>,
    pub crosses: Vec<AlignedCross>,
}

/// Of a [`Flat`]: `W` and `Pᵀ W`.
#[derive(Clone, Debug)]
pub(crate) struct AlignedFlat {
    pub weights: Vec<f32>,
    pub aligned: Vec<f32>,
}

/// Of a [`Cross`]: `W`, `P_rᵀ W`, `W P_c` and `P_rᵀ W P_c`. The sides of a held model are left empty.
#[derive(Clone, Debug)]
pub(crate) struct AlignedCross {
    pub weights: Vec<f32>,
    pub left: Vec<f32>,
    pub right: Vec<f32>,
    pub aligned: Vec<f32>,
}

impl AlignedWeights {
    /// Packs a model; they are not aligned until [`AlignedWeights::compute`].
    pub fn new(layout: &Layout, weights: &Weights, point: Vec<SoftPermutation>, held: bool) -> AlignedWeights {
        let flat = |flat: &Flat| AlignedFlat { weights: flat.pack(weights), aligned: Vec::new() };
        let cross = |cross: &Cross| AlignedCross { weights: cross.pack(weights), left: Vec::new(), right: Vec::new(), aligned: Vec::new() };
        AlignedWeights { point, held, flats: layout.flats.iter().map(flat).collect(), crosses: layout.crosses.iter().map(cross).collect() }
    }

    /// All aligned weights from the weights and the point alone, with sums in `f64`.
    pub fn compute(&mut self, layout: &Layout) {
        for (flat, held) in layout.flats.iter().zip(&mut self.flats) {
            held.aligned = rows_by(&self.point[flat.group], &held.weights, flat.units, flat.width);
        }
        for (cross, held) in layout.crosses.iter().zip(&mut self.crosses) {
            let (rows, columns) = (&self.point[cross.row_group], &self.point[cross.column_group]);
            let right = columns_by(columns, &held.weights, cross.columns);
            held.aligned = rows_by(rows, &right, cross.rows, cross.row_length());
            if !self.held {
                held.left = rows_by(rows, &held.weights, cross.rows, cross.row_length());
                held.right = right;
            }
        }
    }
}

impl AlignedFlat {
    /// A step towards the permutation with these units in the slots.
    #[inline(always)]
    pub fn advance(&mut self, flat: &Flat, units: &[u32], step: f64) {
        let (stay, go) = ((1.0 - step) as f32, step as f32);
        for (aligned, &unit) in self.aligned.chunks_exact_mut(flat.width).zip(units) {
            let vertex = &self.weights[unit as usize * flat.width..][..flat.width];
            for (aligned, &vertex) in aligned.iter_mut().zip(vertex) {
                *aligned = stay * *aligned + go * vertex;
            }
        }
    }
}

impl AlignedCross {
    /// A step of both axes.
    #[inline(always)]
    pub fn advance(&mut self, cross: &Cross, row_units: &[u32], column_units: &[u32], step: f64) {
        let (stay, go) = ((1.0 - step) as f32, step as f32);
        let (both_stay, one_goes, both_go) = ((1.0 - step) * (1.0 - step), step * (1.0 - step), step * step);
        for (slot, &unit) in row_units.iter().enumerate() {
            for place in 0..cross.depth {
                let here = (slot * cross.depth + place) * cross.columns;
                let there = (unit as usize * cross.depth + place) * cross.columns;
                let aligned = &mut self.aligned[here..][..cross.columns];
                let left = &mut self.left[here..][..cross.columns];
                let right = &mut self.right[there..][..cross.columns];
                let weights = &self.weights[there..][..cross.columns];
                for ((aligned, right), &column) in aligned.iter_mut().zip(right.iter_mut()).zip(column_units) {
                    let vertex = weights[column as usize];
                    let sides = f64::from(*right) + f64::from(left[column as usize]);
                    *aligned = (both_stay * f64::from(*aligned) + one_goes * sides + both_go * f64::from(vertex)) as f32;
                    *right = stay * *right + go * vertex;
                }
                for (left, &weight) in left.iter_mut().zip(weights) {
                    *left = stay * *left + go * weight;
                }
            }
        }
    }
}

/// `Pᵀ W` for `W` of shape [units, width].
fn rows_by(point: &SoftPermutation, weights: &[f32], units: usize, width: usize) -> Vec<f32> {
    let base = base_product(point, |base| {
        let mut product = Array2::zeros((units, width));
        multiply_add(1.0, base.t(), view(weights, units, width), 0.0, product.view_mut(), Threads::One);
        product
    });
    let mut aligned = Vec::with_capacity(weights.len());
    let mut sums = vec![0.0; width];
    for slot in 0..units {
        start_row(&mut sums, base.as_ref(), slot);
        for (weight, units) in point.vertices(NEGLIGIBLE) {
            let source = &weights[units[slot] as usize * width..][..width];
            sums.iter_mut().zip(source).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        aligned.extend(sums.iter().map(|&sum| sum as f32));
    }
    aligned
}

/// `W P` for `W` of shape [rows, columns].
fn columns_by(point: &SoftPermutation, weights: &[f32], columns: usize) -> Vec<f32> {
    let rows = weights.len() / columns.max(1);
    let base = base_product(point, |base| {
        let mut product = Array2::zeros((rows, columns));
        multiply_add(1.0, view(weights, rows, columns), base, 0.0, product.view_mut(), Threads::One);
        product
    });
    let mut aligned = Vec::with_capacity(weights.len());
    let mut sums = vec![0.0; columns];
    for (row, source) in weights.chunks_exact(columns).enumerate() {
        start_row(&mut sums, base.as_ref(), row);
        for (weight, units) in point.vertices(NEGLIGIBLE) {
            sums.iter_mut().zip(units).for_each(|(sum, &unit)| *sum += weight * f64::from(source[unit as usize]));
        }
        aligned.extend(sums.iter().map(|&sum| sum as f32));
    }
    aligned
}

/// The part of a product that comes from the dense matrix of the start, with its weight.
fn base_product(point: &SoftPermutation, product: impl Fn(ArrayView2<'_, f32>) -> Array2<f32>) -> Option<(f64, Array2<f32>)> {
    let (weight, base) = point.base(NEGLIGIBLE)?;
    Some((weight, product(base.mapv(|value| value as f32).view())))
}

fn start_row(sums: &mut [f64], base: Option<&(f64, Array2<f32>)>, row: usize) {
    match base {
        None => sums.fill(0.0),
        Some((weight, product)) => {
            sums.iter_mut().zip(product.row(row)).for_each(|(sum, &value)| *sum = weight * f64::from(value));
        }
    }
}

fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("packed by the layout")
}
