//! The order of layers by their widths alone, where names and the file do not tell it.

use super::modules::{Kind, Module};
use super::sequence::is_square;

/// Steps after which the search gives up.
const MOST_STEPS: usize = 100_000;

/// The one order in which every layer takes what the one before gives; none where there is no such order, or more than one.
pub(super) fn search(modules: &[Module]) -> Option<Vec<&Module>> {
    let mut search = Search { modules, order: Vec::new(), found: None, several: false, steps: 0 };
    search.go_on(None, false);
    let Search { found, several, steps, .. } = search;
    found.filter(|_| !several && steps < MOST_STEPS).map(|order| order.into_iter().map(|place| &modules[place]).collect())
}

struct Search<'a> {
    modules: &'a [Module],
    order: Vec<usize>,
    found: Option<Vec<usize>>,
    several: bool,
    steps: usize,
}

impl Search<'_> {
    /// Tries every layer that could follow one of this width.
    fn go_on(&mut self, width: Option<usize>, is_flat: bool) {
        self.steps += 1;
        if self.order.len() == self.modules.len() {
            self.several |= self.found.is_some();
            self.found = Some(self.order.clone());
        }
        for place in 0..self.modules.len() {
            if self.several || self.steps >= MOST_STEPS {
                return;
            }
            if self.order.contains(&place) {
                continue;
            }
            let next = match (self.modules[place].kind, width) {
                (Kind::Norm { units, .. }, Some(width)) if units == width => Some((units, is_flat)),
                (Kind::Conv { inputs, outputs, .. }, width) if !is_flat && width.is_none_or(|width| width == inputs) => {
                    Some((outputs, false))
                }
                (Kind::Linear { inputs, outputs }, width) => {
                    let fits = match width {
                        None => true,
                        Some(width) if is_flat => width == inputs,
                        Some(width) => inputs % width == 0 && is_square(inputs / width),
                    };
                    fits.then_some((outputs, true))
                }
                _ => None,
            };
            if let Some((outputs, is_flat)) = next {
                self.order.push(place);
                self.go_on(Some(outputs), is_flat);
                self.order.pop();
            }
        }
    }
}
