//! In which order the layers of a sequence follow each other.

use super::modules::{Kind, Module, natural, tells_order, untold_pair};
use super::refuse;
use crate::NetworkError;

/// Steps after which the search gives up.
const MOST_STEPS: usize = 100_000;

/// Layers between which orders are searched: time and memory grow with their square.
const MOST_LAYERS: usize = 2_000;

/// The layers, none of them a norm, in the order in which each takes what the one before gives: that of the file where it is one and the file has
/// an order, else the one that numbers in names allow, else the one that widths allow.
///
/// # Errors
/// When there is no such order, when there are several, and when numbers speak against the order of the file and another is possible.
pub(super) fn order<'a>(layers: &[&'a Module], is_ordered: bool) -> Result<Vec<&'a Module>, NetworkError> {
    let mut likely = layers.to_vec();
    if !is_ordered {
        likely.sort_by(|left, right| natural(&left.path, &right.path));
        likely.sort_by_key(|layer| matches!(layer.kind, Kind::Linear { .. }));
    }
    let broken = breaks(&likely);
    let is_short = likely.len() <= MOST_LAYERS;
    let conflict = if is_ordered && is_short { against_names(&likely) } else { None };
    if is_ordered && broken.is_none() && conflict.is_none() {
        return Ok(likely);
    }
    if !is_short {
        let count = likely.len();
        let problem =
            format!("stands in a row of {count} layers, and an order that the file does not tell is sought of at most {MOST_LAYERS}");
        return Err(refuse(&likely[0].path, problem));
    }
    let by_names = Search::run(&likely, |one, other| tells_order(&one.path, &other.path) && natural(&one.path, &other.path).is_lt());
    match (by_names, broken, conflict) {
        // No order is possible by numbers, or the search gave up.
        (Found::None, None, _) => Ok(likely),
        (Found::None, Some(error), _) => match Search::run(&likely, |_, _| false) {
            Found::One(order) => Ok(order),
            _ => Err(error),
        },
        (_, None, Some([one, other])) => {
            Err(refuse(&other.path, format!("stands behind `{}` in the file and before it by its number", one.path)))
        }
        (Found::One(order), ..) => Ok(order),
        (Found::Several([one, other]), ..) => {
            let file = if is_ordered { "the file, in whose order widths do not fit," } else { "the file, whose tensors are sorted," };
            Err(refuse(&other.path, untold_pair(one, other, file)))
        }
    }
}

/// Two layers of which the first has the higher number.
fn against_names<'a>(order: &[&'a Module]) -> Option<[&'a Module; 2]> {
    let before = |place: usize| order[..place].iter().map(move |one| [*one, order[place]]);
    let mut pairs = (0..order.len()).flat_map(before);
    pairs.find(|[one, other]| tells_order(&one.path, &other.path) && natural(&one.path, &other.path).is_gt())
}

/// What a layer gives.
#[derive(Clone, Copy, Debug)]
struct Width {
    channels: usize,
    is_flat: bool,
}

/// What a layer gives, if it takes what the one before gives.
fn follows(before: Option<Width>, layer: &Module) -> Option<Width> {
    match (layer.kind, before) {
        (Kind::Conv { .. }, Some(Width { is_flat: true, .. })) => None,
        (Kind::Conv { inputs, outputs, .. }, _) if before.is_none_or(|before| before.channels == inputs) => {
            Some(Width { channels: outputs, is_flat: false })
        }
        (Kind::Linear { inputs, outputs }, _) => {
            let fits = match before {
                None => true,
                Some(Width { channels, is_flat: true }) => channels == inputs,
                // The first one behind convolutions reads a square of pixels of each channel.
                Some(Width { channels, .. }) => inputs % channels == 0 && is_square(inputs / channels),
            };
            fits.then_some(Width { channels: outputs, is_flat: true })
        }
        _ => None,
    }
}

/// Why layers do not follow each other in this order.
fn breaks(order: &[&Module]) -> Option<NetworkError> {
    let mut before = None;
    for layer in order {
        match follows(before, layer) {
            Some(width) => before = Some(width),
            None => return Some(refuse(&layer.path, misfit(layer, before?.channels, before?.is_flat))),
        }
    }
    None
}

/// What to say of a layer that does not take the `width` units or channels that the one before gives.
pub(super) fn misfit(layer: &Module, width: usize, is_flat: bool) -> String {
    let ((inputs, outputs), weight) = (layer.widths(), format!("{}.weight", layer.path));
    let is_convolution = matches!(layer.kind, Kind::Conv { .. });
    if is_convolution && is_flat {
        return format!("`{weight}`: a convolution after a linear layer");
    }
    let is_grouped = is_convolution && width.is_multiple_of(inputs) && outputs.is_multiple_of(width / inputs);
    let grouped = if is_grouped { format!("; a convolution in {} groups is not supported", width / inputs) } else { String::new() };
    let s = if inputs == 1 { "" } else { "s" };
    format!("{weight}: {outputs} outputs of {inputs} input{s} after a layer of {width}{grouped}")
}

/// Whether so many pixels make a square.
pub(super) fn is_square(pixels: usize) -> bool {
    pixels.isqrt().pow(2) == pixels
}

/// The orders that there are.
enum Found<'a> {
    None,
    One(Vec<&'a Module>),
    /// Two layers of which either can come first.
    Several([&'a Module; 2]),
}

/// Goes through the orders in which every layer takes what the one before gives.
struct Search<'a, 'b> {
    /// The likeliest first.
    layers: &'b [&'a Module],
    /// The layers that have to stand behind each.
    behind: Vec<Vec<usize>>,
    /// How many of those that have to stand before each do not yet.
    missing: Vec<usize>,
    is_placed: Vec<bool>,
    order: Vec<usize>,
    first: Option<Vec<usize>>,
    second: Option<Vec<usize>>,
    steps: usize,
}

impl<'a, 'b> Search<'a, 'b> {
    fn run(layers: &'b [&'a Module], is_before: impl Fn(&Module, &Module) -> bool) -> Found<'a> {
        let count = layers.len();
        let behind = |place: usize| (0..count).filter(|&other| is_before(layers[place], layers[other])).collect();
        let behind: Vec<Vec<usize>> = (0..count).map(behind).collect();
        let mut missing = vec![0; count];
        behind.iter().flatten().for_each(|&place| missing[place] += 1);
        let is_placed = vec![false; count];
        let mut search = Search { layers, behind, missing, is_placed, order: Vec::new(), first: None, second: None, steps: 0 };
        search.go_on(None);
        let of = |places: &[usize]| places.iter().map(|&place| layers[place]).collect();
        match (search.first, search.second) {
            (Some(first), Some(second)) => {
                let place = first.iter().zip(&second).position(|(one, other)| one != other).unwrap_or_default();
                Found::Several([layers[first[place]], layers[second[place]]])
            }
            (Some(first), None) if search.steps < MOST_STEPS => Found::One(of(&first)),
            _ => Found::None,
        }
    }

    /// Tries every layer that can follow one of this width.
    fn go_on(&mut self, width: Option<Width>) {
        self.steps += 1;
        if self.order.len() == self.layers.len() {
            *(if self.first.is_none() { &mut self.first } else { &mut self.second }) = Some(self.order.clone());
        }
        for place in 0..self.layers.len() {
            if self.second.is_some() || self.steps >= MOST_STEPS {
                return;
            }
            if self.is_placed[place] || self.missing[place] > 0 {
                continue;
            }
            if let Some(width) = follows(width, self.layers[place]) {
                self.order.push(place);
                self.is_placed[place] = true;
                (0..self.behind[place].len()).for_each(|index| self.missing[self.behind[place][index]] -= 1);
                self.go_on(Some(width));
                (0..self.behind[place].len()).for_each(|index| self.missing[self.behind[place][index]] += 1);
                self.is_placed[place] = false;
                self.order.pop();
            }
        }
    }
}
