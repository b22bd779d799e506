use ndarray::{Array2, Axis, s};
use onebasin_transport::{Plan, TransportError, assignment, exact};
use proptest::prelude::*;
use rand::Rng;

use crate::reference::{gaussian, random, uniform};

/// Marginals, sparsity, order, value and certificate.
fn assert_proven(cost: &Array2<f64>, rows: &[f64], columns: &[f64], plan: &Plan) {
    let total: f64 = rows.iter().sum();
    let dense = plan.to_dense();
    let tolerance = 1e-12 * total;
    for (sum, mass) in dense.sum_axis(Axis(1)).iter().zip(rows) {
        assert!((sum - mass).abs() <= tolerance, "row {sum} {mass}");
    }
    for (sum, mass) in dense.sum_axis(Axis(0)).iter().zip(columns) {
        assert!((sum - mass).abs() <= tolerance + 1e-9 * mass, "column {sum} {mass}");
    }
    assert!(plan.entries.len() <= (rows.len() + columns.len()).saturating_sub(1), "{} entries", plan.entries.len());
    assert!(plan.entries.iter().all(|entry| entry.2 > 0.0));
    assert!(plan.entries.windows(2).all(|pair| (pair[0].0, pair[0].1) < (pair[1].0, pair[1].1)));
    let value = (&dense * cost).sum();
    assert!((value - plan.cost).abs() <= 1e-12 * (value.abs() + total));
    let certificate = plan.certificate(cost.view());
    assert!(certificate.holds(1e-12), "{certificate:?}");
}

fn solve(cost: &Array2<f64>, rows: &[f64], columns: &[f64]) -> Plan {
    let plan = exact::plan(cost.view(), rows, columns).unwrap();
    assert_proven(cost, rows, columns, &plan);
    plan
}

/// Euclidean distances between random points.
fn distances(rows: usize, columns: usize, features: usize, seed: u64) -> Array2<f64> {
    let (a, b) = (gaussian(rows, features, seed), gaussian(columns, features, seed + 1));
    Array2::from_shape_fn((rows, columns), |(i, j)| (&a.row(i) - &b.row(j)).mapv(|value| value * value).sum().sqrt())
}

fn shares(count: usize, seed: u64) -> Vec<f64> {
    let mut random = random(seed);
    let masses: Vec<f64> = (0..count).map(|_| -(1.0 - random.random::<f64>()).ln()).collect();
    let total: f64 = masses.iter().sum();
    masses.into_iter().map(|mass| mass / total).collect()
}

proptest! {
    /// Whole masses can be split into units, one row and one column each: an assignment.
    #[test]
    fn whole_masses_cost_what_their_units_cost(
        (rows, columns, entries) in (1_usize..6, 1_usize..6).prop_flat_map(|(height, width)| (
            proptest::collection::vec(0_usize..5, height),
            proptest::collection::vec(0_usize..5, width),
            proptest::collection::vec((-4_i32..4).prop_map(f64::from), height * width),
        ))
    ) {
        let (mut rows, mut columns) = (rows, columns);
        let (row_sum, column_sum) = (rows.iter().sum::<usize>(), columns.iter().sum::<usize>());
        if row_sum < column_sum { rows[0] += column_sum - row_sum } else { columns[0] += row_sum - column_sum }
        let cost = Array2::from_shape_vec((rows.len(), columns.len()), entries).unwrap();
        let units = |masses: &[usize]| masses.iter().enumerate().flat_map(|(index, mass)| vec![index; *mass]).collect::<Vec<_>>();
        let (row_units, column_units) = (units(&rows), units(&columns));
        let gain = Array2::from_shape_fn((row_units.len(), column_units.len()), |(i, j)| -cost[[row_units[i], column_units[j]]]);
        let expected = -assignment::maximise(gain.view()).unwrap().value;
        let masses = |masses: &[usize]| masses.iter().map(|mass| *mass as f64).collect::<Vec<_>>();
        let plan = solve(&cost, &masses(&rows), &masses(&columns));
        prop_assert!((plan.cost - expected).abs() <= 1e-12 * (1.0 + expected.abs()));
    }

    #[test]
    fn any_masses_are_moved_optimally(height in 1_usize..30, width in 1_usize..30, seed in 0_u64..1000) {
        solve(&uniform(height, width, seed), &shares(height, seed + 1), &shares(width, seed + 2));
    }
}

#[test]
fn square_and_uniform_is_the_assignment() {
    let cost = distances(60, 60, 9, 1);
    let plan = solve(&cost, &[1.0 / 60.0; 60], &[1.0 / 60.0; 60]);
    let assigned = assignment::maximise(cost.mapv(|value| -value).view()).unwrap();
    assert_eq!(plan.entries.len(), 60);
    assert!((plan.cost + assigned.value / 60.0).abs() < 1e-12);
    // The general solver must agree: masses a hair away from uniform leave the short cut.
    let mut rows = vec![1.0 / 60.0; 60];
    rows[0] += 1e-11;
    rows[1] -= 1e-11;
    assert!((solve(&cost, &rows, &[1.0 / 60.0; 60]).cost - plan.cost).abs() < 1e-8);
}

#[test]
fn unequal_sizes_and_masses_are_proven_optimal() {
    for (height, width) in [(40, 20), (20, 40), (33, 50), (1, 9), (9, 1), (64, 48), (101, 100)] {
        let cost = distances(height, width, 7, 3);
        let (even_rows, even_columns) = (vec![1.0 / height as f64; height], vec![1.0 / width as f64; width]);
        let even = solve(&cost, &even_rows, &even_columns);
        solve(&cost, &shares(height, 4), &shares(width, 5));
        solve(&cost, &even_rows, &shares(width, 5));
        let transposed = solve(&cost.t().to_owned(), &even_columns, &even_rows);
        assert!((even.cost - transposed.cost).abs() < 1e-12);
    }
}

#[test]
fn tied_costs_give_a_vertex_too() {
    for cost in [
        Array2::zeros((30, 20)),
        Array2::from_shape_fn((30, 20), |(i, j)| ((i + j) % 3) as f64),
        uniform(30, 20, 1).mapv(|value| (value * 3.0).floor()),
    ] {
        solve(&cost, &[1.0 / 30.0; 30], &[1.0 / 20.0; 20]);
        solve(&cost, &shares(30, 1), &shares(20, 2));
        solve(&cost, &[20.0; 30], &[30.0; 20]);
    }
}

#[test]
fn large_problems_full_of_ties_end() {
    let (height, width) = (500, 300);
    let started = std::time::Instant::now();
    for cost in [
        Array2::zeros((height, width)),
        Array2::from_shape_fn((height, width), |(i, j)| ((i * 7 + j * 13) % 11) as f64),
        Array2::from_shape_fn((height, width), |(i, j)| (i as f64 / 5.0 - j as f64 / 3.0).powi(2)),
        Array2::from_shape_fn((height, width), |(i, j)| (i / 5).abs_diff(j / 3) as f64),
        Array2::from_shape_fn((height, width), |(i, j)| -((i * j) as f64)),
    ] {
        solve(&cost, &vec![1.0 / height as f64; height], &vec![1.0 / width as f64; width]);
        solve(&cost, &vec![3.0; height], &vec![5.0; width]);
        solve(&cost, &shares(height, 4), &shares(width, 5));
    }
    assert!(started.elapsed().as_secs_f64() < 60.0, "{:?}", started.elapsed());
}

#[test]
fn forbidding_entries_by_a_huge_cost_leaves_the_others_sharp() {
    let (rows, columns) = (shares(40, 1), shares(30, 2));
    let forbidden = uniform(40, 30, 8);
    let cost = |price: f64| Array2::from_shape_fn((40, 30), |at| if forbidden[at] < 0.4 { price } else { forbidden[at] });
    let expected = solve(&cost(1e3), &rows, &columns);
    assert!(expected.cost < 1.0, "the forbidden entries can be avoided");
    for price in [1e6, 1e9, 1e12, 1e30] {
        let plan = solve(&cost(price), &rows, &columns);
        assert!((plan.cost - expected.cost).abs() < 1e-12, "{price}: {} against {}", plan.cost, expected.cost);
    }
}

#[test]
fn masses_may_be_zero() {
    let cost = uniform(12, 8, 2);
    let mut rows = vec![1.0; 12];
    let mut columns = vec![2.0; 8];
    (rows[0], rows[5], rows[11]) = (0.0, 0.0, 0.0);
    (columns[0], columns[7]) = (0.0, 0.0);
    (columns[3], columns[4]) = (0.5, 0.5);
    solve(&cost, &rows, &columns);
    let nothing = solve(&cost, &[0.0; 12], &[0.0; 8]);
    assert_eq!((nothing.entries.len(), nothing.cost), (0, 0.0));
    assert_eq!(solve(&uniform(5, 5, 1), &[0.0; 5], &[0.0; 5]).entries.len(), 0);
    let mut one = vec![0.0; 12];
    one[4] = 3.0;
    assert_eq!(solve(&cost, &one, &[3.0 / 8.0; 8]).entries.len(), 8);
    // Tiny masses beside large ones are mass, not rounding.
    let plan = solve(&uniform(2, 2, 3), &[1.0, 1e-20], &[1.0, 1e-20]);
    assert!(plan.entries.iter().any(|entry| entry.2 <= 1e-20));
}

#[test]
fn empty_shapes_are_fine() {
    for (height, width) in [(0, 0), (0, 4), (4, 0)] {
        let plan = solve(&Array2::zeros((height, width)), &vec![0.0; height], &vec![0.0; width]);
        assert_eq!((plan.entries.len(), plan.row_duals.len(), plan.column_duals.len()), (0, height, width));
    }
}

#[test]
fn strides_do_not_matter() {
    let wide = uniform(40, 60, 4);
    let (rows, columns) = (shares(20, 1), shares(30, 2));
    let strided = wide.slice(s![..;2, ..;-2]);
    assert_eq!(exact::plan(strided, &rows, &columns).unwrap(), exact::plan(strided.to_owned().view(), &rows, &columns).unwrap());
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    let cost = uniform(2, 3, 0);
    let third = [1.0 / 3.0; 3];
    let error = |rows: &[f64], columns: &[f64]| exact::plan(cost.view(), rows, columns).unwrap_err();
    assert_eq!(error(&[1.0], &third), TransportError::MassCount { side: "row", expected: 2, got: 1 });
    assert_eq!(error(&[0.5, 0.5], &[1.0]), TransportError::MassCount { side: "column", expected: 3, got: 1 });
    assert_eq!(error(&[1.5, -0.5], &third), TransportError::BadMass { side: "row", index: 1, value: -0.5 });
    assert!(matches!(error(&[0.5, f64::NAN], &third), TransportError::BadMass { index: 1, .. }));
    assert!(matches!(error(&[0.5, 0.5 + 1e-6], &third), TransportError::UnequalMass { .. }));
    let mut broken = cost.clone();
    broken[[1, 2]] = f64::NAN;
    assert!(matches!(exact::plan(broken.view(), &[0.5, 0.5], &third).unwrap_err(), TransportError::BadEntry { row: 1, column: 2, .. }));
    exact::plan(cost.view(), &[0.5, 0.5 + 1e-12], &third).unwrap();
}

#[test]
fn masses_rounded_to_f32_are_masses_and_others_are_refused_by_how_much_they_differ() {
    for size in 2..=300 {
        let (rows, columns) = (vec![f64::from(1.0_f32 / size as f32); size], vec![1.0 / size as f64; size]);
        let plan = exact::plan(uniform(size, size, 1).view(), &rows, &columns).unwrap();
        assert!((plan.entries.iter().map(|entry| entry.2).sum::<f64>() - rows.iter().sum::<f64>()).abs() < 1e-12);
    }
    // Divided by their sum in f32, one after the other.
    let single = |count: usize, seed: u64| -> Vec<f64> {
        let values: Vec<f32> = uniform(1, count, seed).iter().map(|value| *value as f32).collect();
        let total: f32 = values.iter().sum();
        values.iter().map(|value| f64::from(value / total)).collect()
    };
    for (seed, (height, width)) in (0..).zip([(2, 3), (5, 5), (20, 30), (200, 100), (1000, 900)].repeat(10)) {
        exact::plan(Array2::zeros((height, width)).view(), &single(height, seed), &single(width, 1000 + seed)).unwrap();
    }
    let message = exact::plan(uniform(2, 2, 0).view(), &[0.5, 0.5], &[0.5, 0.5001]).unwrap_err().to_string();
    assert!(message.contains("differ by 1.0e-4 of the larger, expected at most 4.8e-7") && message.contains("f32"), "{message}");
}

#[test]
fn a_wrong_plan_has_no_certificate() {
    let cost = uniform(20, 10, 9);
    let mut plan = solve(&cost, &[1.0; 20], &[2.0; 10]);
    plan.entries[0].1 = (plan.entries[0].1 + 1) % 10;
    assert!(!plan.certificate(cost.view()).holds(1e-6));
}
