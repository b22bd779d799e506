use ndarray::{Array2, s};
use onebasin_transport::TransportError;
use onebasin_transport::assignment::{Assignment, Solver, maximise};
use proptest::prelude::*;

use crate::reference::{best_by_cycle_cancelling, best_by_enumeration, gram, random, uniform};

/// Permutation, value of the permutation, and a certificate that proves it.
fn assert_proven(gain: &Array2<f64>, found: &Assignment) {
    let mut sorted = found.columns.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..gain.nrows() as u32).collect::<Vec<_>>());
    let value: f64 = found.columns.iter().enumerate().map(|(row, column)| gain[[row, *column as usize]]).sum();
    assert_eq!(value, found.value);
    let certificate = found.certificate(gain.view());
    assert!(certificate.holds(1e-12), "{certificate:?}");
}

fn solve(gain: &Array2<f64>) -> Assignment {
    let found = maximise(gain.view()).unwrap();
    assert_proven(gain, &found);
    found
}

fn small_square(entries: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = Array2<f64>> {
    (1_usize..=7).prop_flat_map(move |size| {
        proptest::collection::vec(entries.clone(), size * size)
            .prop_map(move |entries| Array2::from_shape_vec((size, size), entries).unwrap())
    })
}

proptest! {
    #[test]
    fn equals_brute_force_up_to_seven(gain in small_square(-10.0..10.0)) {
        let found = solve(&gain);
        prop_assert!((found.value - best_by_enumeration(&gain)).abs() <= 1e-12);
    }

    #[test]
    fn equals_brute_force_exactly_on_small_integers(gain in small_square((-2_i32..=2).prop_map(f64::from))) {
        prop_assert_eq!(solve(&gain).value, best_by_enumeration(&gain));
    }

    #[test]
    fn equals_brute_force_over_huge_ranges(gain in small_square((-30_i32..=30, -1.0..1.0).prop_map(|(exponent, value)| value * 10_f64.powi(exponent)))) {
        let found = solve(&gain);
        let scale = gain.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        prop_assert!((found.value - best_by_enumeration(&gain)).abs() <= 1e-14 * scale * 7.0);
    }
}

#[test]
fn agrees_with_cycle_cancelling_at_fifty() {
    for seed in 0..8 {
        for gain in
            [uniform(50, 50, seed), gram(50, 3, seed), gram(50, 60, seed), uniform(53, 53, seed).mapv(|value| (value * 5.0).floor())]
        {
            let expected = best_by_cycle_cancelling(&gain);
            let scale = gain.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            assert!((solve(&gain).value - expected).abs() <= 1e-10 * scale * 50.0);
        }
    }
}

#[test]
fn ties_go_to_the_first_column_and_equal_input_gives_equal_output() {
    for size in [1, 2, 3, 17, 64, 100] {
        let gain = Array2::from_elem((size, size), 2.5);
        assert_eq!(solve(&gain).value, 2.5 * size as f64);
        assert_eq!(solve(&gain), solve(&gain));
    }
    assert_eq!(solve(&Array2::zeros((3, 3))).columns, solve(&Array2::from_elem((3, 3), 7.0)).columns);
}

#[test]
fn degenerate_matrices_are_proven_optimal() {
    let size = 97;
    let step = |i: usize, j: usize| f64::from(u8::from(i % 7 == j % 5));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| step(i, j)));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| (i * j) as f64));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| -((i as f64 - j as f64).abs())));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| if i < 40 { 0.0 } else { (i + j) as f64 }));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| -1e30 * (i as f64 + 1.0) * (j as f64 + 1.0)));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| 1e-30 * ((i * 31 + j * 17) % 101) as f64));
    solve(&Array2::from_shape_fn((size, size), |(i, _)| i as f64));
    solve(&Array2::from_shape_fn((size, size), |(_, j)| j as f64));
    solve(&uniform(size, size, 3).mapv(|value| 1e12 + value));
}

#[test]
fn large_matrices_full_of_ties_stay_fast() {
    // Without ending a search at the first free tie each of these would take n³ steps: minutes.
    let size = 1500;
    let started = std::time::Instant::now();
    solve(&Array2::from_elem((size, size), 1.0));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| f64::from(u8::from((i * 7 + j * 13) % 11 == 0))));
    solve(&Array2::from_shape_fn((size, size), |(i, j)| (i % 3 + j % 4) as f64));
    // A product of ranks makes every path long.
    solve(&Array2::from_shape_fn((700, 700), |(i, j)| -((i * j) as f64)));
    assert!(started.elapsed().as_secs_f64() < 20.0, "{:?}", started.elapsed());
}

#[test]
fn large_gram_matrices_are_proven_optimal() {
    solve(&gram(600, 20, 1));
    solve(&(gram(600, 300, 3) * 1e-9));
    solve(&(uniform(600, 600, 3) - 1e6));
}

#[test]
fn strides_and_number_type_do_not_matter() {
    let wide = uniform(70, 141, 5);
    let strided = wide.slice(s![..;-1, ..140;2]);
    let direct = maximise(strided).unwrap();
    assert_eq!(direct, maximise(strided.to_owned().view()).unwrap());
    let transposed = strided.to_owned();
    assert_eq!(maximise(transposed.t()).unwrap(), maximise(transposed.t().as_standard_layout().view()).unwrap());
    let single = wide.mapv(|value| value as f32);
    let single = single.slice(s![..70, ..70]);
    let found = maximise(single).unwrap();
    assert_eq!(found, maximise(single.mapv(f64::from).view()).unwrap());
    assert!(found.certificate(single).holds(1e-12));
}

#[test]
fn empty_and_single_are_fine() {
    let empty = solve(&Array2::zeros((0, 0)));
    assert_eq!((empty.columns.len(), empty.value), (0, 0.0));
    assert_eq!(solve(&Array2::from_elem((1, 1), -3.0)).value, -3.0);
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    assert_eq!(maximise(uniform(2, 3, 0).view()).unwrap_err(), TransportError::NotSquare { rows: 2, columns: 3 });
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e200] {
        let mut gain = uniform(20, 20, 0);
        gain[[7, 11]] = bad;
        let error = maximise(gain.view()).unwrap_err();
        assert!(matches!(error, TransportError::BadEntry { row: 7, column: 11, .. }), "{error}");
    }
    let error = Solver::new(3).maximise(uniform(4, 4, 0).view()).unwrap_err();
    assert_eq!(error, TransportError::SizeChanged { expected: 3, got: 4 });
}

#[test]
fn a_wrong_solution_has_no_certificate() {
    let gain = uniform(30, 30, 9);
    let mut worse = solve(&gain);
    worse.columns.swap(3, 4);
    assert!(!worse.certificate(gain.view()).holds(1e-6));
    let mut infeasible = solve(&gain);
    infeasible.row_duals[3] -= 0.1;
    infeasible.column_duals[4] += 0.1;
    assert!(infeasible.certificate(gain.view()).worst_violation > 0.01);
}

#[test]
fn restarts_find_the_same_optimum_on_changing_and_on_unrelated_matrices() {
    use rand::Rng;
    for (size, features) in [(40, 5), (120, 30)] {
        let mut solver = Solver::new(size);
        let mut random = random(4);
        let mut gain = gram(size, features, 1);
        for step in 0..30 {
            let found = solver.maximise(gain.view()).unwrap();
            assert_proven(&gain, &found);
            let fresh = solve(&gain);
            assert!((found.value - fresh.value).abs() <= 1e-11 * fresh.value.abs(), "step {step}");
            gain.mapv_inplace(|value| value + 0.1 * random.random::<f64>());
            if step % 10 == 9 {
                gain = uniform(size, size, step) * 1e-6 * 10_f64.powi(step as i32 / 2);
            }
        }
        gain[[0, 0]] = f64::NAN;
        solver.maximise(gain.view()).unwrap_err();
        assert_proven(&Array2::zeros((size, size)), &solver.maximise(Array2::<f64>::zeros((size, size)).view()).unwrap());
    }
}

#[test]
fn restarts_stay_sharp_when_the_scale_or_the_level_collapses() {
    let small = uniform(60, 60, 2);
    let expected = solve(&small).value;
    for before in [uniform(60, 60, 1) * 1e12, uniform(60, 60, 1) + 1e12, &small * 1e15 - 1e18] {
        let mut solver = Solver::new(60);
        solver.maximise(before.view()).unwrap();
        let found = solver.maximise(small.view()).unwrap();
        assert_proven(&small, &found);
        assert!((found.value - expected).abs() < 1e-12);
    }
}

#[test]
fn forbidding_entries_by_a_huge_loss_leaves_the_others_sharp() {
    let forbidden = uniform(60, 60, 8);
    let gain = |loss: f64| Array2::from_shape_fn((60, 60), |at| if forbidden[at] < 0.4 { -loss } else { forbidden[at] });
    let expected = solve(&gain(1e3)).value;
    assert!(expected > 0.0, "the forbidden entries can be avoided");
    for loss in [1e6, 1e9, 1e12, 1e30] {
        assert!((solve(&gain(loss)).value - expected).abs() < 1e-12);
    }
}
