//! Points of a regular hexagon, and their mixtures of its corners.
//!
//! Points lie on a triangular lattice, which meets corners and edges exactly. A point is a pair (q, r) of whole numbers: q steps along
//! the horizontal and r along the line 60° above it, each a `half`-th of the radius long, with |q|, |r| and |q + r| at most `half`.

/// Distance of the corners from the middle, as published.
pub const RADIUS: f64 = 0.45;

/// A place on the lattice.
pub type Point = [i64; 2];

/// Every point, row after row from below: 3 half (half + 1) + 1 of them.
pub fn points(half: i64) -> Vec<Point> {
    let row = |r: i64| ((-half).max(-half - r)..=half.min(half - r)).map(move |q| [q, r]);
    (-half..=half).flat_map(row).collect()
}

/// The corners, counter-clockwise from the right.
pub fn corners(half: i64) -> [Point; 6] {
    [[half, 0], [0, half], [-half, half], [-half, 0], [0, -half], [half, -half]]
}

/// Where a point lies in the plane.
pub fn place([q, r]: Point, half: i64) -> (f64, f64) {
    let step = RADIUS / half as f64;
    (step * (q as f64 + 0.5 * r as f64), step * r as f64 * 0.75f64.sqrt())
}

/// The point nearest to a place: the inverse of [`place`].
pub fn nearest((x, y): (f64, f64), half: i64) -> Point {
    let step = RADIUS / half as f64;
    let r = (y / (step * 0.75f64.sqrt())).round();
    [(x / step - 0.5 * r).round() as i64, r as i64]
}

/// The half of a lattice of so many points, if there is one.
pub fn half_of(points: usize) -> Option<i64> {
    (1..).take_while(|half| 3 * half * (half + 1) < points as i64).find(|half| 3 * half * (half + 1) + 1 == points as i64)
}

/// The share of each corner in a point of the hexagon: its Wachspress coordinates, which are not negative, add up to 1 and give the point
/// as the mean of the corners. Corners are themselves, and points of an edge mixtures of its ends alone, exactly: areas are whole numbers.
///
/// For corner i, the product of the areas of the triangles that the point spans with all edges but the two at i (those of a regular
/// hexagon have equal areas themselves).
///
/// Source: Wachspress, A Rational Finite Element Basis, 1975, as C²M³ (arXiv 2405.17897) uses it in figure 3.
pub fn shares([q, r]: Point, half: i64) -> [f64; 6] {
    let corners = corners(half).map(|[corner_q, corner_r]| [i128::from(corner_q - q), i128::from(corner_r - r)]);
    let area = |edge: usize| {
        let ([aq, ar], [bq, br]) = (corners[edge], corners[(edge + 1) % 6]);
        aq * br - ar * bq
    };
    let areas = [0, 1, 2, 3, 4, 5].map(area);
    let weight = |corner: usize| -> i128 { (1..5).map(|step| areas[(corner + step) % 6]).product() };
    let weights = [0, 1, 2, 3, 4, 5].map(weight);
    let sum: i128 = weights.iter().sum();
    weights.map(|weight| weight as f64 / sum as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_a_mean_of_the_corners_that_gives_the_point() {
        for half in [1, 2, 5, 100] {
            let all = points(half);
            assert_eq!(all.len() as i64, 3 * half * (half + 1) + 1);
            assert_eq!(half_of(all.len()), Some(half));
            for &point in &all {
                let shares = shares(point, half);
                assert!(shares.iter().all(|&share| share >= 0.0), "{point:?}: {shares:?}");
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let (x, y) = place(point, half);
                let places = corners(half).map(|corner| place(corner, half));
                let mean = |of: fn((f64, f64)) -> f64| shares.iter().zip(places).map(|(share, place)| share * of(place)).sum::<f64>();
                assert!((mean(|place| place.0) - x).abs() < 1e-12 && (mean(|place| place.1) - y).abs() < 1e-12, "{point:?}");
                assert_eq!(nearest((x, y), half), point);
            }
        }
        assert_eq!(half_of(20), None);
    }

    #[test]
    fn corners_are_themselves_edges_hold_two_and_the_middle_all_alike() {
        let half = 4;
        for (index, corner) in corners(half).into_iter().enumerate() {
            let mut expected = [0.0; 6];
            expected[index] = 1.0;
            assert_eq!(shares(corner, half), expected);
            let (x, y) = place(corner, half);
            assert!((x.hypot(y) - RADIUS).abs() < 1e-12);
        }
        assert_eq!(shares([2, 2], half), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(shares([0, 0], half), [1.0 / 6.0; 6]);
    }
}
