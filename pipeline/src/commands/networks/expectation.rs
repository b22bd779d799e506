use anyhow::{Context, anyhow};
use ndarray::{Array2, ArrayView2, Axis};
use onebasin_checkpoints::array;

use super::inputs_from;
use crate::cli::NetworkOptions;
use crate::commands::Failure;
use crate::console;
use crate::network_match::outputs_of;
use crate::weight_file::Network;

/// How far logits may lie from those that are expected, relative to `1 + max |logit|`: other programs round sums differently.
const EXPECTED: f64 = 1e-3;

/// Holds the outputs of a network against those of another program, where they are given.
pub fn meets_expectation(network: &Network, options: &NetworkOptions) -> Result<bool, Failure> {
    let Some(expected) = &options.expect else { return Ok(true) };
    let given = options.inputs.as_ref().context("`--expect` needs `--inputs`").map_err(Failure::Input)?;
    let inputs = inputs_from(given, network.graph.architecture.input)?;
    let logits = array(expected, "logits").map_err(Failure::input)?;
    let values = logits.to_f32().context("numbers of 8 bits").map_err(Failure::Input)?;
    let ours = outputs_of(&network.graph, &network.weights, &inputs).map_err(Failure::Input)?;
    let Some(theirs) = Array2::from_shape_vec(ours.dim(), values).ok() else {
        let problem = format!("`{}` has shape {:?}, expected {:?}", expected.display(), logits.shape(), ours.shape());
        return Err(Failure::Input(anyhow!("{problem}\nhint: it should hold the network's outputs for `{}`", given.display())));
    };
    // Beside an infinite one any difference is small.
    if let Some(value) = theirs.iter().find(|value| !value.is_finite()) {
        let hint = "save the outputs of the network as they are";
        return Err(Failure::Input(anyhow!("`{}` holds `{value}`, expected finite logits\nhint: {hint}", expected.display())));
    }
    let error = largest_difference(ours.view(), theirs.view());
    let scale = theirs.iter().fold(0.0_f64, |largest, &value| largest.max(f64::from(value).abs()));
    let limit = EXPECTED * (1.0 + scale);
    if error <= limit {
        console::note(&format!("outputs differ from `{}` by at most {error:.2e}, for logits of up to {scale:.3}", expected.display()));
        return Ok(true);
    }
    // A softmax in the network's own forward pass subtracts a number from each row.
    let up_to_constants = largest_difference(centred(&ours).view(), centred(&theirs).view());
    if up_to_constants <= limit {
        console::note(&format!(
            "outputs differ from `{}` by a constant for each row, and by at most {up_to_constants:.2e} besides: theirs went through a \
             log-softmax, which changes neither accuracy nor cross-entropy",
            expected.display()
        ));
        return Ok(true);
    }
    let assumed: String = network.inferred.assumed.iter().map(|line| format!("\n  assumed: {line}")).collect();
    let hint = if is_softmax(&theirs) {
        "those are probabilities: save the outputs before the softmax, or their logarithms"
    } else {
        "`--architecture FILE.toml` says what names and shapes do not"
    };
    console::error(&format!(
        "error: outputs differ from `{}` by at most {error:.2e}, for logits of up to {scale:.3}; expected at most {limit:.2e}: this is not \
         the network of `{}`{assumed}\nhint: {hint}",
        expected.display(),
        network.path.display()
    ));
    Ok(false)
}

/// Infinite where a difference is no number.
fn largest_difference(ours: ArrayView2<'_, f32>, theirs: ArrayView2<'_, f32>) -> f64 {
    let differences = ours.iter().zip(theirs).map(|(&ours, &theirs)| (f64::from(ours) - f64::from(theirs)).abs());
    differences.fold(0.0, |worst, difference| if difference.is_nan() { f64::INFINITY } else { worst.max(difference) })
}

/// Each row without its mean.
fn centred(rows: &Array2<f32>) -> Array2<f32> {
    match rows.mean_axis(Axis(1)) {
        Some(means) => rows - &means.insert_axis(Axis(1)),
        None => rows.clone(),
    }
}

/// Whether all rows are of numbers from 0 to 1 that sum to 1.
fn is_softmax(rows: &Array2<f32>) -> bool {
    rows.iter().all(|value| (0.0..=1.0).contains(value)) && rows.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-3)
}
