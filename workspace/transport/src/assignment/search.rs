//! The solver behind `assignment`: column reduction, augmenting row reduction, shortest augmenting paths.
//!
//! Only column prices `v` are kept; the potential of a matched row is implied by its tight edge, `u_i = G[i, c(i)] - v[c(i)]`.

use super::Assignment;
use crate::Cost;
use crate::kernels::{best_two, column_maxima, relax};

/// No partner yet.
const FREE: u32 = u32::MAX;

struct State<'a, T> {
    gains: &'a [T],
    size: usize,
    prices: Vec<f64>,
    column_of: Vec<u32>,
    row_of: Vec<u32>,
}

/// Solves the square problem `gains` (row after row), from `prices` where given.
#[inline(always)]
pub(super) fn solve<T: Cost>(gains: &[T], size: usize, prices: Option<&[f64]>) -> Assignment {
    let mut state = State { gains, size, prices: Vec::new(), column_of: vec![FREE; size], row_of: vec![FREE; size] };
    match prices {
        Some(prices) => state.prices = prices.to_vec(),
        None => state.reduce_columns(),
    }
    let free = state.bid();
    let mut search = Search::new(size);
    for row in free {
        state.augment(row, &mut search);
    }
    state.finish()
}

impl<T: Cost> State<'_, T> {
    #[inline(always)]
    fn row(&self, row: u32) -> &[T] {
        &self.gains[row as usize * self.size..][..self.size]
    }

    #[inline(always)]
    fn gain(&self, row: u32, column: u32) -> f64 {
        self.gains[row as usize * self.size + column as usize].to_f64()
    }

    fn assign(&mut self, row: u32, column: u32) {
        self.column_of[row as usize] = column;
        self.row_of[column as usize] = row;
    }

    /// Prices from column maxima; each row that holds a maximum takes the last such column (Jonker and Volgenant's step 1), and pays for it up
    /// to its second-best choice (step 2).
    #[inline(always)]
    fn reduce_columns(&mut self) {
        let (maxima, rows) = column_maxima(self.gains, self.size);
        self.prices = maxima;
        for (column, row) in rows.iter().enumerate().rev() {
            if self.column_of[*row as usize] == FREE {
                self.assign(*row, column as u32);
            }
        }
    }

    /// Augmenting row reduction: each free row takes its best column and raises the price to where its second choice is as good; a displaced
    /// row bids next. Returns the rows left over.
    #[inline(always)]
    fn bid(&mut self) -> Vec<u32> {
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
                    let choice = best_two(self.row(row), &self.prices);
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
                    if bid <= 0.0 || bids == 0 {
                        if bid > 0.0 {
                            self.column_of[displaced as usize] = FREE;
                            self.assign(row, column);
                            left.push(displaced);
                        } else {
                            left.push(row);
                        }
                        break;
                    }
                    bids -= 1;
                    self.column_of[displaced as usize] = FREE;
                    self.assign(row, column);
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
        let found = choices.into_iter().position(|((gain, price), holder)| *holder == FREE && gain.to_f64() - price == best);
        found.map(|column| column as u32)
    }

    /// One shortest augmenting path from the free row `start`, then the price update that keeps the duals feasible.
    #[inline(always)]
    fn augment(&mut self, start: u32, search: &mut Search) {
        search.distances.fill(f64::INFINITY);
        search.finished.clear();
        let mut row = start;
        let mut offset = 0.0;
        let mut level = f64::NEG_INFINITY;
        let sink = loop {
            let gains = &self.gains[row as usize * self.size..][..self.size];
            let mut nearest = relax(gains, &self.prices, &mut search.distances, &mut search.parents, offset, row);
            if nearest.distance <= level
                && self.row_of[nearest.column] != FREE
                && let Some(column) = self.free_at(nearest.distance, &search.distances)
            {
                nearest.column = column;
            }
            level = nearest.distance;
            let column = nearest.column;
            let holder = self.row_of[column];
            if holder == FREE {
                break column as u32;
            }
            let price = std::mem::replace(&mut self.prices[column], f64::INFINITY);
            search.distances[column] = f64::INFINITY;
            search.finished.push(Finished { column: column as u32, distance: level, price });
            offset = level + (self.gain(holder, column as u32) - price);
            row = holder;
        };
        for finished in &search.finished {
            self.prices[finished.column as usize] = finished.price + (level - finished.distance);
        }
        let mut column = sink;
        loop {
            let row = search.parents[column as usize];
            let previous = self.column_of[row as usize];
            self.assign(row, column);
            if row == start {
                break;
            }
            column = previous;
        }
    }

    /// The first unassigned column at exactly this distance: ending the search at once is what keeps matrices full of ties cheap.
    fn free_at(&self, distance: f64, distances: &[f64]) -> Option<usize> {
        distances.iter().zip(&self.row_of).position(|(reached, holder)| *holder == FREE && *reached == distance)
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
    distances: Vec<f64>,
    parents: Vec<u32>,
    finished: Vec<Finished>,
}

impl Search {
    fn new(size: usize) -> Search {
        Search { distances: vec![f64::INFINITY; size], parents: vec![FREE; size], finished: Vec::new() }
    }
}
