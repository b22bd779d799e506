use std::cell::Cell;

use onebasin_network::Weights;

use crate::MatchingError;

/// How far the sum of coefficients may be from 1.
const SUM_TOLERANCE: f64 = 1e-6;

/// The mean of models that are in one frame, each with its coefficient (all equal if none are given); summed in `f64`.
///
/// # Errors
/// No models; coefficients that are not one finite number for each model with the sum 1 (within 1e-6: a mean that
/// rescales the weights is another model, so nothing is normalised silently).
pub fn mean(models: &[&Weights], coefficients: Option<&[f64]>) -> Result<Weights, MatchingError> {
    let wrong = |problem: String| Err(MatchingError::Coefficients { problem });
    let Some((first, _)) = models.split_first() else { return wrong("a mean of no models".to_owned()) };
    let even = vec![1.0 / models.len() as f64; models.len()];
    let coefficients = coefficients.unwrap_or(&even);
    if coefficients.len() != models.len() {
        return wrong(format!("{} coefficients for {} models", coefficients.len(), models.len()));
    }
    if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
        return wrong(format!("the coefficient `{value}` is not finite"));
    }
    let sum: f64 = coefficients.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return wrong(format!("the coefficients sum to `{sum}`"));
    }
    let mut sums = vec![0.0; first.iter().map(|(_, array)| array.len()).sum()];
    for (weights, &coefficient) in models.iter().zip(coefficients) {
        let entries = weights.iter().flat_map(|(_, array)| array.iter());
        for (sum, &value) in sums.iter_mut().zip(entries) {
            *sum += coefficient * f64::from(value);
        }
    }
    // `map` meets the numbers in the same order: by name, then row by row.
    let next = Cell::new(0);
    Ok(first.map(|_| sums[next.replace(next.get() + 1)] as f32))
}

/// `(1 − λ) a + λ b`, entry by entry in `f64`; exactly `a` at 0 and `b` at 1.
pub fn interpolate(a: &Weights, b: &Weights, lambda: f64) -> Weights {
    a.zip_map(b, |a, b| ((1.0 - lambda) * f64::from(a) + lambda * f64::from(b)) as f32)
}
