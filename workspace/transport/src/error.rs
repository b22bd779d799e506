//! What can be wrong with a transport problem.

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
        "entry (`{row}`, `{column}`) is `{value}`: expected a finite number of magnitude at most 1e150\nhint: look for a division by zero or a diverged model upstream"
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
    #[error("{side} mass `{index}` is `{value}`: expected a finite number, at least 0")]
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
    /// Both sides must carry the same total, within 1e-9 of the larger.
    #[error("row masses sum to `{rows}`, column masses to `{columns}`: expected equal sums within 1e-9\nhint: divide each side by its sum")]
    UnequalMass {
        /// Sum of the row masses.
        rows: f64,
        /// Sum of the column masses.
        columns: f64,
    },
    /// A setting of Sinkhorn's algorithm makes no sense.
    #[error("`{setting}` is `{value}`: expected {expected}")]
    BadSetting {
        /// Name of the setting.
        setting: &'static str,
        /// Value given.
        value: f64,
        /// What it has to be.
        expected: &'static str,
    },
}
