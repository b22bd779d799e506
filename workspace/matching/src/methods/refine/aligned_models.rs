//! Models at permutations, their sum, and what a change of one permutation does to both.

use std::cell::RefCell;

use ndarray::{Array2, ArrayView2};
use onebasin_network::{Permutation, PermutationSpec, Threads, Weights, multiply_add, permute};

use crate::methods::c2m3::layout::{Cross, Layout};

/// Models in the universe, packed by a [`Layout`], and the sum of all of them.
///
/// Memory: the weights once for each model, and twice for the sum, which is kept in `f64` so that moves in and out of it leave no trace.
pub(super) struct AlignedModels {
    pub layout: Layout,
    models: Vec<Packed>,
    sum: Sum,
}

/// One model's parameters, in the order of the universe.
struct Packed {
    flats: Vec<Vec<f32>>,
    crosses: Vec<Vec<f32>>,
}

struct Sum {
    flats: Vec<Vec<f64>>,
    crosses: Vec<Vec<f64>>,
}

/// Parameters of one axis, or of two.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Flat,
    Cross,
}

/// Another order of the slots of one group of one model.
pub(super) struct Change {
    pub model: usize,
    pub group: usize,
    /// The slot whose content goes into each slot.
    pub order: Vec<u32>,
    /// The slots that get something else, ascending.
    pub slots: Vec<usize>,
    pub parts: Vec<Part>,
    /// What the objective gains.
    pub gain: f64,
}

/// Of one parameter tied to the group, new entries less old ones in the changed slots.
pub(super) enum Part {
    /// The flat with this index, which no other group meets.
    Flat(usize),
    /// Of the cross with this index, whose rows change: [slots, depth, columns].
    Rows(usize, Vec<f32>),
    /// Of the cross with this index, whose columns change: [rows · depth, slots].
    Columns(usize, Vec<f32>),
    /// Both axes of the cross with this index change; nothing is kept.
    Both(usize),
}

thread_local! {
    /// Kept from call to call: fresh memory for every product costs as much as a good part of the product.
    static OTHERS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl AlignedModels {
    /// Packs models at these maps.
    pub fn new(spec: &PermutationSpec, models: &[&Weights], maps: &[Vec<Permutation>]) -> AlignedModels {
        let layout = Layout::new(spec);
        let packed = models.iter().zip(maps).map(|(weights, maps)| {
            let aligned = permute(spec, weights, maps);
            Packed {
                flats: layout.flats.iter().map(|flat| flat.pack(&aligned)).collect(),
                crosses: layout.crosses.iter().map(|cross| cross.pack(&aligned)).collect(),
            }
        });
        let models: Vec<Packed> = packed.collect();
        let flats = (0..layout.flats.len()).map(|index| total(models.iter().map(|packed| packed.flats[index].as_slice()))).collect();
        let crosses = (0..layout.crosses.len()).map(|index| total(models.iter().map(|packed| packed.crosses[index].as_slice()))).collect();
        AlignedModels { layout, models, sum: Sum { flats, crosses } }
    }

    pub fn cross(&self, model: usize, index: usize) -> &[f32] {
        &self.models[model].crosses[index]
    }

    /// How much it gains to put what a model has in one slot into another: [slots now, slots then]. The sum over all parameters tied to the
    /// group of `U Rᵀ` by rows and `Uᵀ R` by columns, `R` being the sum of the other models. The diagonal is what is held.
    ///
    /// Cost: `2 · units ·` (entries of the tied parameters) operations.
    pub fn gains(&self, model: usize, group: usize) -> Array2<f32> {
        let units = self.layout.units[group];
        let mut gains = Array2::zeros((units, units));
        let mut add = |left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>| {
            multiply_add(1.0, left, right, 1.0, gains.view_mut(), Threads::One);
        };
        let own = &self.models[model];
        for ((flat, aligned), sum) in self.layout.flats.iter().zip(&own.flats).zip(&self.sum.flats) {
            if flat.group == group {
                with_others(sum, aligned, |others| add(flat.matrix(aligned), flat.matrix(others).t()));
            }
        }
        for ((cross, aligned), sum) in self.layout.crosses.iter().zip(&own.crosses).zip(&self.sum.crosses) {
            if cross.row_group != group && cross.column_group != group {
                continue;
            }
            with_others(sum, aligned, |others| {
                if cross.row_group == group {
                    add(cross.by_rows(aligned), cross.by_rows(others).t());
                }
                if cross.column_group == group {
                    add(cross.by_columns(aligned).t(), cross.by_columns(others));
                }
            });
        }
        gains
    }

    /// The columns of [`AlignedModels::gains`] that belong to these slots.
    pub fn gains_in(&self, model: usize, group: usize, slots: &[usize]) -> Array2<f32> {
        let mut gains = Array2::zeros((self.layout.units[group], slots.len()));
        let mut add = |left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>| {
            multiply_add(1.0, left, right, 1.0, gains.view_mut(), Threads::One);
        };
        let own = &self.models[model];
        for (index, flat) in self.layout.flats.iter().enumerate().filter(|(_, flat)| flat.group == group) {
            let others = self.other_rows(model, Kind::Flat, index, slots);
            add(flat.matrix(&own.flats[index]), view(&others, slots.len(), flat.width).t());
        }
        for (index, cross) in self.layout.crosses.iter().enumerate() {
            if cross.row_group == group {
                let others = self.other_rows(model, Kind::Cross, index, slots);
                add(cross.by_rows(&own.crosses[index]), view(&others, slots.len(), cross.row_length()).t());
            }
            if cross.column_group == group {
                let others = self.other_columns(model, index, slots);
                add(cross.by_columns(&own.crosses[index]).t(), view(&others, cross.rows * cross.depth, slots.len()));
            }
        }
        gains
    }

    /// The sum of the models other than this one in some slots of the rows of a flat or cross: [slots, entries of a row].
    pub fn other_rows(&self, model: usize, kind: Kind, index: usize, slots: &[usize]) -> Vec<f32> {
        let (own, sum, length) = match kind {
            Kind::Flat => (&self.models[model].flats[index], &self.sum.flats[index], self.layout.flats[index].width),
            Kind::Cross => (&self.models[model].crosses[index], &self.sum.crosses[index], self.layout.crosses[index].row_length()),
        };
        let mut others = Vec::with_capacity(slots.len() * length);
        for &slot in slots {
            let entries = sum[slot * length..][..length].iter().zip(&own[slot * length..][..length]);
            others.extend(entries.map(|(&sum, &own)| (sum - f64::from(own)) as f32));
        }
        others
    }

    /// The same in some slots of the columns of a cross: [rows · depth, slots].
    pub fn other_columns(&self, model: usize, index: usize, slots: &[usize]) -> Vec<f32> {
        let (own, sum) = (&self.models[model].crosses[index], &self.sum.crosses[index]);
        let columns = self.layout.crosses[index].columns.max(1);
        let mut others = Vec::with_capacity(own.len() / columns * slots.len());
        for (sum, own) in sum.chunks_exact(columns).zip(own.chunks_exact(columns)) {
            others.extend(slots.iter().map(|&slot| (sum[slot] - f64::from(own[slot])) as f32));
        }
        others
    }

    /// What it would do to fill each slot of a group with what is in slot `order[slot]` now. The gain is exact up to rounding in `f64`.
    pub fn change(&self, model: usize, group: usize, order: Vec<u32>) -> Change {
        let slots: Vec<usize> = order.iter().enumerate().filter(|(slot, source)| *slot as u32 != **source).map(|(slot, _)| slot).collect();
        let (mut parts, mut gain) = (Vec::new(), 0.0);
        let own = &self.models[model];
        for (index, flat) in self.layout.flats.iter().enumerate().filter(|(_, flat)| flat.group == group) {
            rows(&own.flats[index], &self.sum.flats[index], flat.width, &slots, &order, &mut gain);
            parts.push(Part::Flat(index));
        }
        for (index, cross) in self.layout.crosses.iter().enumerate() {
            let (aligned, sum) = (own.crosses[index].as_slice(), self.sum.crosses[index].as_slice());
            match (cross.row_group == group, cross.column_group == group) {
                (true, true) => {
                    let moved = both(cross, aligned, &order);
                    let entries = aligned.iter().zip(&moved).zip(sum);
                    gain += entries.map(|((&old, &new), &sum)| (f64::from(new) - f64::from(old)) * (sum - f64::from(old))).sum::<f64>();
                    parts.push(Part::Both(index));
                }
                (true, false) => parts.push(Part::Rows(index, rows(aligned, sum, cross.row_length(), &slots, &order, &mut gain))),
                (false, true) => parts.push(Part::Columns(index, columns(aligned, sum, cross.columns, &slots, &order, &mut gain))),
                (false, false) => {}
            }
        }
        Change { model, group, order, slots, parts, gain }
    }

    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        let Change { model, slots, order, .. } = change;
        let own = &mut self.models[*model];
        for part in &change.parts {
            match *part {
                Part::Flat(index) => {
                    apply_rows(&mut own.flats[index], &mut self.sum.flats[index], self.layout.flats[index].width, slots, order);
                }
                Part::Rows(index, _) => {
                    let length = self.layout.crosses[index].row_length();
                    apply_rows(&mut own.crosses[index], &mut self.sum.crosses[index], length, slots, order);
                }
                Part::Columns(index, _) => {
                    let columns = self.layout.crosses[index].columns;
                    let mut moved = vec![0.0; slots.len()];
                    let lines =
                        own.crosses[index].chunks_exact_mut(columns.max(1)).zip(self.sum.crosses[index].chunks_exact_mut(columns.max(1)));
                    for (line, sum) in lines {
                        moved.iter_mut().zip(slots).for_each(|(moved, &slot)| *moved = line[order[slot] as usize]);
                        for (&new, &slot) in moved.iter().zip(slots) {
                            sum[slot] += f64::from(new) - f64::from(line[slot]);
                            line[slot] = new;
                        }
                    }
                }
                Part::Both(index) => {
                    let moved = both(&self.layout.crosses[index], &own.crosses[index], order);
                    for ((sum, &old), &new) in self.sum.crosses[index].iter_mut().zip(&own.crosses[index]).zip(&moved) {
                        *sum += f64::from(new) - f64::from(old);
                    }
                    own.crosses[index] = moved;
                }
            }
        }
    }
}

pub(super) fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("packed by the layout")
}

fn total<'a>(models: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    let mut sum: Vec<f64> = Vec::new();
    for values in models {
        sum.resize(values.len(), 0.0);
        sum.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sum
}

/// Hands `sum − aligned`, entry by entry, to `use_it`, which must not come back here.
fn with_others(sum: &[f64], aligned: &[f32], use_it: impl FnOnce(&[f32])) {
    OTHERS.with_borrow_mut(|others| {
        others.clear();
        others.extend(sum.iter().zip(aligned).map(|(sum, &aligned)| (sum - f64::from(aligned)) as f32));
        use_it(others);
    });
}

/// Sums side by side, so that additions need not wait for each other.
const LANES: usize = 8;

/// New rows less old ones, for rows of `length` entries; adds their agreement with the other models to `gain`.
fn rows(aligned: &[f32], sum: &[f64], length: usize, slots: &[usize], order: &[u32], gain: &mut f64) -> Vec<f32> {
    let mut moved = Vec::with_capacity(slots.len() * length);
    for &slot in slots {
        let (old, new) = (&aligned[slot * length..][..length], &aligned[order[slot] as usize * length..][..length]);
        let mut lanes = [0.0; LANES];
        for ((old, new), sum) in old.chunks(LANES).zip(new.chunks(LANES)).zip(sum[slot * length..][..length].chunks(LANES)) {
            for (((lane, &old), &new), &sum) in lanes.iter_mut().zip(old).zip(new).zip(sum) {
                *lane += (f64::from(new) - f64::from(old)) * (sum - f64::from(old));
            }
        }
        moved.extend(old.iter().zip(new).map(|(old, new)| new - old));
        *gain += lanes.iter().sum::<f64>();
    }
    moved
}

/// The same for columns.
fn columns(aligned: &[f32], sum: &[f64], columns: usize, slots: &[usize], order: &[u32], gain: &mut f64) -> Vec<f32> {
    let rows = aligned.len() / columns.max(1);
    let mut moved = Vec::with_capacity(slots.len() * rows);
    for (line, sum) in aligned.chunks_exact(columns.max(1)).zip(sum.chunks_exact(columns.max(1))) {
        for &slot in slots {
            let (old, new) = (line[slot], line[order[slot] as usize]);
            *gain += (f64::from(new) - f64::from(old)) * (sum[slot] - f64::from(old));
            moved.push(new - old);
        }
    }
    moved
}

/// A cross with both axes in another order.
fn both(cross: &Cross, aligned: &[f32], order: &[u32]) -> Vec<f32> {
    let length = cross.row_length();
    let mut moved = Vec::with_capacity(aligned.len());
    for &row in order {
        for line in aligned[row as usize * length..][..length].chunks_exact(cross.columns.max(1)) {
            moved.extend(order.iter().map(|&column| line[column as usize]));
        }
    }
    moved
}

fn apply_rows(aligned: &mut [f32], sum: &mut [f64], length: usize, slots: &[usize], order: &[u32]) {
    let moved: Vec<f32> = slots.iter().flat_map(|&slot| aligned[order[slot] as usize * length..][..length].iter().copied()).collect();
    for (new, &slot) in moved.chunks_exact(length.max(1)).zip(slots) {
        let (old, sum) = (&mut aligned[slot * length..][..length], &mut sum[slot * length..][..length]);
        for ((sum, old), &new) in sum.iter_mut().zip(old).zip(new) {
            *sum += f64::from(new) - f64::from(*old);
            *old = new;
        }
    }
}
