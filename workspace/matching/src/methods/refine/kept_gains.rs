//! The matrices that assignments are solved on, kept from round to round.

use ndarray::{Array2, ArrayView2, Axis};
use onebasin_network::{Threads, multiply_add};
use onebasin_transport::assignment::Solver;
use rayon::prelude::*;

use super::aligned_models::{AlignedModels, Change, Part};
use crate::methods::c2m3::layout::Layout;

/// One matrix for each model and group, as [`AlignedModels::gains`] makes it.
///
/// A change moves some slots only, and matrices are linear in them: so an update multiplies the differences of changed slots alone. It
/// is done at once, for all models side by side. Where it would cost more than the matrix itself, or has added up to that, the matrix is
/// made anew at the next visit: so rounding adds up to about that of one full product.
pub(super) struct KeptGains {
    kept: Vec<Vec<Kept>>,
}

struct Kept {
    matrix: Option<Array2<f32>>,
    /// Multiply-adds for each entry of a full product.
    full: f64,
    /// Multiply-adds for each entry in updates since.
    updated: f64,
}

/// Updates beyond this share of a full product are not worth it: their products are thinner, and more may follow before the next visit.
const WORTH: f64 = 0.5;

impl KeptGains {
    /// Nothing yet.
    pub fn new(layout: &Layout, models: usize) -> KeptGains {
        let kept = |group: usize| {
            let flats = layout.flats.iter().filter(|flat| flat.group == group).map(|flat| flat.width);
            let rows = layout.crosses.iter().filter(|cross| cross.row_group == group).map(|cross| cross.row_length());
            let columns = layout.crosses.iter().filter(|cross| cross.column_group == group).map(|cross| cross.rows * cross.depth);
            Kept { matrix: None, full: flats.chain(rows).chain(columns).sum::<usize>() as f64, updated: 0.0 }
        };
        KeptGains { kept: (0..models).map(|_| (0..layout.units.len()).map(kept).collect()).collect() }
    }

    /// Calls `solve` with a solver and the matrix of each of these groups of a model, side by side; results in their order.
    pub fn visit<T: Send>(
        &mut self,
        models: &AlignedModels,
        model: usize,
        solvers: &mut [(usize, &mut Solver)],
        solve: impl Fn(usize, &mut Solver, ArrayView2<'_, f32>) -> T + Sync,
    ) -> Vec<T> {
        let wanted = self.kept[model].iter_mut().enumerate().filter(|(group, _)| solvers.iter().any(|(other, _)| group == other));
        let wanted: Vec<&mut Kept> = wanted.map(|(_, kept)| kept).collect();
        let visit = |(kept, (group, solver)): (&mut Kept, &mut (usize, &mut Solver))| {
            let matrix = kept.matrix.get_or_insert_with(|| {
                kept.updated = 0.0;
                models.gains(model, *group)
            });
            solve(*group, solver, matrix.view())
        };
        wanted.into_par_iter().zip(solvers).with_max_len(1).map(visit).collect()
    }

    /// Follows a change; `models` have not made it yet.
    pub fn follow(&mut self, models: &AlignedModels, change: &Change) {
        let others: Vec<Vec<f32>> = change.parts.iter().map(|part| models.others(change, part)).collect();
        self.kept.par_iter_mut().enumerate().with_max_len(1).for_each(|(model, kept)| {
            if model == change.model {
                kept[change.group].reorder(&change.order);
            }
            for (part, others) in change.parts.iter().zip(&others) {
                follow(models, change, part, others, model, kept);
            }
        });
    }
}

/// Follows the change of one part in the matrices of one model.
fn follow(models: &AlignedModels, change: &Change, part: &Part, others: &[f32], model: usize, kept: &mut [Kept]) {
    let (slots, own) = (change.slots.as_slice(), model == change.model);
    match part {
        Part::Flat(index, moved) => {
            let flat = &models.layout.flats[*index];
            if !own {
                let moved = view(moved, slots.len(), flat.width);
                kept[flat.group].add_columns(slots, flat.matrix(models.flat(model, *index)), moved.t());
            }
        }
        Part::Rows(index, moved) => {
            let cross = &models.layout.crosses[*index];
            let aligned = models.cross(model, *index);
            if !own {
                kept[cross.row_group].add_columns(slots, cross.by_rows(aligned), view(moved, slots.len(), cross.row_length()).t());
            }
            let near = &mut kept[cross.column_group];
            let lines = slots.len() * cross.depth;
            if near.worth(lines) {
                let moved = view(moved, lines, cross.columns);
                if own {
                    near.add(moved.t(), view(others, lines, cross.columns));
                } else {
                    let mine = cross.by_rows(aligned).select(Axis(0), slots);
                    near.add(view(mine.as_slice().expect("a fresh copy"), lines, cross.columns).t(), moved);
                }
            }
        }
        Part::Columns(index, moved) => {
            let cross = &models.layout.crosses[*index];
            let aligned = models.cross(model, *index);
            let lines = cross.rows * cross.depth;
            if !own {
                kept[cross.column_group].add_columns(slots, cross.by_columns(aligned).t(), view(moved, lines, slots.len()));
            }
            let near = &mut kept[cross.row_group];
            let length = cross.depth * slots.len();
            if near.worth(length) {
                let moved = view(moved, cross.rows, length);
                if own {
                    near.add(moved, view(others, cross.rows, length).t());
                } else {
                    let mine = cross.by_columns(aligned).select(Axis(1), slots);
                    let mine = mine.as_standard_layout();
                    near.add(view(mine.as_slice().expect("standard layout"), cross.rows, length), moved.t());
                }
            }
        }
        Part::Both(index) => kept[models.layout.crosses[*index].row_group].matrix = None,
    }
}

impl Kept {
    /// Whether an update of so many multiply-adds for each entry pays; if not, the matrix is given up.
    fn worth(&mut self, lines: usize) -> bool {
        self.updated += lines as f64;
        if self.updated > WORTH * self.full {
            self.matrix = None;
        }
        self.matrix.is_some()
    }

    fn add(&mut self, left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) {
        if let Some(matrix) = &mut self.matrix {
            multiply_add(1.0, left, right, 1.0, matrix.view_mut(), Threads::One);
        }
    }

    /// Adds a product to the columns of these slots.
    fn add_columns(&mut self, slots: &[usize], left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) {
        let units = left.nrows().max(1);
        if !self.worth((left.ncols() * slots.len()).div_ceil(units)) {
            return;
        }
        let mut product = Array2::zeros((left.nrows(), slots.len()));
        multiply_add(1.0, left, right, 0.0, product.view_mut(), Threads::One);
        if let Some(matrix) = &mut self.matrix {
            for (mut row, added) in matrix.rows_mut().into_iter().zip(product.rows()) {
                slots.iter().zip(added).for_each(|(&slot, added)| row[slot] += added);
            }
        }
    }

    fn reorder(&mut self, order: &[u32]) {
        if let Some(matrix) = &mut self.matrix {
            *matrix = matrix.select(Axis(0), &order.iter().map(|&slot| slot as usize).collect::<Vec<_>>());
        }
    }
}

fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("packed by the layout")
}
