//! What can be wrong with a transport problem.

use std::fmt::{Display, Formatter};

/// A number as people write it: the very large and the very small with an exponent.
struct Number<'a>(&'a f64);

impl Display for Number<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let magnitude = self.0.abs();
        if magnitude != 0.0 && !(1e-5..1e16).contains(&magnitude) && self.0.is_finite() {
            write!(formatter, "{:e}", self.0)
        } else {
            write!(formatter, "{}", self.0)
        }
    }
}

/// Why a transport problem cannot be solved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// An assignment needs as many rows as columns.
    #[error("a gain matrix must be square: expected `{rows}` columns, got `{columns}`\nhint: unequal sizes are `exact::plan`")]
    NotSquare {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// The matrix has another size than the solver was made for.
    #[error("this solver was made for size `{expected}`, got a matrix of size `{got}`\nhint: make one solver for each size")]
    SizeChanged {
        /// Size given to the solver.
        expected: usize,
        /// Size of the matrix.
        got: usize,
    },
    /// NaN, infinity, or so large that sums would overflow.
    #[error(
        "entry (`{row}`, `{column}`) is `{}`: expected a finite number of magnitude at most 1e150\nhint: look for a division by zero or a diverged model upstream",
        Number(value)
    )]
    BadEntry {
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// A mass is negative, NaN or infinite.
    #[error("{side} mass `{index}` is `{}`: expected a finite number, at least 0", Number(value))]
    BadMass {
        /// `row` or `column`.
        side: &'static str,
        /// Index of the mass.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// There must be one mass for each row and each column.
    #[error("expected `{expected}` {side} masses, one for each {side} of the cost matrix, got `{got}`")]
    MassCount {
        /// `row` or `column`.
        side: &'static str,
        /// Size of the cost matrix on this side.
        expected: usize,
        /// Masses given.
        got: usize,
    },
    /// Both sides must carry the same total, but for the rounding of `f32`.
    #[error(
        "row masses sum to `{}`, column masses to `{}`: they differ by {:.1e} of the larger, expected at most {tolerance:.1e}, which rounding to f32 may leave\nhint: divide each side by its sum",
        Number(rows),
        Number(columns),
        (rows - columns).abs() / rows.max(*columns)
    )]
    UnequalMass {
        /// Sum of the row masses.
        rows: f64,
        /// Sum of the column masses.
        columns: f64,
        /// By how much of the larger they may differ.
        tolerance: f64,
    },
    /// A setting of Sinkhorn's algorithm makes no sense.
    #[error("`{setting}` is `{}`: expected {expected}", Number(value))]
    BadSetting {
        /// Name of the setting.
        setting: &'static str,
        /// Value given.
        value: f64,
        /// What it has to be.
        expected: &'static str,
    },
    /// The pivots went on for longer than any known problem makes them.
    #[error(
        "no plan was proven optimal within `{pivots}` pivots\nhint: scale the masses so that none is a rounding error of another, or leave the smallest out"
    )]
    Unsettled {
        /// Pivots done.
        pivots: u64,
    },
}
