//! All models at one point of the ascent.

use std::cell::RefCell;

use ndarray::{Array2, ArrayView2};
use onebasin_network::{Permutation, PermutationSpec, Threads, Weights, multiply_add};
use onebasin_transport::assignment::{self, Solver};
use rayon::prelude::*;

use super::aligned_weights::AlignedWeights;
use super::layout::Layout;
use super::line_search::{Chunk, Norms, agreement};
use super::quartic::Quartic;
use super::soft_permutation::SoftPermutation;
use crate::{Certificate, MatchingError};

/// Rows that one task of the line search takes.
const ROWS: usize = 16;

/// For each model and group, the unit of each slot; empty for a model that is held.
pub(crate) type Vertices = Vec<Vec<Vec<u32>>>;

/// The aligned models in the universe, their sum, and the objective there.
///
/// Memory: four times the weights tied by both axes and twice the others, for each model; a gradient for each thread.
#[derive(Clone, Debug)]
pub(crate) struct Universe {
    names: Vec<String>,
    layout: Layout,
    models: Vec<AlignedWeights>,
    /// `Σ_p U^p` of each flat, then of each cross.
    flat_sums: Vec<Vec<f32>>,
    cross_sums: Vec<Vec<f32>>,
    constant: f64,
    objective: f64,
    own: f64,
}

/// The warm assignment solvers of all models and groups.
pub(crate) struct Solvers(Vec<Vec<Solver>>);

impl Universe {
    /// Aligned weights of `models` at `start`; those for which `held` says so stay there.
    pub fn new(spec: &PermutationSpec, models: &[&Weights], start: Vec<Vec<SoftPermutation>>, held: impl Fn(usize) -> bool) -> Universe {
        let layout = Layout::new(spec);
        let points = models.iter().zip(start).enumerate();
        let models_at = points.map(|(model, (weights, point))| AlignedWeights::new(&layout, weights, point, held(model))).collect();
        let flat_sums = layout.flats.iter().map(|flat| vec![0.0; flat.units * flat.width]).collect();
        let cross_sums = layout.crosses.iter().map(|cross| vec![0.0; cross.rows * cross.row_length()]).collect();
        let names = spec.groups.iter().map(|group| group.name.clone()).collect();
        let constant = layout.constant(models);
        let mut universe = Universe { names, layout, models: models_at, flat_sums, cross_sums, constant, objective: 0.0, own: 1.0 };
        universe.refresh();
        universe
    }

    /// Weighs every model's own norm in the gradients from here on, which become those of `½ Σ_ℓ (‖S_ℓ‖² − own Σ_p ‖U_ℓ^p‖²)`, `S` being the sum of
    /// the aligned models. With 1, as at first, that is the objective. Permutations keep norms, so among them nothing but a constant changes.
    /// Between them a greater weight favours soft matrices, a smaller one hard ones. The line search stays that of the objective.
    pub fn weigh_own(&mut self, own: f64) {
        self.own = own;
    }

    /// Solvers that have seen nothing yet.
    pub fn solvers(&self) -> Solvers {
        let of = |aligned: &AlignedWeights| {
            if aligned.held { Vec::new() } else { self.layout.units.iter().map(|&units| Solver::new(units)).collect() }
        };
        Solvers(self.models.iter().map(of).collect())
    }

    /// `Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩` here, over all matched parameters.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// The matrix of a model and group here, [units of the model, slots].
    pub fn point(&self, model: usize, group: usize) -> Array2<f64> {
        self.models[model].point[group].to_dense()
    }

    /// Aligns all models anew from weights and points.
    pub fn refresh(&mut self) {
        let layout = &self.layout;
        self.models.par_iter_mut().for_each(|aligned| aligned.compute(layout));
        self.sum();
    }

    /// The gradient by `P`, [units of the model, slots]: the sum over all parameters tied to the group of
    /// `(W P_c) Rᵀ` by rows and `(P_rᵀ W)ᵀ R` by columns, `R` being the sum of the other aligned models
    /// (less what [`Universe::weigh_own`] adds of its own).
    ///
    /// Source: C²M³ (arXiv 2405.17897), algorithm 1, with the sum over other models pulled into `R`, which makes it linear in their number.
    pub fn gradient(&self, model: usize, group: usize) -> Array2<f32> {
        let aligned = &self.models[model];
        let units = self.layout.units[group];
        let mut gradient = Array2::zeros((units, units));
        let mut add = |left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>| {
            multiply_add(1.0, left, right, 1.0, gradient.view_mut(), Threads::One);
        };
        for ((flat, held), sum) in self.layout.flats.iter().zip(&aligned.flats).zip(&self.flat_sums) {
            if flat.group == group {
                with_difference(sum, &held.aligned, self.own as f32, |others| add(flat.matrix(&held.weights), flat.matrix(others).t()));
            }
        }
        for ((cross, held), sum) in self.layout.crosses.iter().zip(&aligned.crosses).zip(&self.cross_sums) {
            if cross.row_group != group && cross.column_group != group {
                continue;
            }
            with_difference(sum, &held.aligned, self.own as f32, |others| {
                if cross.row_group == group {
                    add(cross.by_rows(&held.right), cross.by_rows(others).t());
                }
                if cross.column_group == group {
                    add(cross.by_columns(&held.left).t(), cross.by_columns(others));
                }
            });
        }
        gradient
    }

    /// How many operations the products of all gradients of an iteration take, a multiplication and an addition counted as two.
    pub fn operations(&self) -> f64 {
        self.models.iter().filter(|aligned| !aligned.held).count() as f64 * self.layout.operations()
    }

    /// The permutations that gain most along the gradient: one assignment for each model and group, side by side.
    ///
    /// # Errors
    /// A gradient beyond single precision.
    pub fn vertices(&self, solvers: &mut Solvers) -> Result<Vertices, MatchingError> {
        let tasks: Vec<(usize, usize, &mut Solver)> = (solvers.0.iter_mut().enumerate())
            .flat_map(|(model, solvers)| solvers.iter_mut().enumerate().map(move |(group, solver)| (model, group, solver)))
            .collect();
        let solve = |(model, group, solver): (usize, usize, &mut Solver)| {
            let gain = self.gradient(model, group);
            (model, group, solver.maximise(gain.view()).map(|best| slots(&best.columns)))
        };
        let solved: Vec<_> = tasks.into_par_iter().with_max_len(1).map(solve).collect();
        let mut vertices: Vertices = vec![Vec::new(); self.models.len()];
        for (model, group, units) in solved {
            vertices[model].push(units.map_err(|source| MatchingError::Transport { group: self.names[group].clone(), source })?);
        }
        Ok(vertices)
    }

    /// Whether the point is these permutations already.
    pub fn is_at(&self, vertices: &Vertices) -> bool {
        self.models.iter().zip(vertices).all(|(aligned, vertices)| {
            aligned.held || aligned.point.iter().zip(vertices).all(|(point, units)| point.as_vertex() == Some(units))
        })
    }

    /// The objective along the way to `vertices`, less the objective here: exact, from one pass over the aligned weights.
    pub fn line(&self, vertices: &Vertices) -> Quartic {
        let flats = self.layout.flats.iter().enumerate().flat_map(|(index, flat)| tasks(flat.units).map(move |rows| (false, index, rows)));
        let crosses =
            self.layout.crosses.iter().enumerate().flat_map(|(index, cross)| tasks(cross.rows).map(move |rows| (true, index, rows)));
        let tasks: Vec<_> = flats.chain(crosses).collect();
        let norms = |(is_cross, index, rows): (bool, usize, std::ops::Range<usize>)| {
            pulp::Arch::new().dispatch(|| match is_cross {
                false => self.flat_norms(index, rows.clone(), vertices),
                true => self.cross_norms(index, rows.clone(), vertices),
            })
        };
        let parts: Vec<[f64; 5]> = tasks.into_par_iter().map(norms).collect();
        let mut total = [0.0; 5];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        Quartic::from_ends(total)
    }

    #[inline(always)]
    fn flat_norms(&self, index: usize, rows: std::ops::Range<usize>, vertices: &Vertices) -> [f64; 5] {
        let flat = &self.layout.flats[index];
        let (mut norms, mut chunk) = (Norms::new(flat.width), Chunk::new(flat.width));
        for slot in rows {
            for (aligned, vertices) in self.models.iter().zip(vertices) {
                let held = &aligned.flats[index];
                let now = &held.aligned[slot * flat.width..][..flat.width];
                if aligned.held {
                    chunk.set_held(now);
                } else {
                    let unit = vertices[flat.group][slot] as usize;
                    chunk.set_linear(now, &held.weights[unit * flat.width..][..flat.width]);
                }
                norms.add(&chunk);
            }
            norms.close();
        }
        norms.total()
    }

    #[inline(always)]
    fn cross_norms(&self, index: usize, rows: std::ops::Range<usize>, vertices: &Vertices) -> [f64; 5] {
        let cross = &self.layout.crosses[index];
        let (mut norms, mut chunk) = (Norms::new(cross.columns), Chunk::new(cross.columns));
        for slot in rows {
            for place in 0..cross.depth {
                let here = (slot * cross.depth + place) * cross.columns;
                for (aligned, vertices) in self.models.iter().zip(vertices) {
                    let held = &aligned.crosses[index];
                    let now = &held.aligned[here..][..cross.columns];
                    if aligned.held {
                        chunk.set_held(now);
                    } else {
                        let there = (vertices[cross.row_group][slot] as usize * cross.depth + place) * cross.columns;
                        let (right, left) = (&held.right[there..][..cross.columns], &held.left[here..][..cross.columns]);
                        let weights = &held.weights[there..][..cross.columns];
                        chunk.set_cross(now, right, left, weights, &vertices[cross.column_group]);
                    }
                    norms.add(&chunk);
                }
                norms.close();
            }
        }
        norms.total()
    }

    /// Moves all models by one step towards `vertices`.
    pub fn advance(&mut self, vertices: &Vertices, step: f64) {
        let layout = &self.layout;
        let mut tasks: Vec<Box<dyn FnMut() + Send + '_>> = Vec::new();
        for (aligned, vertices) in self.models.iter_mut().zip(vertices).filter(|(aligned, _)| !aligned.held) {
            for (point, units) in aligned.point.iter_mut().zip(vertices) {
                point.step(step, units);
            }
            for (flat, held) in layout.flats.iter().zip(&mut aligned.flats) {
                let units = vertices[flat.group].as_slice();
                tasks.push(Box::new(move || pulp::Arch::new().dispatch(|| held.advance(flat, units, step))));
            }
            for (cross, held) in layout.crosses.iter().zip(&mut aligned.crosses) {
                let (rows, columns) = (vertices[cross.row_group].as_slice(), vertices[cross.column_group].as_slice());
                tasks.push(Box::new(move || pulp::Arch::new().dispatch(|| held.advance(cross, rows, columns, step))));
            }
        }
        tasks.par_iter_mut().for_each(|task| task());
        drop(tasks);
        self.sum();
    }

    /// Sums the aligned models and takes the objective from them.
    fn sum(&mut self) {
        let models = &self.models;
        let mut shares = vec![self.constant];
        for ((index, flat), sums) in self.layout.flats.iter().enumerate().zip(&mut self.flat_sums) {
            shares.extend(agreements(sums, ROWS * flat.width, |from, length| {
                models.iter().map(move |aligned| &aligned.flats[index].aligned[from..][..length])
            }));
        }
        for ((index, cross), sums) in self.layout.crosses.iter().enumerate().zip(&mut self.cross_sums) {
            shares.extend(agreements(sums, ROWS * cross.row_length(), |from, length| {
                models.iter().map(move |aligned| &aligned.crosses[index].aligned[from..][..length])
            }));
        }
        self.objective = shares.into_iter().sum();
    }

    /// The greatest difference of any aligned weight from that of `other`.
    #[cfg(test)]
    pub fn distance(&self, other: &Universe) -> f64 {
        let aligned = |universe: &Universe| -> Vec<f32> {
            let flats = universe.models.iter().flat_map(|model| model.flats.iter().map(|flat| flat.aligned.clone()));
            let crosses = universe.models.iter().flat_map(|model| model.crosses.iter());
            flats.chain(crosses.map(|cross| [cross.left.clone(), cross.right.clone(), cross.aligned.clone()].concat())).flatten().collect()
        };
        aligned(self).iter().zip(&aligned(other)).fold(0.0, |largest, (one, other)| f64::from((one - other).abs()).max(largest))
    }

    /// The permutations nearest to the point: for each model and group the map model → universe, and the worst certificate.
    ///
    /// # Errors
    /// A point that is not finite.
    pub fn project(&self) -> Result<(Vec<Vec<Permutation>>, Certificate), MatchingError> {
        let of = |aligned: &AlignedWeights| -> Vec<Result<(Permutation, Certificate), MatchingError>> {
            let project = |(group, point): (usize, &SoftPermutation)| {
                let dense = point.to_dense();
                let transport = |source| MatchingError::Transport { group: self.names[group].clone(), source };
                let best = assignment::maximise(dense.view()).map_err(transport)?;
                let certificate = best.certificate(dense.view()).into();
                Ok((Permutation::new(slots(&best.columns)).expect("an assignment is a bijection"), certificate))
            };
            aligned.point.iter().enumerate().map(project).collect()
        };
        let projected: Vec<_> = self.models.par_iter().map(of).collect();
        let mut worst = Certificate::default();
        let mut maps = Vec::with_capacity(projected.len());
        for model in projected {
            let mut of_model = Vec::with_capacity(model.len());
            for result in model {
                let (map, certificate) = result?;
                worst = worst.worst(certificate);
                of_model.push(map);
            }
            maps.push(of_model);
        }
        Ok((maps, worst))
    }
}

/// From the slot of each unit to the unit of each slot.
fn slots(columns: &[u32]) -> Vec<u32> {
    let mut units = vec![0; columns.len()];
    for (unit, &slot) in (0_u32..).zip(columns) {
        units[slot as usize] = unit;
    }
    units
}

thread_local! {
    /// Kept from call to call: fresh memory for every product costs as much as a good part of the product.
    static DIFFERENCE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Hands `sum − own · aligned`, entry by entry, to `use_it`, which must not come back here.
fn with_difference(sum: &[f32], aligned: &[f32], own: f32, use_it: impl FnOnce(&[f32])) {
    DIFFERENCE.with_borrow_mut(|difference| {
        difference.clear();
        difference.extend(sum.iter().zip(aligned).map(|(sum, aligned)| sum - own * aligned));
        use_it(difference);
    });
}

/// `0..rows` in chunks of [`ROWS`].
fn tasks(rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..rows).step_by(ROWS).map(move |from| from..(from + ROWS).min(rows))
}

/// The agreement of each chunk of entries, whose sums over models go into `sums`.
fn agreements<'a, M: Iterator<Item = &'a [f32]>>(sums: &mut [f32], length: usize, models: impl Fn(usize, usize) -> M + Sync) -> Vec<f64> {
    let share = |(index, sums): (usize, &mut [f32])| {
        let parts = models(index * length, sums.len());
        pulp::Arch::new().dispatch(|| agreement(parts, sums))
    };
    sums.par_chunks_mut(length.max(1)).enumerate().map(share).collect()
}
