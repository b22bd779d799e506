use ndarray::ArrayD;
use onebasin_network::{PermutationSpec, Weights};
use onebasin_repro::Stream;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::error::impossible;
use crate::tensors::{AnyTensor, Tensors};
use crate::training_run::is_learned;

/// A curve between two networks: `φ(t) = Σₖ cₖ(t) Wₖ` over control points `W₀` (an end), the bends, `W₍ₘ₋₁₎` (the other end), `t` in [0, 1].
///
/// The coefficients add up to 1; at 0 and 1 those of the ends are 1.
///
/// Source: Garipov et al. 2018 (arXiv 1802.10026), equations 3 and 4, and `dnn-mode-connectivity`, `curves.py` for more bends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModePath {
    /// Its shape.
    pub kind: PathKind,
    /// Control points between the ends, at least 1.
    pub bends: usize,
}

/// The shape of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A Bézier curve: `cₖ(t) = C(m - 1, k) tᵏ (1 - t)ᵐ⁻¹⁻ᵏ`.
    #[default]
    Bezier,
    /// A chain of straight lines from one control point to the next: `cₖ(t) = max(0, 1 - |t (m - 1) - k|)`.
    Polygonal,
}

/// More bends than anyone trains.
const MOST_BENDS: usize = 100;

impl ModePath {
    /// Whether it has a number of bends that a path can have.
    ///
    /// # Errors
    /// When it has none, or very many.
    pub fn check(self) -> Result<(), TrainingError> {
        if (1..=MOST_BENDS).contains(&self.bends) {
            return Ok(());
        }
        Err(impossible("bends", self.bends, "a number from 1 to 100", "1 is usual; a line without bends needs no training"))
    }

    /// The share of each control point at `t`.
    pub fn coefficients(self, t: f64) -> Vec<f64> {
        let last = self.bends + 1;
        let coefficient = |place: usize| match self.kind {
            PathKind::Bezier => binomial(last, place) * t.powi(place as i32) * (1.0 - t).powi((last - place) as i32),
            PathKind::Polygonal => (1.0 - (t * last as f64 - place as f64).abs()).max(0.0),
        };
        (0..=last).map(coefficient).collect()
    }

    /// The network at `t`, from the control points, ends included.
    ///
    /// # Errors
    /// When there are more or fewer control points, or they are of several networks.
    pub fn point(self, spec: &PermutationSpec, controls: &[Weights], t: f64) -> Result<Weights, TrainingError> {
        if controls.len() != self.bends + 2 {
            let problem = format!("{} control points for {} bends", controls.len(), self.bends);
            return Err(TrainingError::Path { problem });
        }
        let coefficients = self.coefficients(t);
        for weights in controls {
            weights.fits(spec)?;
        }
        let sum = |name: &str, first: &ArrayD<f32>| {
            let mut sum = first.mapv(|_| 0.0);
            for (weights, &share) in controls.iter().zip(&coefficients) {
                sum.zip_mut_with(weights.get(name), |sum, &value| *sum += share * f64::from(value));
            }
            sum.mapv(|value| value as f32)
        };
        let arrays = controls[0].iter().map(|(name, first)| (name.to_owned(), sum(name, first)));
        Ok(Weights::new(spec, arrays.collect())?)
    }
}

fn binomial(of: usize, choose: usize) -> f64 {
    (0..choose).fold(1.0, |product, place| product * (of - place) as f64 / (place + 1) as f64)
}

/// How far each point of a path is from the one before it: the Euclidean distance of all trained parameters.
pub fn path_steps(spec: &PermutationSpec, points: &[Weights]) -> Vec<f64> {
    let learned = || spec.parameters.iter().filter(|parameter| is_learned(parameter.role));
    let square = |a: &Weights, b: &Weights, name: &str| -> f64 {
        a.get(name).iter().zip(b.get(name)).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    };
    let distance = |pair: &[Weights]| learned().map(|parameter| square(&pair[0], &pair[1], &parameter.name)).sum::<f64>().sqrt();
    points.windows(2).map(distance).collect()
}

/// The mean of values along a path by its length: `Σ ½ (vᵢ + vᵢ₊₁) dᵢ / Σ dᵢ`, with `d` the steps from each point to the next.
///
/// `None` where there is no length.
///
/// Source: Garipov et al. 2018, section 3.2; `dnn-mode-connectivity`, `eval_curve.py`.
pub fn length_weighted(values: &[f64], steps: &[f64]) -> Option<f64> {
    let length: f64 = steps.iter().sum();
    let sum: f64 = values.windows(2).zip(steps).map(|(pair, step)| 0.5 * (pair[0] + pair[1]) * step).sum();
    (length > 0.0).then(|| sum / length)
}

/// A path whose bends are trained: its ends, and where its points are drawn from. The bends are the training's own tensors.
pub(crate) struct Controls {
    pub(crate) path: ModePath,
    pub(crate) ends: [Tensors; 2],
    pub(crate) draws: Stream,
    /// L2 penalty of the network at the point.
    pub(crate) penalty: f64,
}

impl Controls {
    /// The coefficients of the point of a step.
    pub(crate) fn draw(&self, step: usize) -> Vec<f64> {
        self.path.coefficients(self.draws.child(format!("step-{step}")).rng().random::<f64>())
    }

    /// The network at a point.
    pub(crate) fn point(&self, bends: &Tensors, coefficients: &[f64]) -> Tensors {
        let [first, last] = &self.ends;
        let of_a_network = first.0.len();
        let controls = std::iter::once(first.0.as_slice()).chain(bends.0.chunks(of_a_network)).chain([last.0.as_slice()]);
        // A polygonal chain leaves out all control points but two.
        let shares: Vec<(&[AnyTensor], f64)> =
            controls.zip(coefficients.iter().copied()).filter(|(_, coefficient)| *coefficient != 0.0).collect();
        let sum = |place: usize| {
            let parts = shares.iter().map(|(control, coefficient)| control[place].clone().scale(*coefficient));
            parts.reduce(AnyTensor::add).expect("coefficients add up to 1")
        };
        Tensors((0..of_a_network).map(sum).collect())
    }

    /// The gradients of the bends, one bend after the other, from those of the network at a point.
    pub(crate) fn gradients(&self, at_point: Vec<Option<AnyTensor>>, point: &Tensors, coefficients: &[f64]) -> Vec<Option<AnyTensor>> {
        let penalised = |(gradient, weights): (Option<AnyTensor>, &AnyTensor)| {
            gradient.map(|gradient| if self.penalty > 0.0 { gradient.add(weights.clone().scale(self.penalty)) } else { gradient })
        };
        let at_point: Vec<Option<AnyTensor>> = at_point.into_iter().zip(&point.0).map(penalised).collect();
        let bends = &coefficients[1..coefficients.len() - 1];
        let of_bend = |&share: &f64| at_point.iter().map(move |gradient| gradient.clone().map(|gradient| gradient.scale(share)));
        bends.iter().flat_map(of_bend).collect()
    }
}

#[cfg(test)]
mod tests;
