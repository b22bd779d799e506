//! Costs that forbid beside ordinary ones: differences of large potentials swallow the small ones, and the optimum must not suffer.

use ndarray::Array2;
use onebasin_transport::{Plan, assignment, exact};
use proptest::prelude::*;
use rand::Rng;

use crate::reference::random;

/// Whole masses, each split into units of 1.
fn units(masses: &[u8]) -> Vec<usize> {
    masses.iter().enumerate().flat_map(|(index, mass)| vec![index; usize::from(*mass)]).collect()
}

fn masses(masses: &[u8]) -> Vec<f64> {
    masses.iter().map(|mass| f64::from(*mass)).collect()
}

/// The least cost in whole numbers, by trying all ways to give the units of the rows to those of the columns.
fn least(cost: &Array2<f64>, rows: &[u8], columns: &[u8]) -> i128 {
    fn search(cost: &Array2<f64>, rows: &[usize], rooms: &mut [u8], sofar: i128, best: &mut i128) {
        let Some((&row, rest)) = rows.split_first() else {
            *best = sofar.min(*best);
            return;
        };
        for column in 0..rooms.len() {
            if rooms[column] > 0 {
                rooms[column] -= 1;
                search(cost, rest, rooms, sofar + cost[[row, column]] as i128, best);
                rooms[column] += 1;
            }
        }
    }
    let mut best = i128::MAX;
    search(cost, &units(rows), &mut columns.to_vec(), 0, &mut best);
    best
}

/// What a plan of whole masses costs, without rounding.
fn whole_cost(plan: &Plan, cost: &Array2<f64>) -> i128 {
    plan.entries.iter().map(|(row, column, mass)| *mass as i128 * cost[[*row as usize, *column as usize]] as i128).sum()
}

fn solve(cost: &Array2<f64>, rows: &[u8], columns: &[u8]) -> Plan {
    exact::plan(cost.view(), &masses(rows), &masses(columns)).unwrap()
}

/// The third of the problems below: five sizes of cost, four of them with digits behind the point.
fn five_by_five() -> (Array2<f64>, [u8; 5], [u8; 5]) {
    let cost = ndarray::array![
        [2.5e31, 1e32, 5.26223432, 1e32, 1e32],
        [0.0, 333.064175, 2.5e31, 38.4690152, 80.9465684],
        [2.46506283, 2242.5055, 1e32, 197.333083, 309.175848],
        [0.1371098, 2294.87946, 1e32, 213.08203, 328.812836],
        [0.0015175154, 2413.52736, 1e32, 250.275352, 374.653218]
    ];
    (cost, [1, 4, 1, 1, 1], [4, 1, 1, 1, 1])
}

#[test]
fn entries_forbidden_by_1e14_by_1e18_and_by_1e32_leave_the_optimum_among_the_others() {
    let three = ndarray::array![[1e14, 29.0, 1e14], [51.0, 92.0, 17.0], [74.0, 1e14, 58.0]];
    let plan = solve(&three, &[2, 3, 1], &[1, 2, 3]);
    assert_eq!(plan.cost, 183.0);
    assert!(plan.certificate(three.view()).holds(1e-12), "{:?}", plan.certificate(three.view()));
    let four = ndarray::array![[1e18, 1e18, 70.0, 1e18], [2.0, 21.0, 15.0, 68.0], [87.0, 76.0, 1e18, 1e18]];
    let plan = solve(&four, &[1, 2, 1], &[1, 1, 1, 1]);
    assert_eq!(plan.cost, 216.0);
    assert!(plan.certificate(four.view()).holds(1e-12), "{:?}", plan.certificate(four.view()));
    let (five, rows, columns) = five_by_five();
    let plan = solve(&five, &rows, &columns);
    assert!((plan.cost - 460.345683065).abs() < 1e-8, "{}", plan.cost);
    assert!(plan.certificate(five.view()).holds(1e-12), "{:?}", plan.certificate(five.view()));
}

#[test]
fn the_order_of_rows_and_columns_does_not_matter() {
    let (cost, rows, columns) = five_by_five();
    let mut random = random(1);
    for _ in 0..2000 {
        let mut shuffled = || {
            let mut order: Vec<usize> = (0..5).collect();
            (1..5).for_each(|place| order.swap(place, random.random_range(0..=place)));
            order
        };
        let (down, across) = (shuffled(), shuffled());
        let moved = Array2::from_shape_fn((5, 5), |(row, column)| cost[[down[row], across[column]]]);
        let of = |masses: &[u8; 5], order: &[usize]| order.iter().map(|place| masses[*place]).collect::<Vec<_>>();
        let plan = solve(&moved, &of(&rows, &down), &of(&columns, &across));
        assert!((plan.cost - 460.345683065).abs() < 1e-8, "{} for {down:?} and {across:?}", plan.cost);
    }
}

#[test]
fn a_plan_that_is_not_optimal_has_no_certificate_however_large_the_costs_it_avoids() {
    let cost = ndarray::array![[1e18, 1e18, 70.0, 1e18], [2.0, 21.0, 15.0, 68.0], [87.0, 76.0, 1e18, 1e18]];
    let mut plan = solve(&cost, &[1, 2, 1], &[1, 1, 1, 1]);
    plan.entries = vec![(0, 2, 1.0), (1, 1, 1.0), (1, 3, 1.0), (2, 0, 1.0)];
    assert!(!plan.certificate(cost.view()).holds(1e-3), "{:?}", plan.certificate(cost.view()));
    // Duals as large as what is forbidden, in which the costs that decide are lost.
    for dual in &mut plan.row_duals {
        *dual += 1e18;
    }
    for dual in &mut plan.column_duals {
        *dual -= 1e18;
    }
    assert!(!plan.certificate(cost.view()).holds(1e-3), "{:?}", plan.certificate(cost.view()));
}

#[test]
fn a_large_problem_full_of_forbidden_entries_is_proven_too() {
    for (height, width) in [(120, 80), (100, 100)] {
        let mut random = random(5);
        // What is near the diagonal is allowed, so that the optimum is; the rest is forbidden by one of several sizes.
        let near = |row: usize, column: usize| (row * width).abs_diff(column * height) < 3 * height.max(width);
        let cost = Array2::from_shape_fn((height, width), |(row, column)| match random.random_range(0..10) {
            _ if near(row, column) => random.random::<f64>(),
            0..3 => random.random::<f64>(),
            digit => 10_f64.powi(7 * (digit - 2)),
        });
        let plan = exact::plan(cost.view(), &vec![1.0 / height as f64; height], &vec![1.0 / width as f64; width]).unwrap();
        assert!(plan.cost < 1.0 && plan.certificate(cost.view()).holds(1e-12), "{} {:?}", plan.cost, plan.certificate(cost.view()));
    }
}

fn costs_of_all_sizes() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        4 => (0_i32..100).prop_map(f64::from),
        1 => (-100_i32..100).prop_map(f64::from),
        2 => (2_i32..33).prop_map(|digits| 10_f64.powi(digits)),
        1 => (1_i32..100, 2_i32..30).prop_map(|(factor, digits)| (f64::from(factor) * 10_f64.powi(digits)).round()),
    ]
}

prop_compose! {
    fn problems()(height in 1_usize..5, width in 1_usize..5)(
        rows in proptest::collection::vec(1_u8..3, height),
        columns in proptest::collection::vec(1_u8..3, width),
        entries in proptest::collection::vec(costs_of_all_sizes(), height * width),
    ) -> (Array2<f64>, Vec<u8>, Vec<u8>) {
        let (mut rows, mut columns) = (rows, columns);
        let (down, across) = (rows.iter().sum::<u8>(), columns.iter().sum::<u8>());
        if down < across { rows[0] += across - down } else { columns[0] += down - across }
        (Array2::from_shape_vec((rows.len(), columns.len()), entries).unwrap(), rows, columns)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whole_costs_of_any_size_are_summed_to_the_least_as_far_as_doubles_tell((cost, rows, columns) in problems()) {
        let plan = solve(&cost, &rows, &columns);
        let moved: f64 = plan.entries.iter().map(|(row, column, mass)| mass * cost[[*row as usize, *column as usize]].abs()).sum();
        // What it must pay swallows what it might save, if that is below 1e-12 of it.
        prop_assert!((whole_cost(&plan, &cost) - least(&cost, &rows, &columns)) as f64 <= 1e-12 * moved);
        let certificate = plan.certificate(cost.view());
        prop_assert!(certificate.holds(1e-12), "{certificate:?}");
    }

    #[test]
    fn an_assignment_of_whole_gains_of_any_size_is_the_greatest_as_far_as_doubles_tell(size in 1_usize..6, entries in proptest::collection::vec(costs_of_all_sizes(), 25)) {
        let cost = Array2::from_shape_fn((size, size), |(row, column)| entries[5 * row + column]);
        let found = assignment::maximise(cost.mapv(|value| -value).view()).unwrap();
        let total: i128 = found.columns.iter().enumerate().map(|(row, column)| cost[[row, *column as usize]] as i128).sum();
        let moved: f64 = found.columns.iter().enumerate().map(|(row, column)| cost[[row, *column as usize]].abs()).sum();
        prop_assert!((total - least(&cost, &vec![1; size], &vec![1; size])) as f64 <= 1e-14 * moved);
    }
}
