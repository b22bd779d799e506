//! Labels of pictures, whatever the size of the numbers: inside the picture, and neighbours apart.

use std::collections::BTreeMap;

use super::draw::draw_all;
use super::picture_results::write_scaled;
use super::picture_tests::files;

/// Losses and accuracies made of usual ones, which lie between 0 and 3, and between 0 and 1.
type Change = fn(f64) -> f64;

const CASES: [(&str, Change, Change); 7] = [
    ("usual", |loss| loss, |accuracy| accuracy),
    ("large", |loss| 6e10 + 1e9 * loss, |_| 0.1),
    ("close", |loss| 2.302_583 + 1e-6 * loss, |accuracy| 0.1 + 1e-5 * accuracy),
    ("small", |loss| 1e-9 * loss, |accuracy| 1.0 - 1e-4 * (1.0 - accuracy)),
    ("perfect", |_| 0.0, |_| 1.0),
    ("single", |_| 0.7, |_| 0.5),
    ("wide", |loss| 10f64.powf(20.0 * loss - 20.0), |accuracy| accuracy.powi(3)),
];

/// A text of an SVG.
struct Label {
    text: String,
    x: f64,
    y: f64,
    anchor: String,
    size: f64,
    is_upright: bool,
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    element.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn labels(svg: &str) -> Vec<Label> {
    let texts = svg.split("<text ").skip(1).filter_map(|rest| rest.split("</text>").next());
    texts
        .filter_map(|text| text.split_once('>'))
        .map(|(element, text)| Label {
            text: text.trim().to_owned(),
            x: attribute(element, "x").parse().unwrap(),
            y: attribute(element, "y").parse().unwrap(),
            anchor: attribute(element, "text-anchor").to_owned(),
            size: attribute(element, "font-size").parse().unwrap(),
            is_upright: element.contains("rotate"),
        })
        .collect()
}

/// Every SVG of a case.
fn drawn(loss: Change, accuracy: Change) -> BTreeMap<String, String> {
    let (results, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_scaled(results.path(), loss, accuracy);
    draw_all(results.path(), out.path()).unwrap();
    let svgs = files(out.path()).into_iter().filter(|(name, _)| name.ends_with(".svg"));
    svgs.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

#[test]
fn no_label_leaves_its_picture_and_neighbours_on_an_axis_differ() {
    let mut faults = Vec::new();
    for (case, loss, accuracy) in CASES {
        for (name, svg) in drawn(loss, accuracy) {
            let (width, height): (f64, f64) = (attribute(&svg, "width").parse().unwrap(), attribute(&svg, "height").parse().unwrap());
            let labels = labels(&svg);
            for label in &labels {
                // DejaVu Sans is about 0.6 of its size wide on average.
                let length = 0.6 * label.size * label.text.chars().count() as f64;
                let before = match label.anchor.as_str() {
                    "end" => length,
                    "middle" => length / 2.0,
                    _ => 0.0,
                };
                let (from, to, most) = match label.is_upright {
                    true => (label.y - (length - before), label.y + before, height),
                    false => (label.x - before, label.x - before + length, width),
                };
                if from < -2.0 || to > most + 2.0 {
                    faults.push(format!("{case}, {name}: `{}` from {from:.0} to {to:.0} of {most}", label.text));
                }
            }
            for pair in labels.windows(2) {
                let [one, other] = pair else { continue };
                let is_tick = |label: &Label| label.anchor == "end" && !label.is_upright && label.text.parse::<f64>().is_ok();
                let are_neighbours = is_tick(one) && is_tick(other) && one.x == other.x && one.y > other.y;
                if are_neighbours && one.text == other.text {
                    faults.push(format!("{case}, {name}: two neighbours are `{}`", one.text));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_axis_of_accuracies_is_labelled_above_one() {
    for (case, loss, accuracy) in CASES {
        let pictures = drawn(loss, accuracy);
        for name in ["merged-glyphs-mlp.svg", "merged-glyphs-wide.svg", "seeds-glyphs-mlp.svg", "table.svg"] {
            let above = labels(&pictures[name])
                .into_iter()
                .find(|label| label.text.parse::<f64>().is_ok_and(|value| value > 1.0 && value.fract() > 0.0));
            assert!(above.is_none(), "{case}, {name}: `{}`", above.unwrap().text);
        }
    }
}

#[test]
fn every_picture_begins_with_its_title_and_a_description() {
    for (name, svg) in drawn(|loss| loss, |accuracy| accuracy) {
        let mut lines = svg.lines();
        assert!(lines.next().unwrap().ends_with("role=\"img\">"), "{name}");
        let (title, description) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(title.starts_with("<title>") && title.ends_with("</title>") && title.len() > 25, "{name}: {title}");
        assert!(description.starts_with("<desc>") && description.ends_with("</desc>") && description.len() > 40, "{name}: {description}");
        assert!(svg.contains(&title["<title>".len()..title.len() - "</title>".len()]), "{name}");
    }
}
