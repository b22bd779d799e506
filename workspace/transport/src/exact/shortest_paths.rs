//! Successive shortest paths with potentials on the complete bipartite graph.
//!
//! Mass leaves a row along the cheapest residual path to a column with room: forward over any (row, column), backward over entries that carry
//! mass. Columns keep prices; a row reached through a carrying entry takes its potential from that tight entry, as in the assignment.

use super::masses::Masses;
use crate::kernels::{best_two, column_maxima, relax};

/// What is left of a mass below this share of it is rounding.
const DUST: f64 = 1e-14;

const NONE: u32 = u32::MAX;

pub(crate) struct Solution {
    /// Sorted by row, then column.
    pub entries: Vec<(u32, u32, f64)>,
    pub row_duals: Vec<f64>,
    pub column_duals: Vec<f64>,
}

struct Flow {
    gains: Vec<f64>,
    width: usize,
    /// Mass still to leave each row, and room left in each column.
    supplies: Vec<f64>,
    rooms: Vec<f64>,
    row_dust: Vec<f64>,
    column_dust: Vec<f64>,
    prices: Vec<f64>,
    /// For each column the rows that send to it, with the mass.
    carried: Vec<Vec<(u32, f64)>>,
    distances: Vec<f64>,
    parents: Vec<u32>,
    /// The column through which each row was reached.
    reached_by: Vec<u32>,
    reached_rows: Vec<u32>,
    finished: Vec<(u32, f64, f64)>,
}

#[inline(always)]
pub(crate) fn solve(costs: &[f64], masses: &Masses) -> Solution {
    let (height, width) = (masses.rows.len(), masses.columns.len());
    let gains: Vec<f64> = costs.iter().map(|cost| -cost).collect();
    let (prices, first_rows) = column_maxima(&gains, width);
    let mut flow = Flow {
        gains,
        width,
        supplies: masses.rows.clone(),
        rooms: masses.columns.clone(),
        row_dust: masses.rows.iter().map(|mass| mass * DUST).collect(),
        column_dust: masses.columns.iter().map(|mass| mass * DUST).collect(),
        prices: if height == 0 { vec![0.0; width] } else { prices },
        carried: vec![Vec::new(); width],
        distances: vec![f64::INFINITY; width],
        parents: vec![NONE; width],
        reached_by: vec![NONE; height],
        reached_rows: Vec::new(),
        finished: Vec::new(),
    };
    if height > 0 {
        for (column, row) in first_rows.into_iter().enumerate() {
            flow.send(row, column as u32, flow.supplies[row as usize].min(flow.rooms[column]));
        }
    }
    for row in 0..height as u32 {
        while flow.supplies[row as usize] > 0.0 && flow.augment(row) {}
    }
    flow.finish()
}

impl Flow {
    #[inline(always)]
    fn gain(&self, row: u32, column: u32) -> f64 {
        self.gains[row as usize * self.width + column as usize]
    }

    /// Sends new mass straight from a row to a column with room.
    fn send(&mut self, row: u32, column: u32, mass: f64) {
        if mass > 0.0 {
            self.change(row, column, mass);
            self.take(row, column, mass);
        }
    }

    /// Books `mass` off the supply of `row` and the room of `column`.
    fn take(&mut self, row: u32, column: u32, mass: f64) {
        for (left, dust) in [
            (&mut self.supplies[row as usize], self.row_dust[row as usize]),
            (&mut self.rooms[column as usize], self.column_dust[column as usize]),
        ] {
            *left -= mass;
            if *left <= dust {
                *left = 0.0;
            }
        }
    }

    fn carries(&self, row: u32, column: u32) -> f64 {
        self.carried[column as usize].iter().find(|(other, _)| *other == row).map_or(0.0, |(_, mass)| *mass)
    }

    /// Adds `mass` (or takes it away) to what `row` sends to `column`.
    fn change(&mut self, row: u32, column: u32, mass: f64) {
        let entries = &mut self.carried[column as usize];
        match entries.iter().position(|(other, _)| *other == row) {
            Some(index) => {
                entries[index].1 += mass;
                let dust = self.row_dust[row as usize].min(self.column_dust[column as usize]);
                if entries[index].1 <= dust {
                    entries.remove(index);
                }
            }
            None => entries.push((row, mass)),
        }
    }

    /// Sends mass from `start` along one shortest path. False when no column has room (nothing but rounding is left).
    #[inline(always)]
    fn augment(&mut self, start: u32) -> bool {
        self.distances.fill(f64::INFINITY);
        self.finished.clear();
        self.reached_rows.clear();
        self.reached_rows.push(start);
        self.reached_by[start as usize] = start;
        let mut offset = 0.0;
        let mut level = f64::NEG_INFINITY;
        let mut next_row = 0;
        let sink = loop {
            let mut nearest = None;
            while next_row < self.reached_rows.len() {
                let row = self.reached_rows[next_row];
                if next_row > 0 {
                    let column = self.reached_by[row as usize];
                    let price = self.finished.last().map_or(0.0, |finished| finished.2);
                    offset = level + (self.gain(row, column) - price);
                }
                let gains = &self.gains[row as usize * self.width..][..self.width];
                nearest = Some(relax(gains, &self.prices, &mut self.distances, &mut self.parents, offset, row));
                next_row += 1;
            }
            let (mut column, distance) = match nearest {
                Some(nearest) => (nearest.column, nearest.distance),
                None => self.nearest(),
            };
            if distance == f64::INFINITY {
                break None;
            }
            if distance <= level && self.rooms[column] <= 0.0 {
                let tie = self.distances.iter().zip(&self.rooms).position(|(reached, room)| *room > 0.0 && *reached == distance);
                column = tie.unwrap_or(column);
            }
            level = distance;
            if self.rooms[column] > 0.0 {
                break Some(column as u32);
            }
            let price = std::mem::replace(&mut self.prices[column], f64::INFINITY);
            self.distances[column] = f64::INFINITY;
            self.finished.push((column as u32, level, price));
            for (row, _) in &self.carried[column] {
                if self.reached_by[*row as usize] == NONE {
                    self.reached_by[*row as usize] = column as u32;
                    self.reached_rows.push(*row);
                }
            }
        };
        for (column, distance, price) in &self.finished {
            self.prices[*column as usize] = if sink.is_some() { price + (level - distance) } else { *price };
        }
        if let Some(sink) = sink {
            self.push_along(start, sink);
        }
        for row in &self.reached_rows {
            self.reached_by[*row as usize] = NONE;
        }
        sink.is_some()
    }

    fn nearest(&self) -> (usize, f64) {
        let start = (usize::MAX, f64::INFINITY);
        self.distances.iter().enumerate().fold(start, |best, (column, distance)| if *distance < best.1 { (column, *distance) } else { best })
    }

    /// Moves as much as the path from `start` to `sink` allows: at least one supply, room or entry is used up.
    fn push_along(&mut self, start: u32, sink: u32) {
        let mut mass = self.supplies[start as usize].min(self.rooms[sink as usize]);
        let mut row = self.parents[sink as usize];
        while row != start {
            let column = self.reached_by[row as usize];
            mass = mass.min(self.carries(row, column));
            row = self.parents[column as usize];
        }
        let mut column = sink;
        loop {
            let row = self.parents[column as usize];
            self.change(row, column, mass);
            if row == start {
                break;
            }
            column = self.reached_by[row as usize];
            self.change(row, column, -mass);
        }
        self.take(start, sink, mass);
    }

    #[inline(always)]
    fn finish(self) -> Solution {
        let mut entries: Vec<(u32, u32, f64)> = (0_u32..)
            .zip(&self.carried)
            .flat_map(|(column, carried)| carried.iter().map(move |(row, mass)| (*row, column, *mass)))
            .collect();
        entries.sort_unstable_by_key(|(row, column, _)| (*row, *column));
        let row_duals = if self.width == 0 {
            vec![0.0; self.supplies.len()]
        } else {
            self.gains.chunks_exact(self.width).map(|gains| -best_two(gains, &self.prices).best).collect()
        };
        Solution { entries, row_duals, column_duals: self.prices.iter().map(|price| -price).collect() }
    }
}
