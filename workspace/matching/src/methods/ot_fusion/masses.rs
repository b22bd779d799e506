//! How much of the mass each unit has.

use onebasin_network::{Parameter, Weights};

use super::Masses;

/// Added to each norm, as the authors' program does it: a unit without weights has next to no mass, not none.
const FLOOR: f64 = 1e-9;

impl Masses {
    /// The masses of the units of the fixed model and of the moving one, each with the sum 1; none where they are uniform. The weights of
    /// both are taken as they are.
    pub(super) fn of<'a, P: Iterator<Item = &'a Parameter>>(
        self,
        weights: [&Weights; 2],
        units: [usize; 2],
        parameters: impl Fn() -> P,
    ) -> Option<[Vec<f64>; 2]> {
        if self == Masses::Uniform {
            return None;
        }
        let of_model = |weights: &Weights, units: usize| {
            let mut sums = vec![0.0; units];
            for parameter in parameters() {
                let values = weights.values(&parameter.name);
                for (sum, row) in sums.iter_mut().zip(values.chunks_exact((values.len() / units).max(1))) {
                    let of_row = row.iter().map(|&weight| f64::from(weight));
                    *sum += if self == Masses::L1 { of_row.map(f64::abs).sum::<f64>() } else { of_row.map(|weight| weight * weight).sum() };
                }
            }
            let norms = sums.into_iter().map(|sum| FLOOR + if self == Masses::L1 { sum } else { sum.sqrt() });
            let norms: Vec<f64> = norms.collect();
            let total: f64 = norms.iter().sum();
            norms.into_iter().map(|norm| norm / total).collect()
        };
        Some([of_model(weights[0], units[0]), of_model(weights[1], units[1])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, numbers};

    #[test]
    fn masses_are_shares_of_norms_by_hand() {
        let graph = chain(&[2, 2]);
        let spec = graph.spec();
        let a = numbers(spec, &[&[0.0, 0.0], &[3.0, -4.0, 0.0, 5.0], &[0.0, 0.0]]);
        let b = numbers(spec, &[&[0.0, 0.0], &[1.0, 0.0, 0.0, 0.0], &[0.0, 0.0]]);
        let of = |masses: Masses| masses.of([&a, &b], [2, 2], || spec.parameters[1..2].iter());
        assert_eq!(of(Masses::Uniform), None);
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-8), "{found:?}");
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12 && found[1] > 0.0);
        };
        let [fixed, moving] = of(Masses::L1).unwrap();
        near(fixed, [7.0 / 12.0, 5.0 / 12.0]);
        near(moving, [1.0, 0.0]);
        let [fixed, moving] = of(Masses::L2).unwrap();
        near(fixed, [0.5, 0.5]);
        near(moving, [1.0, 0.0]);
    }
}
