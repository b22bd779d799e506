use crate::MatchingError;

/// How far the loss rises between two models: the greatest excess over what the ends promise, over points λ of the line between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Barrier {
    /// `max_λ L(λ) − ((1 − λ) L(0) + λ L(1))`: over the straight line between the end losses.
    pub line: f64,
    /// `max_λ L(λ) − ½ (L(0) + L(1))`: over their mean; at least half their difference.
    pub mean: f64,
}

/// The barrier of losses measured at `lambdas`, by both definitions of the field.
///
/// # Errors
/// Lists of other than equal lengths, λ that do not rise from 0 to 1, a loss that is NaN.
///
/// Source: `line`: Entezari et al. (arXiv 2110.06296), equation 1; `mean`: Git Re-Basin (arXiv 2209.04836), definition 2.2.
pub fn barrier(lambdas: &[f64], losses: &[f64]) -> Result<Barrier, MatchingError> {
    let wrong = |problem: String| Err(MatchingError::Line { problem });
    if lambdas.len() != losses.len() || lambdas.len() < 2 {
        return wrong(format!("{} values of λ and {} losses", lambdas.len(), losses.len()));
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    let rises = lambdas.windows(2).all(|pair| pair[0] < pair[1]);
    if lambdas[0] != 0.0 || lambdas[lambdas.len() - 1] != 1.0 || !rises {
        return wrong(format!("λ from `{}` to `{}`, expected a rise from `0` to `1`", lambdas[0], lambdas[lambdas.len() - 1]));
    }
    if let Some(index) = losses.iter().position(|loss| loss.is_nan()) {
        return wrong(format!("the loss at λ = `{}` is not a number", lambdas[index]));
    }
    let excess = |promise: &dyn Fn(f64) -> f64| {
        lambdas.iter().zip(losses).map(|(&lambda, &loss)| loss - promise(lambda)).fold(f64::NEG_INFINITY, f64::max)
    };
    Ok(Barrier { line: excess(&|lambda| (1.0 - lambda) * first + lambda * last), mean: excess(&|_| 0.5 * (first + last)) })
}

/// `count` equally spaced λ from 0 to 1, both included (a single one is 0).
pub fn lambdas(count: usize) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|index| index as f64 / last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_definitions_by_hand() {
        let found = barrier(&[0.0, 0.25, 1.0], &[1.0, 2.5, 3.0]).unwrap();
        // Over the line: 2.5 − (0.75·1 + 0.25·3) = 1. Over the mean: 3 − 2 = 1, from the worse end.
        assert_eq!(found, Barrier { line: 1.0, mean: 1.0 });
        let found = barrier(&[0.0, 0.5, 1.0], &[1.0, 4.0, 2.0]).unwrap();
        assert_eq!(found, Barrier { line: 2.5, mean: 2.5 });
    }

    #[test]
    fn a_line_that_sags_has_the_barrier_zero_over_the_line_and_half_the_difference_over_the_mean() {
        let found = barrier(&lambdas(5), &[1.0, 0.5, 0.25, 0.5, 2.0]).unwrap();
        assert_eq!(found, Barrier { line: 0.0, mean: 0.5 });
    }

    #[test]
    fn twenty_five_lambdas_have_the_middle_in_the_middle() {
        let grid = lambdas(25);
        assert_eq!((grid.len(), grid[0], grid[12], grid[24]), (25, 0.0, 0.5, 1.0));
        assert_eq!((lambdas(1), lambdas(0)), (vec![0.0], vec![]));
    }

    #[test]
    fn lists_that_make_no_line_are_errors() {
        for (lambdas, losses) in [
            (&[0.0, 1.0][..], &[1.0][..]),
            (&[0.0], &[1.0]),
            (&[0.0, 0.5], &[1.0, 1.0]),
            (&[0.0, 0.5, 0.5, 1.0], &[1.0; 4]),
            (&[0.0, 0.5, 1.0], &[1.0, f64::NAN, 1.0]),
        ] {
            assert!(barrier(lambdas, losses).is_err(), "{lambdas:?} {losses:?}");
        }
    }
}
