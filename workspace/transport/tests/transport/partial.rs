use ndarray::{Array2, Axis, array};
use onebasin_transport::partial::{self, PartialPlan};
use onebasin_transport::{TransportError, exact};
use proptest::prelude::*;

use crate::reference::uniform;

/// Marginals, total, duals and certificate.
fn solve(cost: &Array2<f64>, rows: &[f64], columns: &[f64], mass: f64) -> PartialPlan {
    let plan = partial::plan(cost.view(), rows, columns, mass).unwrap();
    let dense = plan.to_dense();
    let room = 1e-12 * (1.0 + mass);
    assert!((dense.sum() - mass).abs() <= room, "{} of {mass}", dense.sum());
    for (sums, masses) in [(dense.sum_axis(Axis(1)), rows), (dense.sum_axis(Axis(0)), columns)] {
        assert!(sums.iter().zip(masses).all(|(sum, mass)| *sum <= mass + room), "{sums} of {masses:?}");
    }
    assert!(plan.entries.iter().all(|entry| entry.2 > 0.0));
    assert!((plan.cost - (&dense * cost).sum()).abs() <= room);
    let certificate = plan.certificate(cost.view());
    assert!(certificate.holds(1e-12), "{certificate:?}");
    // The same by hand: the dual of the partial problem itself.
    let PartialPlan { row_duals, column_duals, price, .. } = &plan;
    let dual = |duals: &[f64], masses: &[f64]| duals.iter().zip(masses).map(|(dual, mass)| dual * mass).sum::<f64>();
    let value = dual(row_duals, rows) + dual(column_duals, columns) + price * mass;
    assert!((value - plan.cost).abs() <= 1e-9 * (1.0 + plan.cost.abs()), "{value} and {}", plan.cost);
    assert!(row_duals.iter().chain(column_duals).all(|dual| *dual <= 1e-12));
    for ((i, j), cost) in cost.indexed_iter() {
        assert!(row_duals[i] + column_duals[j] + price <= cost + 1e-9);
    }
    plan
}

#[test]
fn the_cheapest_share_moves_by_hand() {
    // A half may move: the cheap match alone. Three quarters: half of the dear one too.
    let cost = array![[1.0, 9.0], [9.0, 3.0]];
    let half = solve(&cost, &[0.5, 0.5], &[0.5, 0.5], 0.5);
    assert_eq!((half.entries.clone(), half.cost), (vec![(0, 0, 0.5)], 0.5));
    let more = solve(&cost, &[0.5, 0.5], &[0.5, 0.5], 0.75);
    assert_eq!((more.entries.clone(), more.cost, more.price), (vec![(0, 0, 0.5), (1, 1, 0.25)], 1.25, 3.0));
    let all = solve(&cost, &[0.5, 0.5], &[0.5, 0.5], 1.0);
    assert_eq!((all.to_dense(), all.cost), (array![[0.5, 0.0], [0.0, 0.5]], 2.0));
}

#[test]
fn sides_may_have_other_totals_and_the_whole_of_the_smaller_side_may_move() {
    let cost = array![[2.0, 1.0, 5.0]];
    let plan = solve(&cost, &[1.0], &[1.0, 1.0, 1.0], 1.0);
    assert_eq!((plan.entries.clone(), plan.cost), (vec![(0, 1, 1.0)], 1.0));
    let plan = solve(&array![[0.0, 0.0]], &[1.0], &[1.0, 0.0], 0.5);
    assert_eq!((plan.entries.clone(), plan.cost), (vec![(0, 0, 0.5)], 0.0));
}

#[test]
fn all_of_equal_masses_is_the_exact_plan() {
    let cost = uniform(12, 9, 3);
    let (rows, columns) = (vec![1.0 / 12.0; 12], vec![1.0 / 9.0; 9]);
    let whole = solve(&cost, &rows, &columns, 1.0);
    assert!((whole.cost - exact::plan(cost.view(), &rows, &columns).unwrap().cost).abs() < 1e-12);
}

/// The least cost of so many matches between different rows and columns, by trying all.
fn least(cost: &Array2<f64>, row: usize, used: &mut Vec<bool>, matches: usize) -> f64 {
    if matches == 0 {
        return 0.0;
    }
    if row == cost.nrows() {
        return f64::INFINITY;
    }
    let mut best = least(cost, row + 1, used, matches);
    for column in 0..cost.ncols() {
        if !used[column] {
            used[column] = true;
            best = best.min(cost[[row, column]] + least(cost, row + 1, used, matches - 1));
            used[column] = false;
        }
    }
    best
}

proptest! {
    /// Unit masses: an optimum is a set of matches.
    #[test]
    fn so_many_matches_cost_what_the_best_of_all_cost(
        (height, width, entries) in (1_usize..5, 1_usize..5).prop_flat_map(|(height, width)| (
            Just(height), Just(width), proptest::collection::vec((-4_i32..5).prop_map(f64::from), height * width),
        ))
    ) {
        let cost = Array2::from_shape_vec((height, width), entries).unwrap();
        for matches in 1..=height.min(width) {
            let plan = solve(&cost, &vec![1.0; height], &vec![1.0; width], matches as f64);
            let expected = least(&cost, 0, &mut vec![false; width], matches);
            prop_assert!((plan.cost - expected).abs() <= 1e-9, "{} and {expected}", plan.cost);
        }
    }

    #[test]
    fn any_share_is_moved_optimally_and_more_of_it_costs_more(height in 1_usize..15, width in 1_usize..15, seed in 0_u64..100) {
        let cost = uniform(height, width, seed);
        let (rows, columns) = (vec![1.0 / height as f64; height], vec![1.0 / width as f64; width]);
        let costs: Vec<f64> = [0.1, 0.5, 0.9, 1.0].iter().map(|share| solve(&cost, &rows, &columns, *share).cost).collect();
        prop_assert!(costs.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12), "{costs:?}");
    }
}

#[test]
fn what_cannot_be_moved_is_an_error() {
    let cost = uniform(2, 3, 1);
    let plan = |rows: &[f64], mass| partial::plan(cost.view(), rows, &[1.0; 3], mass).unwrap_err();
    for mass in [0.0, -1.0, f64::NAN, 2.5] {
        assert!(matches!(plan(&[1.0; 2], mass), TransportError::BadSetting { setting: "mass", .. }), "{mass}");
    }
    assert!(matches!(plan(&[1.0; 3], 1.0), TransportError::MassCount { side: "row", expected: 2, got: 3 }));
    assert!(matches!(plan(&[1.0, f64::INFINITY], 1.0), TransportError::BadMass { index: 1, .. }));
    let broken = array![[1.0, f64::NAN]];
    assert!(matches!(partial::plan(broken.view(), &[1.0], &[1.0; 2], 1.0), Err(TransportError::BadEntry { row: 0, column: 1, .. })));
}
