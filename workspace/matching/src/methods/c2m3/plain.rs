//! The formulas as they stand, dense and in `f64`: what the carried form is tested against.

use ndarray::{Array2, Array3, Axis, s};
use onebasin_network::{Binding, Parameter, PermutationSpec, Weights};
use onebasin_transport::assignment::maximise;

use super::quartic::Quartic;
use super::soft_permutation::SoftPermutation;

/// For each model and group, a dense matrix [units, slots].
pub type Points = Vec<Vec<Array2<f64>>>;

pub fn dense(points: &[Vec<SoftPermutation>]) -> Points {
    points.iter().map(|model| model.iter().map(SoftPermutation::to_dense).collect()).collect()
}

/// `P ⊗ I` for the whole axis; the identity for one that is not tied.
fn axis_matrix(binding: Option<Binding>, length: usize, point: &[Array2<f64>]) -> Array2<f64> {
    let Some(Binding { group, block }) = binding else { return Array2::eye(length) };
    Array2::from_shape_fn((length, length), |(i, j)| if i % block == j % block { point[group][[i / block, j / block]] } else { 0.0 })
}

/// [rows, columns, spatial].
fn cube(parameter: &Parameter, weights: &Weights) -> Array3<f64> {
    let columns = parameter.shape.get(1).copied().unwrap_or(1);
    let spatial = parameter.shape.iter().skip(2).product::<usize>();
    let values = weights.values(&parameter.name).iter().map(|&value| f64::from(value)).collect();
    Array3::from_shape_vec((parameter.shape[0], columns, spatial), values).unwrap()
}

fn each_place(cube: &Array3<f64>, f: impl Fn(Array2<f64>) -> Array2<f64>) -> Array3<f64> {
    let mut result = cube.clone();
    for place in 0..cube.dim().2 {
        result.slice_mut(s![.., .., place]).assign(&f(cube.index_axis(Axis(2), place).to_owned()));
    }
    result
}

fn matched(spec: &PermutationSpec) -> impl Iterator<Item = &Parameter> {
    spec.parameters.iter().filter(|parameter| parameter.role.is_matched())
}

fn aligned(parameter: &Parameter, weights: &Weights, point: &[Array2<f64>]) -> Array3<f64> {
    let cube = cube(parameter, weights);
    let rows = axis_matrix(parameter.rows, cube.dim().0, point);
    let columns = axis_matrix(parameter.columns, cube.dim().1, point);
    each_place(&cube, |plane| rows.t().dot(&plane).dot(&columns))
}

/// `Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩`, pair by pair.
pub fn objective(spec: &PermutationSpec, models: &[&Weights], points: &Points) -> f64 {
    let mut total = 0.0;
    for parameter in matched(spec) {
        let aligned: Vec<Array3<f64>> = models.iter().zip(points).map(|(weights, point)| aligned(parameter, weights, point)).collect();
        for p in 0..aligned.len() {
            for q in p + 1..aligned.len() {
                total += (&aligned[p] * &aligned[q]).sum();
            }
        }
    }
    total
}

/// `∂f/∂P_group^model`, pair by pair.
pub fn gradient(spec: &PermutationSpec, models: &[&Weights], points: &Points, model: usize, group: usize) -> Array2<f64> {
    let units = spec.groups[group].units;
    let mut total = Array2::zeros((units, units));
    let mut add = |whole: Array2<f64>, block: usize| {
        for ((i, j), value) in whole.indexed_iter().filter(|((i, j), _)| i % block == j % block) {
            total[[i / block, j / block]] += value;
        }
    };
    for parameter in matched(spec) {
        let own = cube(parameter, models[model]);
        let rows = axis_matrix(parameter.rows, own.dim().0, &points[model]);
        let columns = axis_matrix(parameter.columns, own.dim().1, &points[model]);
        for (other, weights) in models.iter().enumerate().filter(|(other, _)| *other != model) {
            let theirs = aligned(parameter, weights, &points[other]);
            for place in 0..own.dim().2 {
                let (own, theirs) = (own.index_axis(Axis(2), place), theirs.index_axis(Axis(2), place));
                if let Some(binding) = parameter.rows.filter(|binding| binding.group == group) {
                    add(own.dot(&columns).dot(&theirs.t()), binding.block);
                }
                if let Some(binding) = parameter.columns.filter(|binding| binding.group == group) {
                    add(own.t().dot(&rows).dot(&theirs), binding.block);
                }
            }
        }
    }
    total
}

/// `(1 − step) · points + step · vertices`.
pub fn mixed(points: &Points, vertices: &Points, step: f64) -> Points {
    let mix = |(point, vertex): (&Array2<f64>, &Array2<f64>)| (1.0 - step) * point + step * vertex;
    points.iter().zip(vertices).map(|(point, vertex)| point.iter().zip(vertex).map(mix).collect()).collect()
}

/// The objective after each of `iterations`, from the identity.
pub fn ascend(spec: &PermutationSpec, models: &[&Weights], iterations: usize) -> Vec<f64> {
    let mut points: Points = vec![spec.groups.iter().map(|group| Array2::eye(group.units)).collect(); models.len()];
    let mut trace = Vec::new();
    for _ in 0..iterations {
        let vertex = |model: usize, group: usize| {
            let best = maximise(gradient(spec, models, &points, model, group).view()).unwrap();
            let mut vertex = Array2::zeros((best.columns.len(), best.columns.len()));
            best.columns.iter().enumerate().for_each(|(unit, &slot)| vertex[[unit, slot as usize]] = 1.0);
            vertex
        };
        let vertices: Points = (0..models.len()).map(|model| (0..spec.groups.len()).map(|group| vertex(model, group)).collect()).collect();
        let values = [0.0, 0.25, 0.5, 0.75, 1.0].map(|step| objective(spec, models, &mixed(&points, &vertices, step)));
        points = mixed(&points, &vertices, through(values).best_step());
        trace.push(objective(spec, models, &points));
    }
    trace
}

/// The quartic with these values at 0, ¼, ½, ¾ and 1.
fn through(values: [f64; 5]) -> Quartic {
    // In the basis α^k (1 − α)^(4−k): five equations, whose solution is worked out by elimination.
    let mut rows: Vec<Vec<f64>> = (0..5)
        .map(|place| {
            let step = f64::from(place) / 4.0;
            let mut row: Vec<f64> = (0..5).map(|k| step.powi(k) * (1.0 - step).powi(4 - k)).collect();
            row.push(values[place as usize]);
            row
        })
        .collect();
    for pivot in 0..5 {
        for row in (0..5).filter(|row| *row != pivot) {
            let factor = rows[row][pivot] / rows[pivot][pivot];
            let from = rows[pivot].clone();
            rows[row].iter_mut().zip(from).for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
    }
    Quartic::from_ends(std::array::from_fn(|k| rows[k][5] / rows[k][k]))
}
