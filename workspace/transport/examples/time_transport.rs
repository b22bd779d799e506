//! Times the solvers on matrices from a file, for a comparison with other software on the same numbers.
//!
//! `time_transport MODE FILE ROWS COLUMNS REPEATS` reads raw little-endian `f64` and prints `{"seconds": median, "value": optimum}`:
//! `assignment` and `single` (the same as `f32`) solve one square matrix from scratch; `restart` solves a series of them with one `Solver` and
//! gives the seconds and the value of all after the first; `exact` expects the row masses and the column masses after the cost matrix.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use ndarray::{ArrayView2, s};
use onebasin_transport::assignment::{Solver, maximise};
use onebasin_transport::exact;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, file, rows, columns, repeats] = arguments.as_slice() else {
        return Err("expected MODE FILE ROWS COLUMNS REPEATS".into());
    };
    let (rows, columns, repeats): (usize, usize, usize) = (rows.parse()?, columns.parse()?, repeats.parse()?);
    let numbers: Vec<f64> = std::fs::read(file)?.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let first = ArrayView2::from_shape((rows, columns), numbers.get(..rows * columns).ok_or("the file is too short")?)?;
    let single = first.mapv(|value| value as f32);
    let mut seconds = Vec::new();
    let mut value = 0.0;
    for _ in 0..repeats.max(1) {
        let started = Instant::now();
        match mode.as_str() {
            "assignment" => value = maximise(first)?.value,
            "single" => value = maximise(single.view())?.value,
            "exact" => {
                let masses = &numbers[rows * columns..];
                value = exact::plan(first, &masses[..rows], &masses[rows..rows + columns])?.cost;
            }
            "restart" => {
                let series = ndarray::ArrayView3::from_shape((numbers.len() / (rows * columns), rows, columns), &numbers)?;
                let mut solver = Solver::new(rows);
                solver.maximise(series.slice(s![0, .., ..]))?;
                let started = Instant::now();
                value = 0.0;
                for matrix in series.outer_iter().skip(1) {
                    value += solver.maximise(matrix)?.value;
                }
                seconds.push(started.elapsed().as_secs_f64());
                continue;
            }
            other => return Err(format!("unknown mode `{other}`").into()),
        }
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    writeln!(std::io::stdout(), "{{\"seconds\": {median:e}, \"value\": {value:e}}}")?;
    Ok(())
}
