use ndarray::{Array2, Axis, array};
use onebasin_transport::sinkhorn::{Sinkhorn, doubly_stochastic};
use onebasin_transport::{TransportError, exact};
use proptest::prelude::*;

use crate::reference::uniform;

fn assert_marginals(plan: &Array2<f64>, rows: &[f64], columns: &[f64], tolerance: f64) {
    assert!(plan.iter().all(|value| value.is_finite() && *value >= 0.0));
    let off: f64 =
        plan.sum_axis(Axis(1)).iter().zip(rows).chain(plan.sum_axis(Axis(0)).iter().zip(columns)).map(|(a, b)| (a - b).abs()).sum();
    assert!(off <= tolerance, "{off}");
}

#[test]
fn two_by_two_has_its_closed_form() {
    // Uniform masses, costs 0 on the diagonal and 1 off it: P = [[p, q], [q, p]] / 2 with p / q = exp(1 / ε), p + q = 1.
    for epsilon in [0.02, 0.5, 2.0] {
        let settings = Sinkhorn { regularisation: epsilon, tolerance: 1e-14, iterations: 100 };
        let found = settings.plan(array![[0.0, 1.0], [1.0, 0.0]].view(), &[0.5, 0.5], &[0.5, 0.5]).unwrap();
        assert!(found.converged);
        let p = 0.5 / (1.0 + (-1.0 / epsilon).exp());
        assert!((found.plan[[0, 0]] - p).abs() < 1e-15 && (found.plan[[0, 1]] - (0.5 - p)).abs() < 1e-15);
    }
}

proptest! {
    #[test]
    fn a_converged_plan_fits_and_factors(height in 1_usize..20, width in 1_usize..20, seed in 0_u64..100, epsilon in 0.05..2.0) {
        let cost = uniform(height, width, seed);
        let (rows, columns) = (vec![1.0 / height as f64; height], vec![1.0 / width as f64; width]);
        let found = Sinkhorn { regularisation: epsilon, tolerance: 1e-10, iterations: 100_000 }.plan(cost.view(), &rows, &columns).unwrap();
        prop_assert!(found.converged);
        prop_assert!(found.marginal_error <= 2e-10);
        assert_marginals(&found.plan, &rows, &columns, 2e-10);
        // ln P + C / ε = f + g: every 2 × 2 minor of it vanishes.
        let logs = found.plan.mapv(f64::ln) + &cost / epsilon;
        for i in 1..height {
            for j in 1..width {
                prop_assert!((logs[[i, j]] + logs[[0, 0]] - logs[[i, 0]] - logs[[0, j]]).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn small_regularisation_approaches_the_exact_plan_without_overflow() {
    let cost = uniform(30, 20, 1) * 1000.0;
    let (rows, columns) = (vec![1.0 / 30.0; 30], vec![1.0 / 20.0; 20]);
    let exact = exact::plan(cost.view(), &rows, &columns).unwrap().cost;
    let mut last = f64::INFINITY;
    for epsilon in [100.0, 10.0, 1.0, 0.1] {
        let found = Sinkhorn { regularisation: epsilon, tolerance: 1e-7, iterations: 200_000 }.plan(cost.view(), &rows, &columns).unwrap();
        assert_marginals(&found.plan, &rows, &columns, if found.converged { 2e-7 } else { 0.1 });
        let price = (&found.plan * &cost).sum();
        assert!(price >= exact - 1e-3 && price <= last + 1e-3, "ε {epsilon}: {price} against {exact}");
        last = price;
    }
    assert!(last - exact < 1.0, "{last} against {exact}");
}

#[test]
fn an_iteration_limit_is_reported() {
    let cost = uniform(30, 30, 2);
    let even = vec![1.0; 30];
    let found = Sinkhorn { regularisation: 0.001, tolerance: 1e-12, iterations: 3 }.plan(cost.view(), &even, &even).unwrap();
    assert!(!found.converged && found.iterations == 3 && found.marginal_error > 1e-12);
    let none = Sinkhorn { regularisation: 0.1, tolerance: 1e-12, iterations: 0 }.plan(cost.view(), &even, &even).unwrap();
    assert!(!none.converged && none.iterations == 0 && none.plan.iter().all(|value| value.is_finite()));
}

#[test]
fn towards_no_regularisation_the_plan_goes_to_the_exact_one_within_few_iterations() {
    for (height, width) in [(32, 32), (30, 20)] {
        let cost = uniform(height, width, 4);
        let (rows, columns) = (vec![1.0 / height as f64; height], vec![1.0 / width as f64; width]);
        let exact = exact::plan(cost.view(), &rows, &columns).unwrap().cost;
        let mut last = f64::INFINITY;
        for epsilon in [1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-12, 1e-100, 1e-300] {
            let found = Sinkhorn { regularisation: epsilon, tolerance: 1e-9, iterations: 50 }.plan(cost.view(), &rows, &columns).unwrap();
            assert!(found.marginal_error < 5e-3, "ε {epsilon}: {}", found.marginal_error);
            let price = (&found.plan * &cost).sum();
            assert!(price < last + 1e-4, "ε {epsilon}: {price} after {last}");
            last = price;
        }
        assert!((last - exact).abs() < 1e-4, "{last} against {exact}");
    }
}

#[test]
fn numbers_in_messages_are_short() {
    let cost = uniform(2, 2, 1);
    let message = Sinkhorn { regularisation: 1e-320, tolerance: 0.1, iterations: 1 }.plan(cost.view(), &[1.0; 2], &[1.0; 2]).unwrap_err();
    assert!(message.to_string().starts_with("`regularisation` is `1e-320`: expected large enough"), "{message}");
    let message = exact::plan((cost * 1e250).view(), &[1.0; 2], &[1.0; 2]).unwrap_err().to_string();
    assert!(message.starts_with("entry (`0`, `0`) is `") && message.contains("e249`") || message.contains("e250`"), "{message}");
}

#[test]
fn masses_may_be_zero() {
    let cost = uniform(4, 3, 3);
    let (rows, columns) = ([0.0, 0.5, 0.25, 0.25], [0.6, 0.0, 0.4]);
    let found = Sinkhorn { regularisation: 0.1, tolerance: 1e-12, iterations: 10_000 }.plan(cost.view(), &rows, &columns).unwrap();
    assert!(found.converged);
    assert_marginals(&found.plan, &rows, &columns, 1e-11);
    let nothing = Sinkhorn { regularisation: 0.1, tolerance: 0.0, iterations: 10 }.plan(cost.view(), &[0.0; 4], &[0.0; 3]).unwrap();
    assert!(nothing.converged && nothing.plan.sum() == 0.0);
}

#[test]
fn bad_settings_are_errors() {
    let cost = uniform(2, 2, 1);
    let plan = |regularisation, tolerance| {
        Sinkhorn { regularisation, tolerance, iterations: 1 }.plan(cost.view(), &[1.0; 2], &[1.0; 2]).unwrap_err()
    };
    assert!(matches!(plan(0.0, 0.1), TransportError::BadSetting { setting: "regularisation", .. }));
    assert!(matches!(plan(f64::NAN, 0.1), TransportError::BadSetting { setting: "regularisation", .. }));
    assert!(matches!(plan(1e-310, 0.1), TransportError::BadSetting { setting: "regularisation", .. }));
    assert!(matches!(plan(1.0, -0.1), TransportError::BadSetting { setting: "tolerance", .. }));
}

#[test]
fn normalisation_makes_a_matrix_doubly_stochastic() {
    let mut matrix = uniform(25, 25, 6);
    let sweeps = doubly_stochastic(&mut matrix, 1e-12, 1000);
    assert!(sweeps > 1 && sweeps < 100, "{sweeps}");
    assert_marginals(&matrix, &[1.0; 25], &[1.0; 25], 1e-10);
    let mut fixed = Array2::<f64>::eye(4);
    assert_eq!(doubly_stochastic(&mut fixed, 0.0, 10), 1);
    assert_eq!(fixed, Array2::<f64>::eye(4));
    let mut zero = Array2::<f64>::zeros((3, 3));
    doubly_stochastic(&mut zero, 1e-9, 5);
    assert_eq!(zero.sum(), 0.0);
}
