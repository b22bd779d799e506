//! Linear assignment and exact transport, under the signatures of SciPy and POT.

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use onebasin_transport::{Plan, TransportError, assignment, exact};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::bytes::bytes;
use crate::failure;
use crate::interruptible::interruptible;

/// A matrix with more than so many columns for each row is not filled up to a square.
const WIDEST: usize = 4;

/// Costs of more entries are solved where Ctrl-C is heard.
const SMALL: usize = 1 << 14;

/// Why there is no assignment.
enum NoAssignment {
    Infeasible,
    Transport(TransportError),
}

/// A matrix of Python's, copied.
fn matrix(py: Python<'_>, buffer: &PyBuffer<f64>) -> PyResult<Array2<f64>> {
    let &[rows, columns] = buffer.shape() else { return Err(PyValueError::new_err("expected a matrix")) };
    Array2::from_shape_vec((rows, columns), buffer.to_vec(py)?).map_err(failure::input)
}

/// Row and column indices of an optimal assignment as `int64`, rows ascending.
#[pyfunction]
pub fn linear_sum_assignment<'py>(
    py: Python<'py>,
    cost: PyBuffer<f64>,
    maximize: bool,
) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyByteArray>)> {
    let mut gains = matrix(py, &cost)?;
    if !maximize {
        gains.mapv_inplace(|cost| -cost);
    }
    if gains.iter().any(|gain| gain.is_nan() || *gain == f64::INFINITY) {
        return Err(PyValueError::new_err("matrix contains invalid numeric entries"));
    }
    let is_tall = gains.nrows() > gains.ncols();
    let gains = if is_tall { gains.reversed_axes() } else { gains };
    let found = if gains.len() <= SMALL { py.detach(|| assign(gains)) } else { interruptible(py, move |_| assign(gains))? };
    let columns = found.map_err(|error| match error {
        NoAssignment::Infeasible => PyValueError::new_err("cost matrix is infeasible"),
        NoAssignment::Transport(error) => failure::input(error),
    })?;
    let rows: Vec<i64> = (0..).take(columns.len()).collect();
    let (rows, columns) = if is_tall {
        let mut pairs: Vec<(i64, i64)> = columns.into_iter().zip(rows).collect();
        pairs.sort_unstable();
        pairs.into_iter().unzip()
    } else {
        (rows, columns)
    };
    Ok((bytes(py, &rows, i64::to_ne_bytes)?, bytes(py, &columns, i64::to_ne_bytes)?))
}

/// The column of each row, for no more rows than columns; an entry of minus infinity is never taken.
fn assign(mut gains: Array2<f64>) -> Result<Vec<i64>, NoAssignment> {
    let (rows, columns) = gains.dim();
    if rows == 0 {
        return Ok(Vec::new());
    }
    let forbidden = forbid(&mut gains);
    // A row never needs more than its best columns, of which there are as many as rows.
    let kept = if columns > WIDEST * rows { best_columns(gains.view()) } else { (0..columns).collect() };
    let gains = if kept.len() < columns { gains.select(Axis(1), &kept) } else { gains };
    let found = if kept.len() == rows {
        assignment::maximise(gains.view()).map(|found| found.columns)
    } else if kept.len() <= WIDEST * rows {
        // Rows that gain nothing anywhere take the columns that are left.
        let rest = Array2::zeros((kept.len() - rows, kept.len()));
        let square = concatenate(Axis(0), &[gains.view(), rest.view()]).expect("as many columns");
        assignment::maximise(square.view()).map(|found| found.columns)
    } else {
        wide(gains.view())
    };
    let found = found.map_err(NoAssignment::Transport)?;
    let found: Vec<usize> = found[..rows].iter().map(|&column| column as usize).collect();
    if let Some(forbidden) = forbidden
        && found.iter().enumerate().any(|(row, &column)| gains[[row, column]] <= forbidden)
    {
        return Err(NoAssignment::Infeasible);
    }
    Ok(found.into_iter().map(|column| kept[column] as i64).collect())
}

/// Gives entries of minus infinity a gain below which no assignment of others falls; that gain, if there are any.
fn forbid(gains: &mut Array2<f64>) -> Option<f64> {
    let finite = || gains.iter().copied().filter(|gain| gain.is_finite());
    if finite().count() == gains.len() {
        return None;
    }
    let (lowest, highest) = finite().fold((0.0_f64, 0.0_f64), |(low, high), gain| (low.min(gain), high.max(gain)));
    let forbidden = lowest - (highest - lowest + 1.0) * (gains.nrows() + 1) as f64;
    gains.mapv_inplace(|gain| if gain.is_finite() { gain } else { forbidden });
    Some(forbidden)
}

/// For each row the columns of its greatest gains, as many as there are rows; in order, each once.
fn best_columns(gains: ArrayView2<'_, f64>) -> Vec<usize> {
    let (rows, columns) = gains.dim();
    let mut is_kept = vec![false; columns];
    let mut order: Vec<usize> = (0..columns).collect();
    for row in gains.rows() {
        order.select_nth_unstable_by(rows - 1, |&left, &right| row[right].total_cmp(&row[left]).then(left.cmp(&right)));
        order[..rows].iter().for_each(|&column| is_kept[column] = true);
    }
    (0..columns).filter(|&column| is_kept[column]).collect()
}

/// Very wide problems as a transport: one more row takes all columns that are left.
fn wide(gains: ArrayView2<'_, f64>) -> Result<Vec<u32>, TransportError> {
    let (rows, columns) = gains.dim();
    let costs = concatenate(Axis(0), &[gains.mapv(|gain| -gain).view(), Array2::zeros((1, columns)).view()]).expect("as many columns");
    let mut masses = vec![1.0; rows];
    masses.push((columns - rows) as f64);
    let plan = exact::plan(costs.view(), &masses, &vec![1.0; columns])?;
    let mut found = vec![0; rows];
    // Whole masses have a plan of whole numbers at every vertex.
    for (row, column, mass) in plan.entries {
        if (row as usize) < rows && mass > 0.5 {
            found[row as usize] = column;
        }
    }
    Ok(found)
}

/// Plan, cost, and the potentials of both sides.
type Transported<'py> = (Bound<'py, PyByteArray>, f64, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>);

/// An optimal transport plan, as `float64`.
#[pyfunction]
pub fn emd<'py>(py: Python<'py>, rows: PyBuffer<f64>, columns: PyBuffer<f64>, cost: PyBuffer<f64>) -> PyResult<Transported<'py>> {
    let (rows, columns, cost) = (rows.to_vec(py)?, columns.to_vec(py)?, matrix(py, &cost)?);
    let is_small = cost.len() <= SMALL;
    let solve = move || exact::plan(cost.view(), &rows, &columns).map(|plan| (plan.to_dense(), plan));
    let found = if is_small { py.detach(solve) } else { interruptible(py, move |_| solve())? };
    let (dense, Plan { cost, row_duals, column_duals, .. }) = found.map_err(failure::input)?;
    let numbers = |values: &[f64]| bytes(py, values, f64::to_ne_bytes);
    Ok((numbers(dense.as_slice().unwrap_or_default())?, cost, numbers(&row_duals)?, numbers(&column_duals)?))
}
