//! The matrices that assignments are solved on, kept from round to round.

use ndarray::{Array2, ArrayView2, Axis};
use onebasin_network::{Threads, multiply_add};
use onebasin_transport::assignment::Solver;
use rayon::prelude::*;

use super::aligned_models::{AlignedModels, Change, Kind, Part, view};
use crate::methods::c2m3::layout::Layout;

/// One matrix for each model and group, as [`AlignedModels::gains`] makes it.
///
/// A change moves some slots only. In the same group of another model it makes the columns of these slots out of date. In a neighbouring
/// group it adds a product of two thin matrices, one row for each entry of a changed slot. Both are noted, and done at the next visit
/// for all changes since; where that is more work than a full product, the matrix is made anew instead.
pub(super) struct KeptGains {
    kept: Vec<Vec<Kept>>,
}

struct Kept {
    /// Empty before the first visit and where following costs more than a full product.
    matrix: Option<Array2<f32>>,
    /// Rows of a full product of the matrix: its cost, in products of one row each.
    full: usize,
    /// Whether the column of each slot is out of date.
    dated: Vec<bool>,
    /// Factors of the product to be added, [rows, units] each, row after row.
    left: Vec<f32>,
    right: Vec<f32>,
    /// Rows added since the matrix was made, so that rounding adds up to that of about one full product.
    added: usize,
}

impl KeptGains {
    /// Nothing yet.
    pub fn new(layout: &Layout, models: usize) -> KeptGains {
        let kept = |group: usize| {
            let flats = layout.flats.iter().filter(|flat| flat.group == group).map(|flat| flat.width);
            let rows = layout.crosses.iter().filter(|cross| cross.row_group == group).map(|cross| cross.row_length());
            let columns = layout.crosses.iter().filter(|cross| cross.column_group == group).map(|cross| cross.rows * cross.depth);
            let full = flats.chain(rows).chain(columns).sum();
            Kept { matrix: None, full, dated: vec![false; layout.units[group]], left: Vec::new(), right: Vec::new(), added: 0 }
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
            kept.catch_up(models, model, *group);
            solve(*group, solver, kept.matrix.as_ref().expect("caught up").view())
        };
        wanted.into_par_iter().zip(solvers).with_max_len(1).map(visit).collect()
    }

    /// Notes a change; `models` have not made it yet.
    pub fn follow(&mut self, models: &AlignedModels, change: &Change) {
        self.kept.par_iter_mut().enumerate().with_max_len(1).for_each(|(model, kept)| {
            let own = model == change.model;
            if own {
                kept[change.group].reorder(&change.order);
            } else {
                change.slots.iter().for_each(|&slot| kept[change.group].dated[slot] = true);
            }
            for part in &change.parts {
                match part {
                    Part::Flat(_) => {}
                    Part::Rows(index, moved) => follow_rows(models, change, *index, moved, model, kept),
                    Part::Columns(index, moved) => follow_columns(models, change, *index, moved, model, kept),
                    Part::Both(_) => kept[change.group].matrix = None,
                }
            }
        });
    }
}

/// In the group of a cross' columns: its rows have changed.
fn follow_rows(models: &AlignedModels, change: &Change, index: usize, moved: &[f32], model: usize, kept: &mut [Kept]) {
    let cross = &models.layout.crosses[index];
    let near = &mut kept[cross.column_group];
    if !near.worth(change.slots.len() * cross.depth) {
        return;
    }
    if model == change.model {
        near.left.extend_from_slice(moved);
        near.right.extend(models.other_rows(model, Kind::Cross, index, &change.slots));
    } else {
        let (aligned, length) = (models.cross(model, index), cross.row_length());
        change.slots.iter().for_each(|&slot| near.left.extend_from_slice(&aligned[slot * length..][..length]));
        near.right.extend_from_slice(moved);
    }
}

/// In the group of a cross' rows: its columns have changed.
fn follow_columns(models: &AlignedModels, change: &Change, index: usize, moved: &[f32], model: usize, kept: &mut [Kept]) {
    let cross = &models.layout.crosses[index];
    let near = &mut kept[cross.row_group];
    let length = cross.depth * change.slots.len();
    if !near.worth(length) {
        return;
    }
    // [rows, depth · slots], and the rows of a factor are entries of slots.
    let transposed = |factor: &mut Vec<f32>, values: &[f32]| {
        (0..length).for_each(|entry| factor.extend(values.chunks_exact(length).map(|row| row[entry])));
    };
    if model == change.model {
        transposed(&mut near.left, moved);
        transposed(&mut near.right, &models.other_columns(model, index, &change.slots));
    } else {
        let lines = models.cross(model, index).chunks_exact(cross.columns.max(1));
        let mine: Vec<f32> = lines.flat_map(|line| change.slots.iter().map(|&slot| line[slot])).collect();
        transposed(&mut near.left, &mine);
        transposed(&mut near.right, moved);
    }
}

impl Kept {
    /// Makes room for so many more rows of the factors; if following costs more than a full product, the matrix is given up.
    fn worth(&mut self, rows: usize) -> bool {
        self.added += rows;
        if self.added > self.full {
            self.give_up();
        }
        self.matrix.is_some()
    }

    fn give_up(&mut self) {
        self.matrix = None;
        self.left.clear();
        self.right.clear();
    }

    /// Brings the matrix up to date.
    fn catch_up(&mut self, models: &AlignedModels, model: usize, group: usize) {
        let units = self.dated.len();
        let slots: Vec<usize> = (0..units).filter(|&slot| self.dated[slot]).collect();
        // Thin products reach about half the rate of full ones.
        let cost = self.left.len() / units.max(1) + self.full * slots.len() / units.max(1);
        if 2 * cost > self.full {
            self.give_up();
        }
        match &mut self.matrix {
            None => {
                self.matrix = Some(models.gains(model, group));
                self.added = 0;
            }
            Some(matrix) => {
                let rows = self.left.len() / units.max(1);
                multiply_add(1.0, view(&self.left, rows, units).t(), view(&self.right, rows, units), 1.0, matrix.view_mut(), Threads::One);
                if !slots.is_empty() {
                    let anew = models.gains_in(model, group, &slots);
                    for (mut row, anew) in matrix.rows_mut().into_iter().zip(anew.rows()) {
                        slots.iter().zip(anew).for_each(|(&slot, &gain)| row[slot] = gain);
                    }
                }
            }
        }
        self.left.clear();
        self.right.clear();
        self.dated.fill(false);
    }

    /// Follows another order of the model's own slots, which the matrix has as rows.
    fn reorder(&mut self, order: &[u32]) {
        if let Some(matrix) = &mut self.matrix {
            *matrix = matrix.select(Axis(0), &order.iter().map(|&slot| slot as usize).collect::<Vec<_>>());
        }
    }
}
