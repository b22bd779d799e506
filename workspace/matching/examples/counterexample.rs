//! Two networks that solve a task without a mistake and that no permutation of units joins by such networks: `counterexample RESULTS PLOTS`
//! writes `error.csv` into the one folder and `error.svg` into the other.
//!
//! Points of the square [-1, 1]² belong to the class where x₁ < 0 and x₂ > 0; a network says so where its output is 0 or more. Both have two
//! layers of two ReLUs, so there are four orders of units, and all four are tried.
//!
//! Source: Git Re-Basin (arXiv 2209.04836), section A.6, figures 6 and 7. There errors are over 1024 random points; here over a grid.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use onebasin_matching::{interpolate, lambdas};
use onebasin_network::{Blueprint, Graph, Permutation, PermutationSpec, Shape, Weights, permute};

/// Points of a line between the networks.
const LAMBDAS: usize = 25;

/// Points of the grid along one side; none lies on an axis.
const SIDE: usize = 100;

/// Which layers of the second network are swapped, and what that is called.
const ORDERS: [([bool; 2], &str); 4] = [
    ([false, false], "as they are"),
    ([true, false], "first layer swapped"),
    ([false, true], "second layer swapped"),
    ([true, true], "both swapped"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [results, plots] = arguments.as_slice() else { return Err("usage: counterexample RESULTS PLOTS".into()) };
    let errors = errors()?;
    let mut csv = String::from("order,lambda,error\n");
    for (name, errors) in &errors {
        for (lambda, error) in lambdas(LAMBDAS).iter().zip(errors) {
            writeln!(csv, "{name},{lambda:.6},{error}")?;
        }
    }
    for folder in [results, plots] {
        fs::create_dir_all(folder)?;
    }
    fs::write(Path::new(results).join("error.csv"), csv)?;
    fs::write(Path::new(plots).join("error.svg"), picture(&errors)?)?;
    Ok(())
}

/// An order of units and the errors along its line.
type Curve = (&'static str, Vec<f64>);

/// For each order of units, the share of points that are classified wrongly along the line from the first network to the second.
fn errors() -> Result<Vec<Curve>, Box<dyn Error>> {
    let layers = r#"{"layers": [{"op": "flatten"}, {"op": "linear", "out": 2}, {"op": "relu"}, {"op": "linear", "out": 2}, {"op": "relu"},
        {"op": "linear", "out": "classes", "bias": false}]}"#;
    let blueprint: Blueprint = serde_json::from_str(layers)?;
    let graph = Graph::build(&blueprint.build(Shape::new(1, 1, 2), 1)?)?;
    let spec = graph.spec();
    let first = weights(spec, [&[-1.0, 0.0, 0.0, -1.0], &[1.0, 0.0], &[-1.0, 0.0, 0.0, 1.0], &[1.0, 0.0], &[-1.0, -1.0]])?;
    let second = weights(spec, [&[1.0, 0.0, 0.0, 1.0], &[0.0, 1.0], &[1.0, 0.0, 0.0, -1.0], &[0.0, 1.0], &[-1.0, -1.0]])?;
    let of_order = |(swapped, name): ([bool; 2], &'static str)| {
        let maps = swapped.map(|swapped| Permutation::new(if swapped { vec![1, 0] } else { vec![0, 1] }));
        let [one, two] = maps;
        let moved = permute(spec, &second, &[one?, two?]);
        Ok((name, lambdas(LAMBDAS).into_iter().map(|lambda| error(spec, &interpolate(&first, &moved, lambda))).collect()))
    };
    ORDERS.into_iter().map(of_order).collect()
}

/// Weights of the given numbers, in the order of the spec.
fn weights(spec: &PermutationSpec, values: [&[f32]; 5]) -> Result<Weights, Box<dyn Error>> {
    let array = |(parameter, values): (&onebasin_network::Parameter, &[f32])| {
        Ok((parameter.name.clone(), ArrayD::from_shape_vec(IxDyn(&parameter.shape), values.to_vec())?))
    };
    let arrays: Result<BTreeMap<_, _>, ndarray::ShapeError> = spec.parameters.iter().zip(values).map(array).collect();
    Ok(Weights::new(spec, arrays?)?)
}

/// The share of grid points that a network classifies wrongly.
fn error(spec: &PermutationSpec, network: &Weights) -> f64 {
    let place = |index: usize| (2 * index + 1) as f64 / SIDE as f64 - 1.0;
    let points = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| [place(row), place(column)]));
    points.filter(|&[x, y]| (output(spec, network, [x, y]) >= 0.0) != (x < 0.0 && y > 0.0)).count() as f64 / (SIDE * SIDE) as f64
}

/// What a network gives at a point.
fn output(spec: &PermutationSpec, network: &Weights, point: [f64; 2]) -> f64 {
    let values = |index: usize| network.values(&spec.parameters[index].name);
    let layer = |input: [f64; 2], weight: usize| {
        let row =
            |row: usize| values(weight)[2 * row..][..2].iter().zip(input).map(|(&weight, input)| f64::from(weight) * input).sum::<f64>();
        [0, 1].map(|unit| (row(unit) + f64::from(values(weight + 1)[unit])).max(0.0))
    };
    let hidden = layer(layer(point, 0), 2);
    values(4).iter().zip(hidden).map(|(&weight, hidden)| f64::from(weight) * hidden).sum()
}

const COLOURS: [&str; 4] = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"];

/// The errors as curves.
fn picture(errors: &[Curve]) -> Result<String, std::fmt::Error> {
    let most = errors.iter().flat_map(|(_, errors)| errors).fold(0.1, |most: f64, &error| most.max(error));
    let place = |lambda: f64, error: f64| (80.0 + 460.0 * lambda, 340.0 - 280.0 * error / most);
    let mut svg = String::from(concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="760" height="400" font-family="sans-serif" font-size="14" role="img">"#,
        "\n<title>Two networks without a mistake, and what lies between</title>\n",
        "<desc>Share of points classified wrongly over λ from one network, at 0, to another, at 1, for each order of the second one's units.",
        "</desc>\n<rect width=\"760\" height=\"400\" fill=\"white\"/>\n",
    ));
    writeln!(svg, r#"<text x="80" y="30" font-size="16">Two networks without a mistake, and what lies between</text>"#)?;
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let ((x, _), (_, y)) = (place(share, 0.0), place(0.0, share * most));
        writeln!(svg, r##"<line x1="80" y1="{y:.1}" x2="540" y2="{y:.1}" stroke="#ddd"/>"##)?;
        writeln!(svg, r#"<text x="72" y="{:.1}" text-anchor="end">{:.3}</text>"#, y + 5.0, share * most)?;
        writeln!(svg, r#"<text x="{x:.1}" y="362" text-anchor="middle">{share}</text>"#)?;
    }
    writeln!(svg, r#"<text x="310" y="386" text-anchor="middle">λ</text>"#)?;
    writeln!(svg, r#"<text x="24" y="200" text-anchor="middle" transform="rotate(-90 24 200)">error</text>"#)?;
    for (index, ((name, errors), colour)) in errors.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = lambdas(LAMBDAS)
            .into_iter()
            .zip(errors)
            .map(|(lambda, &error)| place(lambda, error))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        // Two of the curves coincide.
        let dashes = if index > 1 { r#" stroke-dasharray="7 7""# } else { "" };
        writeln!(svg, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>"#, points.join(" "))?;
        let y = 80 + 24 * index;
        writeln!(svg, r#"<line x1="560" y1="{y}" x2="590" y2="{y}" stroke="{colour}" stroke-width="2"{dashes}/>"#)?;
        writeln!(svg, r#"<text x="598" y="{}">{name}</text>"#, y + 5)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_make_no_mistake_and_every_order_of_units_has_a_barrier() {
        let errors = errors().unwrap();
        assert_eq!(errors.len(), 4);
        for (name, errors) in errors {
            assert_eq!((errors[0], errors[LAMBDAS - 1]), (0.0, 0.0), "{name}");
            // A fifth of the square at the least, where the class has a quarter of it.
            let most = errors.iter().copied().fold(0.0, f64::max);
            assert!(most > 0.2, "{name}: {most}");
        }
    }
}
