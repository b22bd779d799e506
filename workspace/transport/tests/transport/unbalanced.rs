use ndarray::{Array2, Axis, array};
use onebasin_transport::TransportError;
use onebasin_transport::sinkhorn::Sinkhorn;
use onebasin_transport::unbalanced::{Relaxed, Unbalanced};
use proptest::prelude::*;
use rand::Rng;

use crate::reference::{random, uniform};

fn settings(regularisation: f64, relaxation: f64) -> Unbalanced {
    Unbalanced { regularisation, relaxation, tolerance: 1e-12, iterations: 100_000 }
}

fn solve(settings: Unbalanced, cost: &Array2<f64>, rows: &[f64], columns: &[f64]) -> Relaxed {
    let found = settings.plan(cost.view(), rows, columns).unwrap();
    assert!(found.converged, "{} iterations", found.iterations);
    assert!(found.marginal_error <= 1e-9, "{}", found.marginal_error);
    assert!(found.duality_gap.abs() <= 1e-9, "{}", found.duality_gap);
    assert!((found.cost - (&found.plan * cost).sum()).abs() <= 1e-12 * (1.0 + found.cost.abs()));
    found
}

fn divergence(x: f64, y: f64) -> f64 {
    if y == 0.0 { 0.0 } else { x * (x / y).ln() - x + y }
}

/// The objective, straight from its definition.
fn objective(settings: Unbalanced, plan: &Array2<f64>, cost: &Array2<f64>, rows: &[f64], columns: &[f64]) -> f64 {
    let entropy: f64 = plan.indexed_iter().map(|((i, j), mass)| divergence(*mass, rows[i] * columns[j])).sum();
    let miss = |sums: ndarray::Array1<f64>, masses: &[f64]| sums.iter().zip(masses).map(|(sum, mass)| divergence(*sum, *mass)).sum::<f64>();
    let missed = miss(plan.sum_axis(Axis(1)), rows) + miss(plan.sum_axis(Axis(0)), columns);
    (plan * cost).sum() + settings.regularisation * entropy + settings.relaxation * missed
}

#[test]
fn one_by_one_has_its_closed_form() {
    // p c + ε (p ln p - p + 1) + 2 ρ (p ln p - p + 1) is least at ln p = -c / (ε + 2 ρ).
    for (epsilon, rho, c) in [(0.1, 1.0, 0.5), (1.0, 0.01, 2.0), (0.01, 100.0, 3.0)] {
        let found = solve(settings(epsilon, rho), &array![[c]], &[1.0], &[1.0]);
        let expected = (-c / (epsilon + 2.0 * rho)).exp();
        assert!((found.plan[[0, 0]] - expected).abs() < 1e-9, "{} for {expected}", found.plan[[0, 0]]);
    }
}

proptest! {
    #[test]
    fn no_other_plan_has_a_lower_objective(height in 1_usize..6, width in 1_usize..6, seed in 0_u64..50, epsilon in 0.05..1.0, rho in 0.05..5.0) {
        let cost = uniform(height, width, seed);
        let mut random = random(seed);
        let mut masses = |count: usize| (0..count).map(|_| 0.1 + random.random::<f64>()).collect::<Vec<f64>>();
        let (rows, columns) = (masses(height), masses(width));
        let settings = settings(epsilon, rho);
        let found = solve(settings, &cost, &rows, &columns);
        let least = objective(settings, &found.plan, &cost, &rows, &columns);
        for ((i, j), _) in cost.indexed_iter() {
            for factor in [0.9, 0.999, 1.001, 1.1] {
                let mut other = found.plan.clone();
                other[[i, j]] *= factor;
                let value = objective(settings, &other, &cost, &rows, &columns);
                prop_assert!(value >= least - 1e-9 * least.abs(), "{value} and {least}");
            }
        }
    }
}

#[test]
fn dear_marginals_give_sinkhorns_plan_and_cheap_ones_let_mass_vanish() {
    let cost = uniform(12, 9, 5);
    let (rows, columns) = (vec![1.0 / 12.0; 12], vec![1.0 / 9.0; 9]);
    let balanced = Sinkhorn { regularisation: 0.1, tolerance: 1e-12, iterations: 100_000 }.plan(cost.view(), &rows, &columns).unwrap();
    let mut last = 0.0;
    for rho in [1e-3, 1e-1, 1.0, 1e2, 1e5] {
        let found = solve(Unbalanced { tolerance: 1e-10, ..settings(0.1, rho) }, &cost, &rows, &columns);
        let mass = found.plan.sum();
        assert!(mass > last && mass < 1.0, "ρ {rho}: {mass} after {last}");
        last = mass;
        if rho > 1e4 {
            let off = (&found.plan - &balanced.plan).mapv(f64::abs).sum();
            assert!(off < 1e-4, "{off}");
        }
    }
}

#[test]
fn next_to_no_regularisation_neither_overflows_nor_divides_by_zero() {
    let cost = uniform(20, 30, 2) * 1000.0;
    let (rows, columns) = (vec![1.0 / 20.0; 20], vec![1.0 / 30.0; 30]);
    for (epsilon, rho) in [(1e-6, 1.0), (1e-3, 1e3), (1e-12, 1e-12), (1e3, 1e-9)] {
        let hasty = Unbalanced { iterations: 50, ..settings(epsilon, rho) };
        let found = hasty.plan(cost.view(), &rows, &columns).unwrap();
        assert!(found.plan.iter().all(|mass| mass.is_finite() && *mass >= 0.0), "ε {epsilon}, ρ {rho}");
        assert!(
            found.duality_gap.is_finite() && found.duality_gap > -1e-9 && found.marginal_error.is_finite(),
            "ε {epsilon}, ρ {rho}: {found:?}"
        );
    }
}

#[test]
fn what_is_missing_when_iterations_run_out_is_told() {
    let cost = uniform(30, 30, 2);
    let even = vec![1.0 / 30.0; 30];
    let hasty = Unbalanced { iterations: 2, ..settings(0.01, 1.0) }.plan(cost.view(), &even, &even).unwrap();
    assert!(!hasty.converged && hasty.iterations == 2 && hasty.marginal_error > 1e-6 && hasty.duality_gap > 1e-9, "{hasty:?}");
}

#[test]
fn masses_may_be_zero_and_of_any_total() {
    let cost = uniform(3, 2, 3);
    let found = solve(settings(0.1, 1.0), &cost, &[0.0, 2.0, 1.0], &[5.0, 0.0]);
    assert!(found.plan.row(0).sum() == 0.0 && found.plan.column(1).sum() == 0.0 && found.plan.sum() > 0.0);
    let nothing = solve(settings(0.1, 1.0), &cost, &[0.0; 3], &[1.0; 2]);
    assert_eq!(nothing.plan.sum(), 0.0);
}

#[test]
fn bad_settings_are_errors() {
    let cost = uniform(2, 2, 1);
    let plan = |settings: Unbalanced| settings.plan(cost.view(), &[1.0; 2], &[1.0; 2]).unwrap_err();
    assert!(matches!(plan(settings(0.0, 1.0)), TransportError::BadSetting { setting: "regularisation", .. }));
    assert!(matches!(plan(settings(1e-320, 1.0)), TransportError::BadSetting { setting: "regularisation", .. }));
    assert!(matches!(plan(settings(1.0, f64::INFINITY)), TransportError::BadSetting { setting: "relaxation", .. }));
    let backwards = Unbalanced { tolerance: -1.0, ..settings(1.0, 1.0) };
    assert!(matches!(plan(backwards), TransportError::BadSetting { setting: "tolerance", .. }));
}
