use onebasin_network::{PermutationSpec, Weights};

use crate::objective::{length, objective};

/// Below this sine of the angle two networks count as parallel: the arc between them is the straight line, or no arc is the shortest.
const PARALLEL: f64 = 1e-6;

/// The point at λ of the arc between two networks, as vectors of all their trained numbers: with the angle ω between them
/// `(sin((1 − λ) ω) a + sin(λ ω) b) / sin ω`; exactly `a` at 0 and `b` at 1.
///
/// Lengths change evenly or not at all, where those of the straight line dip. Running statistics are interpolated linearly. Networks that are
/// parallel, or one of which is zero, are joined by the straight line.
///
/// Source: Git Re-Basin (arXiv 2209.04836), section 3.3, footnote.
pub fn interpolate_spherically(spec: &PermutationSpec, a: &Weights, b: &Weights, lambda: f64) -> Weights {
    let angle = angle(spec, a, b);
    let (from, to) = if angle.sin() < PARALLEL {
        (1.0 - lambda, lambda)
    } else {
        (((1.0 - lambda) * angle).sin() / angle.sin(), (lambda * angle).sin() / angle.sin())
    };
    let arrays = spec.parameters.iter().map(|parameter| {
        let (from, to) = if parameter.role.is_matched() { (from, to) } else { (1.0 - lambda, lambda) };
        let mut between = a.get(&parameter.name).clone();
        between.zip_mut_with(b.get(&parameter.name), |a, &b| *a = (from * f64::from(*a) + to * f64::from(b)) as f32);
        (parameter.name.clone(), between)
    });
    Weights::new(spec, arrays.collect()).expect("arrays keep their names and shapes")
}

/// The angle between two networks, in radians; 0 where one of them is zero.
fn angle(spec: &PermutationSpec, a: &Weights, b: &Weights) -> f64 {
    let lengths = length(spec, a) * length(spec, b);
    if lengths > 0.0 { (objective(spec, &[a, b]) / lengths).clamp(-1.0, 1.0).acos() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpolate;
    use crate::testing::{chain, mixed, numbers, random};

    #[test]
    fn halfway_between_two_at_right_angles_by_hand() {
        let graph = chain(&[1]);
        let [a, b] = [[3.0, 0.0], [0.0, 4.0]].map(|[first, second]| numbers(graph.spec(), &[&[first], &[second]]));
        // ω = π/2: sin(π/4) of each.
        let found = interpolate_spherically(graph.spec(), &a, &b, 0.5).flat();
        for (found, expected) in found.iter().zip([3.0f32, 4.0]) {
            assert!((found - expected * std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6, "{found}");
        }
    }

    #[test]
    fn ends_are_exact_lengths_hold_and_running_statistics_go_straight() {
        let graph = mixed();
        let spec = graph.spec();
        let a = random(spec, 1);
        // As long as `a` where it counts.
        let b = random(spec, 2);
        let scale = (length(spec, &a) / length(spec, &b)) as f32;
        let b = b.map(|value| value * scale);
        assert_eq!(interpolate_spherically(spec, &a, &b, 0.0), a);
        assert_eq!(interpolate_spherically(spec, &a, &b, 1.0), b);
        for lambda in [0.25, 0.5, 0.9] {
            let between = interpolate_spherically(spec, &a, &b, lambda);
            assert!((length(spec, &between) / length(spec, &a) - 1.0).abs() < 1e-6);
            let straight = interpolate(&a, &b, lambda);
            for parameter in &spec.parameters {
                let same = between.get(&parameter.name) == straight.get(&parameter.name);
                assert_eq!(same, !parameter.role.is_matched(), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn parallel_networks_and_zeros_are_joined_by_a_straight_line() {
        let graph = mixed();
        let spec = graph.spec();
        let a = random(spec, 1);
        for b in [a.clone(), a.map(|value| 2.0 * value), a.map(|value| -value), Weights::zeros(spec)] {
            assert_eq!(interpolate_spherically(spec, &a, &b, 0.25), interpolate(&a, &b, 0.25));
        }
    }
}
