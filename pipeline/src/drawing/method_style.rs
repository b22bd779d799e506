//! The colour and the mark of each method: the same in every picture of every experiment.

use std::cmp::Ordering;

use plotters::style::RGBColor;
use serde::Serialize;

use crate::identity::MethodLabel;
use crate::table::row;

row! {
    /// A method of the spec: a row of `methods.csv`, in the order of the spec.
    #[derive(Serialize)]
    pub struct MethodRow in "methods.csv", order |_, _| Ordering::Equal;
    {
        /// As other files call it, without a draw.
        method: String,
        /// How units are matched.
        matching: String,
        /// What is made of matched models.
        merging: String,
        /// How merged models are repaired; empty if they are not.
        repair: String,
        /// The method that is the same without the repair; empty where there is none.
        plain: String,
    }
}

/// What a method is drawn with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Of lines, marks and bars.
    pub colour: RGBColor,
    /// Which of the marks.
    pub shape: usize,
}

/// Colours that stay apart for people with any colour vision. Source: Okabe and Ito, Color Universal Design, 2008.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PINK: RGBColor = RGBColor(204, 121, 167);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
const DARK: RGBColor = RGBColor(60, 60, 60);
const BROWN: RGBColor = RGBColor(150, 120, 60);
const GREY: RGBColor = RGBColor(120, 120, 120);
const PURPLE: RGBColor = RGBColor(117, 79, 160);
const TEAL: RGBColor = RGBColor(20, 120, 130);

/// How the shipped specs call their methods.
const SHIPPED: [(&str, RGBColor, usize); 19] = [
    ("c2m3", BLUE, 0),
    ("git-re-basin", VERMILION, 2),
    ("merge-many", GREEN, 3),
    ("frank-wolfe", PINK, 4),
    ("ot-fusion", ORANGE, 5),
    ("activation-matching", PURPLE, 2),
    ("joint-activation-matching", TEAL, 0),
    ("wb-fusion", BROWN, 5),
    ("naive", DARK, 1),
    ("identity", DARK, 1),
    ("ensemble", SKY, 6),
    ("sinkhorn", BROWN, 3),
    ("joint", GREEN, 0),
    ("avg", DARK, 3),
    ("ot", ORANGE, 2),
    ("mpf", BLUE, 5),
    // What legends name beside methods.
    (BEFORE, GREY, 0),
    ("even iterations", BLUE, 0),
    ("odd iterations", VERMILION, 1),
];

/// How the models before matching are called in legends.
pub const BEFORE: &str = "before matching";

const SHAPES: usize = 7;

/// The styles of the methods of one experiment.
#[derive(Clone, Debug, Default)]
pub struct MethodStyles {
    rows: Vec<MethodRow>,
}

impl MethodStyles {
    /// Of the methods of `methods.csv`. A method that is not there is drawn as one without a repair.
    pub fn new(rows: Vec<MethodRow>) -> MethodStyles {
        MethodStyles { rows }
    }

    /// The methods, in the order of the spec.
    pub fn rows(&self) -> &[MethodRow] {
        &self.rows
    }

    /// The method that is the same without a repair; the method itself where there is none.
    pub fn root<'a>(&'a self, name: &'a str) -> &'a str {
        self.rows.iter().find(|row| row.method == name && !row.plain.is_empty()).map_or(name, |row| &row.plain)
    }

    /// As [`method_rank`].
    pub fn rank(&self, name: &str) -> usize {
        method_rank(&self.rows, name)
    }

    /// Whether a method repairs its merged models.
    pub fn is_repaired(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.method == name && !row.repair.is_empty())
    }

    /// The style of a method without a repair: its own, or another one where a method before it in the spec has the same.
    fn apart(&self, name: &str) -> Style {
        let mut taken: Vec<Style> = Vec::new();
        for row in self.rows.iter().filter(|row| row.plain.is_empty()) {
            let free = (0..=u8::MAX).map(|attempt| own(&row.method, attempt)).find(|style| !taken.contains(style));
            let style = free.unwrap_or_else(|| own(&row.method, 0));
            if row.method == name {
                return style;
            }
            taken.push(style);
        }
        own(name, 0)
    }

    /// The style of a method: of a repaired one, another shade of the colour of the method that it repairs, and a mark of its own.
    pub fn of(&self, name: &str) -> Style {
        let root = self.root(name);
        let style = self.apart(root);
        if root == name {
            return style;
        }
        let twins = self.rows.iter().take_while(|row| row.method != name).filter(|row| row.plain == root).count() + 1;
        // Two darker shades, then lighter ones: further down all would be black.
        let shade = |part: f64| match twins {
            1 | 2 => part * 0.62f64.powi(twins as i32),
            _ => 255.0 - (255.0 - part) * 0.72f64.powi(twins as i32 - 2),
        };
        let RGBColor(red, green, blue) = style.colour;
        let [red, green, blue] = [red, green, blue].map(|part| shade(f64::from(part)).round() as u8);
        Style { colour: RGBColor(red, green, blue), shape: (style.shape + twins) % SHAPES }
    }
}

/// Where a method stands in pictures and tables: the models before matching first, then methods in the order of the spec, then whatever it
/// does not name.
pub fn method_rank(rows: &[MethodRow], name: &str) -> usize {
    match rows.iter().position(|row| row.method == name) {
        _ if name == BEFORE || MethodLabel::is_reserved(name) => 0,
        Some(place) => place + 1,
        None => usize::MAX,
    }
}

/// The style of a method without a repair: a fixed one, or one that its name alone decides; at a further attempt another one.
fn own(name: &str, attempt: u8) -> Style {
    if let Some(&(_, colour, shape)) = SHIPPED.iter().find(|(known, ..)| *known == name && attempt == 0) {
        return Style { colour, shape };
    }
    // FNV-1a, mixed: near names get far numbers.
    let bytes = name.bytes().chain((attempt > 0).then_some(attempt));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (hue, light, shape) = (hash % 24, hash / 24 % 2, hash / 48 % SHAPES as u64);
    Style { colour: coloured(hue as f64 / 24.0, if light == 0 { 0.38 } else { 0.55 }), shape: shape as usize }
}

/// A colour of a hue and a lightness, both in [0, 1], at a saturation of 0.6.
fn coloured(hue: f64, lightness: f64) -> RGBColor {
    let reach = 0.6 * (1.0 - (2.0 * lightness - 1.0).abs());
    let channel = |shift: f64| {
        let place = ((hue + shift).fract() * 6.0 - 3.0).abs() - 1.0;
        ((lightness + reach * (place.clamp(0.0, 1.0) - 0.5)) * 255.0).round() as u8
    };
    RGBColor(channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0))
}

/// A closed mark around the origin: a second sign beside the colour.
pub fn mark(shape: usize, size: f64) -> Vec<(i32, i32)> {
    let corners = |count: usize, turn: f64, inner: f64| -> Vec<(i32, i32)> {
        let point = |corner: usize| {
            let radius = if inner < 1.0 && corner % 2 == 1 { size * inner } else { size };
            let angle = std::f64::consts::TAU * corner as f64 / count as f64 + turn;
            ((radius * angle.sin()).round() as i32, (-radius * angle.cos()).round() as i32)
        };
        (0..count).map(point).collect()
    };
    match shape % SHAPES {
        0 => corners(24, 0.0, 1.0),
        1 => corners(4, std::f64::consts::FRAC_PI_4, 1.0),
        2 => corners(3, 0.0, 1.0),
        3 => corners(4, 0.0, 1.0),
        4 => corners(3, std::f64::consts::PI, 1.0),
        5 => corners(10, 0.0, 0.45),
        _ => corners(8, 0.0, 0.4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(method: &str, plain: &str) -> MethodRow {
        let repair = if plain.is_empty() { "" } else { "repair" };
        let [method, matching, merging, repair, plain] = [method, "c2m3", "mean", repair, plain].map(str::to_owned);
        MethodRow { method, matching, merging, repair, plain }
    }

    #[test]
    fn a_method_looks_alike_whatever_stands_beside_it() {
        let alone = MethodStyles::new(vec![repaired("naive", "")]);
        let among = MethodStyles::new(vec![repaired("c2m3", ""), repaired("my-own", ""), repaired("naive", "")]);
        for name in ["naive", "c2m3", "my-own", "another"] {
            assert_eq!(alone.of(name), among.of(name), "{name}");
        }
        assert_ne!(among.of("my-own"), among.of("another"));
    }

    #[test]
    fn methods_whose_names_give_one_style_are_drawn_apart() {
        for [first, second] in [["ab", "otf-pub"], ["ens", "distil"], ["naive", "identity"], ["ot-fusion-distilled", "fresh-distilled"]] {
            assert_eq!(own(first, 0), own(second, 0));
            let styles = MethodStyles::new(vec![repaired(first, ""), repaired("between", ""), repaired(second, "")]);
            assert_eq!(styles.of(first), own(first, 0), "the first keeps its own");
            assert_ne!(styles.of(first), styles.of(second));
        }
    }

    #[test]
    fn repairs_share_a_hue_whatever_their_names_and_no_two_methods_a_style() {
        let rows =
            vec![repaired("c2m3", ""), repaired("mended", "c2m3"), repaired("mended-as-published", "c2m3"), repaired("no-repair", "")];
        let styles = MethodStyles::new(rows.clone());
        assert_eq!(rows.iter().map(|row| styles.root(&row.method)).collect::<Vec<_>>(), ["c2m3", "c2m3", "c2m3", "no-repair"]);
        let all: Vec<Style> = rows.iter().map(|row| styles.of(&row.method)).collect();
        assert!((0..all.len()).all(|one| (0..one).all(|other| all[one] != all[other])), "{all:?}");
        assert!(styles.is_repaired("mended") && !styles.is_repaired("no-repair"));
    }

    #[test]
    fn seven_repairs_of_one_method_are_seven_colours_and_none_is_black_or_white() {
        let names: Vec<String> = (1..=7).map(|number| format!("repaired-{number}")).collect();
        for root in ["naive", "c2m3", "ensemble"] {
            let rows = std::iter::once(repaired(root, "")).chain(names.iter().map(|name| repaired(name, root)));
            let styles = MethodStyles::new(rows.collect());
            let light: Vec<i32> = names
                .iter()
                .map(|name| styles.of(name).colour)
                .map(|RGBColor(red, green, blue)| i32::from(red) + i32::from(green) + i32::from(blue))
                .collect();
            assert!(light.iter().all(|sum| (60..740).contains(sum)), "{root}: {light:?}");
            let apart = |one: usize| (0..one).all(|other| (light[one] - light[other]).abs() > 10);
            assert!((0..light.len()).all(apart), "{root}: {light:?}");
        }
    }

    #[test]
    fn shipped_methods_have_styles_of_their_own() {
        // `identity` is what other papers call `naive`.
        let methods = SHIPPED.iter().take_while(|(name, ..)| *name != BEFORE).filter(|(name, ..)| *name != "identity");
        let shipped: Vec<Style> = methods.map(|(name, ..)| own(name, 0)).collect();
        assert!((0..shipped.len()).all(|one| (0..one).all(|other| shipped[one] != shipped[other])));
    }
}
