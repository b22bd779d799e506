//! The inner loops over one row, without branches, in the machine's widest vectors.
//!
//! Each lane keeps its own best value and the block it came from; lanes are joined by (value, index), so the answer never depends on the
//! width of the vectors. Two independent sets of lanes hide the latency of the comparisons. Callers run inside `pulp`'s dispatch (as `WithSimd`
//! types: a closure may stay a call of its own, without the features).

use pulp::Simd;

/// The best and second-best profit of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BestTwo {
    pub best: f64,
    pub column: usize,
    pub second: f64,
}

/// A smallest value and the first column that has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Least {
    pub value: f64,
    pub column: usize,
}

/// Running minima of each lane, with the number of the block each came from (as `f64`: the same width, exact up to 2^53).
#[derive(Clone, Copy)]
struct Lanes<S: Simd> {
    value: S::f64s,
    block: S::f64s,
}

impl<S: Simd> Lanes<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        Lanes { value: simd.splat_f64s(f64::INFINITY), block: simd.splat_f64s(0.0) }
    }

    #[inline(always)]
    fn take(&mut self, simd: S, value: S::f64s, block: S::f64s) {
        let smaller = simd.less_than_f64s(value, self.value);
        self.block = simd.select_f64s(smaller, block, self.block);
        self.value = simd.select_f64s(smaller, value, self.value);
    }

    /// Joins the lanes into `least`.
    #[inline(always)]
    fn join(&self, least: &mut Least) {
        let (values, blocks) = (lanes::<S>(&self.value), lanes::<S>(&self.block));
        for (lane, (value, block)) in values.iter().zip(blocks).enumerate() {
            least.take(*value, *block as usize * S::F64_LANES + lane);
        }
    }
}

impl Least {
    const NONE: Least = Least { value: f64::INFINITY, column: usize::MAX };

    #[inline(always)]
    fn take(&mut self, value: f64, column: usize) {
        if value < self.value || (value == self.value && value < f64::INFINITY && column < self.column) {
            *self = Least { value, column };
        }
    }
}

#[inline(always)]
fn lanes<S: Simd>(vector: &S::f64s) -> &[f64] {
    pulp::bytemuck::cast_slice(std::slice::from_ref(vector))
}

/// Calls `step(set, block)` for each of `count` blocks, with sets 0 and 1 in turn.
macro_rules! two_at_a_time {
    ($simd:ident, $count:expr, |$set:ident, $index:ident, $block:ident| $step:expr) => {{
        let one = $simd.splat_f64s(1.0);
        let mut $block = $simd.splat_f64s(0.0);
        let count: usize = $count;
        for pair in 0..count / 2 {
            {
                let ($set, $index) = (0_usize, 2 * pair);
                $step
            }
            $block = $simd.add_f64s($block, one);
            {
                let ($set, $index) = (1_usize, 2 * pair + 1);
                $step
            }
            $block = $simd.add_f64s($block, one);
        }
        if count % 2 == 1 {
            let ($set, $index) = (0_usize, count - 1);
            $step
        }
    }};
}

/// The largest and second-largest `gain[j] - price[j]`; the first column among equals. `second` is -∞ for a single column.
#[inline(always)]
pub(crate) fn best_two<S: Simd>(simd: S, gains: &[f64], prices: &[f64]) -> BestTwo {
    let (gain_blocks, gain_rest) = S::as_simd_f64s(gains);
    let (price_blocks, price_rest) = S::as_simd_f64s(prices);
    let blocks = gain_blocks.len();
    let price_blocks = &price_blocks[..blocks];
    // Negated: the smallest loss is the largest profit.
    let mut best = [Lanes::new(simd); 2];
    let mut second = [simd.splat_f64s(f64::INFINITY); 2];
    two_at_a_time!(simd, blocks, |set, index, block| {
        let loss = simd.sub_f64s(price_blocks[index], gain_blocks[index]);
        let loser = simd.max_f64s(best[set].value, loss);
        second[set] = simd.min_f64s(second[set], loser);
        best[set].take(simd, loss, block);
    });
    let mut least = Least::NONE;
    best[0].join(&mut least);
    best[1].join(&mut least);
    let done = blocks * S::F64_LANES;
    for (offset, (gain, price)) in gain_rest.iter().zip(price_rest).enumerate() {
        least.take(price - gain, done + offset);
    }
    let mut runner_up = f64::INFINITY;
    for set in 0..2 {
        let (values, seconds, from) = (lanes::<S>(&best[set].value), lanes::<S>(&second[set]), lanes::<S>(&best[set].block));
        for (lane, ((value, other), block)) in values.iter().zip(seconds).zip(from).enumerate() {
            let winner = *value == least.value && *block as usize * S::F64_LANES + lane == least.column;
            runner_up = runner_up.min(if winner { *other } else { *value });
        }
    }
    for (offset, (gain, price)) in gain_rest.iter().zip(price_rest).enumerate() {
        if done + offset != least.column {
            runner_up = runner_up.min(price - gain);
        }
    }
    BestTwo { best: -least.value, column: least.column, second: -runner_up }
}

/// The tentative distance of each column and the row it was reached from; rows as `f64`, so that both move in the same vectors.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub distances: Vec<f64>,
    pub parents: Vec<f64>,
}

impl Reach {
    pub(crate) fn new(size: usize) -> Reach {
        Reach { distances: vec![0.0; size], parents: vec![0.0; size] }
    }

    /// Starts afresh from `row`: its edges are all there is. Returns the smallest distance.
    #[inline(always)]
    pub(crate) fn start<S: Simd>(&mut self, simd: S, gains: &[f64], prices: &[f64], row: u32) -> Least {
        self.distances.fill(f64::INFINITY);
        self.relax(simd, gains, prices, 0.0, row)
    }

    /// Relaxes the edges of one row: `distance[j] = min(distance[j], offset + (price[j] - gain[j]))`, with `row` as the parent where that is an
    /// improvement. Finished columns have price and distance +∞, so they neither change nor win. Returns the smallest distance.
    #[inline(always)]
    pub(crate) fn relax<S: Simd>(&mut self, simd: S, gains: &[f64], prices: &[f64], offset: f64, row: u32) -> Least {
        let (gain_blocks, gain_rest) = S::as_simd_f64s(gains);
        let (price_blocks, price_rest) = S::as_simd_f64s(prices);
        let (distance_blocks, distance_rest) = S::as_mut_simd_f64s(&mut self.distances);
        let (parent_blocks, parent_rest) = S::as_mut_simd_f64s(&mut self.parents);
        let blocks = gain_blocks.len();
        let (price_blocks, distance_blocks) = (&price_blocks[..blocks], &mut distance_blocks[..blocks]);
        let parent_blocks = &mut parent_blocks[..blocks];
        let row = f64::from(row);
        let (offsets, rows) = (simd.splat_f64s(offset), simd.splat_f64s(row));
        let mut best = [Lanes::new(simd); 2];
        two_at_a_time!(simd, blocks, |set, index, block| {
            let candidate = simd.add_f64s(offsets, simd.sub_f64s(price_blocks[index], gain_blocks[index]));
            let better = simd.less_than_f64s(candidate, distance_blocks[index]);
            let kept = simd.select_f64s(better, candidate, distance_blocks[index]);
            distance_blocks[index] = kept;
            parent_blocks[index] = simd.select_f64s(better, rows, parent_blocks[index]);
            best[set].take(simd, kept, block);
        });
        let mut least = Least::NONE;
        best[0].join(&mut least);
        best[1].join(&mut least);
        let done = blocks * S::F64_LANES;
        let rest = gain_rest.iter().zip(price_rest).zip(distance_rest).zip(parent_rest);
        for (column, (((gain, price), distance), parent)) in rest.enumerate() {
            let candidate = offset + (price - gain);
            if candidate < *distance {
                *distance = candidate;
                *parent = row;
            }
            least.take(*distance, done + column);
        }
        least
    }
}

/// Finds the smallest `cost[j] - potential[j]` of a row that is not empty; a potential of -∞ hides its column.
#[inline(always)]
pub(crate) fn least<S: Simd>(simd: S, costs: &[f64], potentials: &[f64]) -> Least {
    let (cost_blocks, cost_rest) = S::as_simd_f64s(costs);
    let (potential_blocks, potential_rest) = S::as_simd_f64s(potentials);
    let blocks = cost_blocks.len();
    let potential_blocks = &potential_blocks[..blocks];
    let mut best = [Lanes::new(simd); 2];
    two_at_a_time!(simd, blocks, |set, index, block| best[set].take(
        simd,
        simd.sub_f64s(cost_blocks[index], potential_blocks[index]),
        block
    ));
    let mut least = Least::NONE;
    best[0].join(&mut least);
    best[1].join(&mut least);
    let done = blocks * S::F64_LANES;
    for (offset, (cost, potential)) in cost_rest.iter().zip(potential_rest).enumerate() {
        least.take(cost - potential, done + offset);
    }
    least
}

/// The largest value of each column and the first row that has it.
#[inline(always)]
pub(crate) fn column_maxima(entries: &[f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
    let mut maxima = vec![f64::NEG_INFINITY; columns];
    let mut rows = vec![0.0; columns];
    let mut row = 0.0;
    for entries in entries.chunks_exact(columns.max(1)) {
        for ((value, maximum), first) in entries.iter().zip(&mut maxima).zip(&mut rows) {
            let larger = *value > *maximum;
            *maximum = if larger { *value } else { *maximum };
            *first = if larger { row } else { *first };
        }
        row += 1.0;
    }
    (maxima, rows)
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, WithSimd};

    use super::*;

    /// All kernels on one row, in one dispatch.
    struct Everything<'a>(&'a [f64], &'a [f64]);

    impl WithSimd for Everything<'_> {
        type Output = (BestTwo, Least, Least, Least, Vec<f64>, Vec<f64>);

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let Everything(gains, prices) = self;
            let mut reach = Reach::new(gains.len());
            let started = reach.start(simd, gains, prices, 3);
            let relaxed = reach.relax(simd, prices, gains, 0.5, 4);
            (best_two(simd, gains, prices), least(simd, gains, prices), started, relaxed, reach.distances, reach.parents)
        }
    }

    /// Many ties, many lengths.
    fn rows(length: usize) -> (Vec<f64>, Vec<f64>) {
        let values = |step: usize| (0..length).map(|index| ((index * step + 5) % 13) as f64).collect();
        (values(7), values(4))
    }

    #[test]
    fn every_length_agrees_with_plain_loops_in_any_width() {
        for length in 1..150 {
            let (gains, prices) = rows(length);
            let (best, least, started, relaxed, distances, parents) = pulp::Arch::new().dispatch(Everything(&gains, &prices));
            assert_eq!(
                (best, least, started, relaxed, distances.clone(), parents.clone()),
                Everything(&gains, &prices).with_simd(Scalar::new())
            );
            let first_least = |values: &[f64]| {
                let value = values.iter().copied().fold(f64::INFINITY, f64::min);
                Least { value, column: values.iter().position(|other| *other == value).unwrap() }
            };
            let losses: Vec<f64> = prices.iter().zip(&gains).map(|(price, gain)| price - gain).collect();
            assert_eq!(started, first_least(&losses));
            assert_eq!((best.best, best.column), (-started.value, started.column));
            let mut others = losses.clone();
            others.remove(best.column);
            assert_eq!(-best.second, others.iter().copied().fold(f64::INFINITY, f64::min));
            let profits: Vec<f64> = losses.iter().map(|loss| -loss).collect();
            assert_eq!(least, first_least(&profits));
            let expected: Vec<f64> = losses.iter().map(|loss| loss.min(0.5 - loss)).collect();
            assert_eq!(distances, expected);
            assert_eq!(relaxed, first_least(&expected));
            assert!(parents.iter().zip(&losses).all(|(parent, loss)| *parent == if 0.5 - loss < *loss { 4.0 } else { 3.0 }));
        }
    }

    #[test]
    fn column_maxima_keep_the_first_row() {
        assert_eq!(column_maxima(&[1.0, 2.0, 1.0, 3.0, 0.0, 3.0], 2), (vec![1.0, 3.0], vec![0.0, 1.0]));
    }
}
