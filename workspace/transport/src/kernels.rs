//! The inner loops over one row, without branches, so that the compiler turns them into vector instructions.
//!
//! Each keeps [`LANES`] independent partial results and joins them by (value, index), so the answer never depends on the width of
//! the machine's vectors. They are `inline(always)`: the caller runs them inside `pulp`'s dispatch, whose target features they take on.

use crate::Cost;

pub(crate) const LANES: usize = 16;

/// The best and second-best profit of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BestTwo {
    pub best: f64,
    pub column: usize,
    pub second: f64,
}

/// The largest and second-largest `gain[j] - price[j]`; the first column among equals. `second` is -∞ for a single column.
#[inline(always)]
pub(crate) fn best_two<T: Cost>(gains: &[T], prices: &[f64]) -> BestTwo {
    let mut best = [f64::NEG_INFINITY; LANES];
    let mut second = [f64::NEG_INFINITY; LANES];
    // Block numbers as f64: the same width as the values, exact up to 2^53.
    let mut block_of = [0.0_f64; LANES];
    let (gain_blocks, gain_rest) = gains.as_chunks::<LANES>();
    let (price_blocks, price_rest) = prices.as_chunks::<LANES>();
    let mut block = 0.0;
    for (gain, price) in gain_blocks.iter().zip(price_blocks) {
        for lane in 0..LANES {
            let profit = gain[lane].to_f64() - price[lane];
            let larger = profit > best[lane];
            let loser = if larger { best[lane] } else { profit };
            second[lane] = if loser > second[lane] { loser } else { second[lane] };
            block_of[lane] = if larger { block } else { block_of[lane] };
            best[lane] = if larger { profit } else { best[lane] };
        }
        block += 1.0;
    }
    let mut result = BestTwo { best: f64::NEG_INFINITY, column: usize::MAX, second: f64::NEG_INFINITY };
    for lane in 0..LANES {
        if best[lane] > f64::NEG_INFINITY {
            join(&mut result, best[lane], block_of[lane] as usize * LANES + lane);
            result.second = if second[lane] > result.second { second[lane] } else { result.second };
        }
    }
    let done = gain_blocks.len() * LANES;
    for (offset, (gain, price)) in gain_rest.iter().zip(price_rest).enumerate() {
        join(&mut result, gain.to_f64() - price, done + offset);
    }
    result
}

#[inline(always)]
fn join(result: &mut BestTwo, profit: f64, column: usize) {
    if profit > result.best || (profit == result.best && column < result.column) {
        result.second = result.best;
        result.best = profit;
        result.column = column;
    } else if profit > result.second {
        result.second = profit;
    }
}

/// The smallest tentative distance and where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nearest {
    pub distance: f64,
    pub column: usize,
}

/// Relaxes the edges of one row: `distance[j] = min(distance[j], offset + (price[j] - gain[j]))`, recording `row` as the parent where it
/// improved, and returns the smallest distance (the first column among equals). Finished columns have price and distance +∞, so they
/// neither change nor win.
#[inline(always)]
pub(crate) fn relax<T: Cost>(gains: &[T], prices: &[f64], distances: &mut [f64], parents: &mut [u32], offset: f64, row: u32) -> Nearest {
    let mut least = [f64::INFINITY; LANES];
    let mut block_of = [0.0_f64; LANES];
    let (gain_blocks, gain_rest) = gains.as_chunks::<LANES>();
    let (price_blocks, price_rest) = prices.as_chunks::<LANES>();
    let (distance_blocks, distance_rest) = distances.as_chunks_mut::<LANES>();
    let (parent_blocks, parent_rest) = parents.as_chunks_mut::<LANES>();
    let mut block = 0.0;
    for (((gain, price), distance), parent) in gain_blocks.iter().zip(price_blocks).zip(distance_blocks).zip(parent_blocks) {
        for lane in 0..LANES {
            let candidate = offset + (price[lane] - gain[lane].to_f64());
            let better = candidate < distance[lane];
            let kept = if better { candidate } else { distance[lane] };
            distance[lane] = kept;
            parent[lane] = if better { row } else { parent[lane] };
            let nearer = kept < least[lane];
            block_of[lane] = if nearer { block } else { block_of[lane] };
            least[lane] = if nearer { kept } else { least[lane] };
        }
        block += 1.0;
    }
    let mut nearest = Nearest { distance: f64::INFINITY, column: usize::MAX };
    for lane in 0..LANES {
        nearer_of(&mut nearest, least[lane], block_of[lane] as usize * LANES + lane);
    }
    let done = gain_blocks.len() * LANES;
    let rest = gain_rest.iter().zip(price_rest).zip(distance_rest).zip(parent_rest);
    for (offset_in_rest, (((gain, price), distance), parent)) in rest.enumerate() {
        let candidate = offset + (price - gain.to_f64());
        if candidate < *distance {
            *distance = candidate;
            *parent = row;
        }
        nearer_of(&mut nearest, *distance, done + offset_in_rest);
    }
    nearest
}

#[inline(always)]
fn nearer_of(nearest: &mut Nearest, distance: f64, column: usize) {
    if distance < nearest.distance || (distance == nearest.distance && distance < f64::INFINITY && column < nearest.column) {
        *nearest = Nearest { distance, column };
    }
}

/// The largest value of each column and the first row that has it.
#[inline(always)]
pub(crate) fn column_maxima<T: Cost>(entries: &[T], columns: usize) -> (Vec<f64>, Vec<u32>) {
    let mut maxima = vec![f64::NEG_INFINITY; columns];
    let mut rows = vec![0_u32; columns];
    for (row, entries) in entries.chunks_exact(columns.max(1)).enumerate() {
        for ((entry, maximum), first) in entries.iter().zip(&mut maxima).zip(&mut rows) {
            let value = entry.to_f64();
            let larger = value > *maximum;
            *maximum = if larger { value } else { *maximum };
            *first = if larger { row as u32 } else { *first };
        }
    }
    (maxima, rows)
}

/// The smallest `cost[j] - potential[j]` and the first column that has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Least {
    pub value: f64,
    pub column: usize,
}

/// Finds the smallest `cost[j] - potential[j]` of a row that is not empty; a potential of -∞ hides its column.
#[inline(always)]
pub(crate) fn least(costs: &[f64], potentials: &[f64]) -> Least {
    let mut smallest = [f64::INFINITY; LANES];
    let mut block_of = [0.0_f64; LANES];
    let (cost_blocks, cost_rest) = costs.as_chunks::<LANES>();
    let (potential_blocks, potential_rest) = potentials.as_chunks::<LANES>();
    let mut block = 0.0;
    for (cost, potential) in cost_blocks.iter().zip(potential_blocks) {
        for lane in 0..LANES {
            let value = cost[lane] - potential[lane];
            let smaller = value < smallest[lane];
            block_of[lane] = if smaller { block } else { block_of[lane] };
            smallest[lane] = if smaller { value } else { smallest[lane] };
        }
        block += 1.0;
    }
    let mut nearest = Nearest { distance: f64::INFINITY, column: usize::MAX };
    for lane in 0..LANES {
        nearer_of(&mut nearest, smallest[lane], block_of[lane] as usize * LANES + lane);
    }
    let done = cost_blocks.len() * LANES;
    for (offset, (cost, potential)) in cost_rest.iter().zip(potential_rest).enumerate() {
        nearer_of(&mut nearest, cost - potential, done + offset);
    }
    Least { value: nearest.distance, column: nearest.column }
}
