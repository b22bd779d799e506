//! The solver behind `assignment`: column reduction, augmenting row reduction, shortest augmenting paths.
//!
//! Only column prices `v` are kept; the potential of a matched row is implied by its tight edge, `u_i = G[i, c(i)] - v[c(i)]`.

use pulp::{Simd, WithSimd};

use super::Assignment;
use crate::kernels::{Reach, best_two, column_maxima};

/// No partner yet.
const FREE: u32 = u32::MAX;

/// The square problem `gains` (row after row), to be solved from `prices` where given.
pub(super) struct Problem<'a> {
    pub gains: &'a [f64],
    pub size: usize,
    pub prices: Option<&'a [f64]>,
}

impl WithSimd for Problem<'_> {
    type Output = Assignment;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Assignment {
        let Problem { gains, size, prices } = self;
        let mut state = State { gains, size, prices: Vec::new(), column_of: vec![FREE; size], row_of: vec![FREE; size] };
        match prices {
            Some(prices) => state.prices = prices.to_vec(),
            None => state.reduce_columns(),
        }
        let free = state.bid(simd);
        let mut search = Search::new(&state.row_of);
        for row in free {
            state.augment(simd, row, &mut search);
        }
        state.finish()
    }
}

struct State<'a> {
    gains: &'a [f64],
    size: usize,
    prices: Vec<f64>,
    column_of: Vec<u32>,
    row_of: Vec<u32>,
}

impl State<'_> {
    #[inline(always)]
    fn row(&self, row: u32) -> &[f64] {
        &self.gains[row as usize * self.size..][..self.size]
    }

    #[inline(always)]
    fn gain(&self, row: u32, column: u32) -> f64 {
        self.gains[row as usize * self.size + column as usize]
    }

    #[inline(always)]
    fn assign(&mut self, row: u32, column: u32) {
        self.column_of[row as usize] = column;
        self.row_of[column as usize] = row;
    }

    /// Prices from column maxima; each row that holds a maximum takes the last such column (Jonker and Volgenant's step 1).
    #[inline(always)]
    fn reduce_columns(&mut self) {
        let (maxima, rows) = column_maxima(self.gains, self.size);
        self.prices = maxima;
        for (column, row) in rows.iter().enumerate().rev() {
            let row = *row as u32;
            if self.column_of[row as usize] == FREE {
                self.assign(row, column as u32);
            }
        }
    }

    /// Augmenting row reduction: each free row takes its best column and raises the price to where its second choice is as good; a displaced
    /// row bids next. Returns the rows left over.
    #[inline(always)]
    fn bid<S: Simd>(&mut self, simd: S) -> Vec<u32> {
        let mut free: Vec<u32> = (0..self.size as u32).filter(|row| self.column_of[*row as usize] == FREE).collect();
        if self.size < 2 {
            return free;
        }
        for _ in 0..2 {
            let mut left = Vec::new();
            // A row may be displaced again and again by tiny bids: beyond this many the shortest paths are the better tool.
            let mut bids = 4 * self.size;
            for first in free {
                let mut row = first;
                loop {
                    let choice = best_two(simd, self.row(row), &self.prices);
                    let bid = choice.best - choice.second;
                    let mut column = choice.column as u32;
                    if bid > 0.0 {
                        self.prices[column as usize] += bid;
                    } else if self.row_of[column as usize] != FREE {
                        column = self.free_tie(row, choice.best).unwrap_or(column);
                    }
                    let displaced = self.row_of[column as usize];
                    if displaced == FREE {
                        self.assign(row, column);
                        break;
                    }
                    if bid <= 0.0 {
                        left.push(row);
                        break;
                    }
                    self.column_of[displaced as usize] = FREE;
                    self.assign(row, column);
                    if bids == 0 {
                        left.push(displaced);
                        break;
                    }
                    bids -= 1;
                    row = displaced;
                }
            }
            free = left;
        }
        free
    }

    /// The first unassigned column that gives `row` exactly the profit `best`.
    fn free_tie(&self, row: u32, best: f64) -> Option<u32> {
        let choices = self.row(row).iter().zip(&self.prices).zip(&self.row_of);
        let found = choices.into_iter().position(|((gain, price), holder)| *holder == FREE && gain - price == best);
        found.map(|column| column as u32)
    }

    /// One shortest augmenting path from the free row `start`, then the price update that keeps the duals feasible.
    #[inline(always)]
    fn augment<S: Simd>(&mut self, simd: S, start: u32, search: &mut Search) {
        search.finished.clear();
        let mut nearest = search.reach.start(simd, self.row(start), &self.prices, start);
        let mut level = f64::NEG_INFINITY;
        let sink = loop {
            let mut column = nearest.column as u32;
            if nearest.value <= level && self.row_of[nearest.column] != FREE {
                column = search.free_at(nearest.value).unwrap_or(column);
            }
            level = nearest.value;
            let holder = self.row_of[column as usize];
            if holder == FREE {
                break column;
            }
            let price = std::mem::replace(&mut self.prices[column as usize], f64::INFINITY);
            search.reach.distances[column as usize] = f64::INFINITY;
            search.finished.push(Finished { column, distance: level, price });
            let offset = level + (self.gain(holder, column) - price);
            nearest = search.reach.relax(simd, self.row(holder), &self.prices, offset, holder);
        };
        for finished in &search.finished {
            self.prices[finished.column as usize] = finished.price + (level - finished.distance);
        }
        search.free_columns.retain(|column| *column != sink);
        let mut column = sink;
        loop {
            let row = search.reach.parents[column as usize] as u32;
            let previous = self.column_of[row as usize];
            self.assign(row, column);
            if row == start {
                break;
            }
            column = previous;
        }
    }

    fn finish(self) -> Assignment {
        let mut value = 0.0;
        let mut row_duals = Vec::with_capacity(self.size);
        for (row, column) in (0_u32..).zip(&self.column_of) {
            let gain = self.gain(row, *column);
            value += gain;
            row_duals.push(gain - self.prices[*column as usize]);
        }
        Assignment { columns: self.column_of, value, row_duals, column_duals: self.prices }
    }
}

/// A column whose shortest distance is final.
struct Finished {
    column: u32,
    distance: f64,
    price: f64,
}

/// Buffers of the path search, kept between searches.
struct Search {
    reach: Reach,
    finished: Vec<Finished>,
    free_columns: Vec<u32>,
}

impl Search {
    fn new(row_of: &[u32]) -> Search {
        let free_columns = (0_u32..).zip(row_of).filter(|(_, row)| **row == FREE).map(|(column, _)| column).collect();
        Search { reach: Reach::new(row_of.len()), finished: Vec::new(), free_columns }
    }

    /// The first unassigned column at exactly this distance: ending the search at once is what keeps matrices full of ties cheap.
    #[inline(always)]
    fn free_at(&self, distance: f64) -> Option<u32> {
        self.free_columns.iter().copied().find(|column| self.reach.distances[*column as usize] == distance)
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, WithSimd};

    use super::Problem;

    #[test]
    fn narrow_and_wide_vectors_give_the_same_bytes() {
        for size in [1, 2, 9, 40, 131] {
            // A small congruential sequence: some values distinct, some tied.
            let gains: Vec<f64> = (0..size * size).map(|index| ((index * index * 31 + index * 7) % 1009) as f64 / 7.0).collect();
            let problem = || Problem { gains: &gains, size, prices: None };
            let narrow = problem().with_simd(Scalar::new());
            assert_eq!(narrow, pulp::Arch::new().dispatch(problem()));
            let again = || Problem { prices: Some(&narrow.column_duals), ..problem() };
            assert_eq!(again().with_simd(Scalar::new()), pulp::Arch::new().dispatch(again()));
        }
    }
}
