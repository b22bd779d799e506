//! Which layer of a sequence a norm stands behind, and what stands between.

use super::geometry::image_of;
use super::modules::{Kind, Module, is_named_after, names_tell, natural};
use super::sequence::{Unit, numbered};
use super::{Known, refuse};
use crate::NetworkError;

/// The norm before the first layer, and the layers, each with the norm behind it.
///
/// A norm stands where a file with an order has it, in the place that a sequence counts, and where one place alone is as wide. Where none of these tells, it is taken
/// to stand beside the one layer of its block, behind the layer of its name or number, or where there are as many norms of a width as places, in their own order.
///
/// # Errors
/// Names a norm of which none of these tells the place.
pub(super) fn place<'a>(
    layers: &[&'a Module],
    norms: &[&'a Module],
    modules: &'a [Module],
    known: &Known,
    assumed: &mut Vec<String>,
) -> Result<(Option<&'a Module>, Vec<Unit<'a>>), NetworkError> {
    let is_ordered = known.is_ordered;
    let channels = matches!(layers[0].kind, Kind::Linear { .. }).then(|| image_of(layers[0].widths().0, known).channels);
    let mut places = Places { layers, channels, taken: vec![None; layers.len() + 1] };
    let mut left = norms.to_vec();
    if is_ordered {
        places.as_the_file_has_them(&mut left, modules);
    }
    places.by_sequences(&mut left)?;
    let others = left.clone();
    places.each(&mut left, |places, norm| places.only_one(norm, &others));
    let told = places.taken.clone();
    places.each(&mut left, |places, norm| places.of_block(norm, modules).or_else(|| places.of_name(norm)));
    places.by_numbers(&mut left);
    places.in_a_row(&left, is_ordered)?;
    let Places { taken, .. } = places;
    let guessed = (1..taken.len()).filter(|&place| told[place].is_none());
    let guessed: Vec<String> =
        guessed.filter_map(|place| Some(format!("`{}` behind `{}`", taken[place]?.path, layers[place - 1].path))).collect();
    if !guessed.is_empty() {
        let more = if guessed.len() > 3 { format!(" and {} more", guessed.len() - 3) } else { String::new() };
        assumed.push(format!(
            "norms stand behind the layers of their names and numbers: {}{more}",
            guessed[..guessed.len().min(3)].join(", ")
        ));
    }
    let units = layers.iter().zip(&taken[1..]).map(|(&module, &norm)| Unit { module, norm }).collect();
    Ok((taken[0], units))
}

/// The places for norms: before the first layer, then behind each layer.
struct Places<'a, 'b> {
    layers: &'b [&'a Module],
    /// Of images, before a first layer that is linear.
    channels: Option<usize>,
    taken: Vec<Option<&'a Module>>,
}

impl<'a> Places<'a, '_> {
    fn width(&self, place: usize) -> usize {
        match place.checked_sub(1) {
            Some(layer) => self.layers[layer].widths().1,
            None => self.layers[0].widths().0,
        }
    }

    /// The places in which a norm can stand.
    fn free(&self, norm: &Module) -> Vec<usize> {
        (0..self.taken.len()).filter(|&place| self.taken[place].is_none() && self.width(place) == norm.widths().0).collect()
    }

    /// Whether a norm is as wide as a place. What stands before the first layer may be of the channels of images, before a flatten.
    fn fits(&self, place: usize, norm: &Module) -> bool {
        let (own, width) = (norm.widths().0, self.width(place));
        own == width || (place == 0 && self.channels == Some(own))
    }

    /// Puts norms where something says that they stand, and keeps the others.
    fn each(&mut self, left: &mut Vec<&'a Module>, place: impl Fn(&Self, &Module) -> Option<usize>) {
        left.retain(|&norm| match place(self, norm).filter(|&place| self.taken[place].is_none() && self.fits(place, norm)) {
            Some(place) => {
                self.taken[place] = Some(norm);
                false
            }
            None => true,
        });
    }

    /// Each norm right behind the layer before it in the file, where that can be so of all. Behind the last layer stands what is listed at the end, too.
    fn as_the_file_has_them(&mut self, left: &mut Vec<&'a Module>, modules: &'a [Module]) {
        let in_file: Vec<&Module> = modules.iter().filter(|module| !is_norm(module)).collect();
        if !in_file.iter().zip(self.layers).all(|(one, other)| std::ptr::eq(*one, *other)) {
            return;
        }
        let last = self.layers.len();
        let behind = |norm: &Module| {
            let before = modules.iter().take_while(|module| !std::ptr::eq(*module, norm));
            before.filter(|module| !is_norm(module)).count()
        };
        let places: Vec<usize> = left.iter().map(|norm| behind(norm)).collect();
        let is_so = (0..places.len()).all(|index| {
            let place = places[index];
            place == last || (self.fits(place, left[index]) && !places[..index].contains(&place))
        });
        if is_so {
            self.each(left, |_, norm| Some(behind(norm)).filter(|&place| place < last));
        }
    }

    /// Norms that a numbered sequence counts together with layers.
    fn by_sequences(&mut self, left: &mut Vec<&'a Module>) -> Result<(), NetworkError> {
        let mut others = Vec::new();
        for norm in left.drain(..) {
            let Some(place) = self.in_sequence(norm) else {
                others.push(norm);
                continue;
            };
            if let Some(other) = self.taken[place] {
                let problem =
                    format!("is a norm, and so is `{}` before it: neither names nor the file say which layers they follow", other.path);
                return Err(refuse(&norm.path, problem));
            }
            if !self.fits(place, norm) {
                let (own, width) = (norm.widths().0, self.width(place));
                return Err(refuse(&norm.path, format!("`{}.weight`: a norm of {own} after a layer of {width}", norm.path)));
            }
            self.taken[place] = Some(norm);
        }
        *left = others;
        Ok(())
    }

    fn in_sequence(&self, norm: &Module) -> Option<usize> {
        let (parent, number) = numbered(norm)?;
        let stands = |layer: &Module, is_so: fn(usize, usize) -> bool| matches!(numbered(layer), Some((of, own)) if of == parent && is_so(own, number));
        let first = self.layers.iter().position(|layer| stands(layer, |_, _| true))?;
        let before = self.layers.iter().rposition(|layer| stands(layer, |own, number| own < number));
        Some(before.map_or(first, |layer| layer + 1))
    }

    /// Behind the layer with which it stands alone below one name: `block1.conv` and `block1.norm`.
    fn of_block(&self, norm: &Module, modules: &[Module]) -> Option<usize> {
        let parent = |module: &Module| module.path.rsplit_once('.').map(|(parent, _)| parent.to_owned());
        let own = parent(norm).filter(|own| modules.iter().filter(|other| parent(other).as_ref() == Some(own)).count() == 2)?;
        self.layers.iter().position(|layer| parent(layer).as_ref() == Some(&own)).map(|layer| layer + 1)
    }

    fn of_name(&self, norm: &Module) -> Option<usize> {
        self.layers.iter().position(|layer| is_named_after(norm, layer)).map(|layer| layer + 1)
    }

    /// The one place as wide as it, where no other norm is.
    fn only_one(&self, norm: &Module, others: &[&Module]) -> Option<usize> {
        let rivals = others.iter().filter(|other| other.widths() == norm.widths()).count();
        match self.free(norm)[..] {
            [place] if rivals == 1 => Some(place),
            _ => None,
        }
    }

    /// Behind the layers of their numbers, where each has one.
    fn by_numbers(&mut self, left: &mut Vec<&'a Module>) {
        let mut found: Vec<usize> = Vec::new();
        for norm in &*left {
            let number = last_number(&norm.path);
            let fits = |place: &usize| *place > 0 && !found.contains(place) && last_number(&self.layers[place - 1].path) == number;
            match self.free(norm).into_iter().find(fits).filter(|_| number.is_some()) {
                Some(place) => found.push(place),
                None => return,
            }
        }
        for (norm, place) in left.drain(..).zip(found) {
            self.taken[place] = Some(norm);
        }
    }

    /// Norms of one width where as many layers give it, with or without the last one, which class scores may be.
    fn in_a_row(&mut self, left: &[&'a Module], is_ordered: bool) -> Result<(), NetworkError> {
        for &first in left {
            let width = first.widths().0;
            let mut norms: Vec<&Module> = left.iter().copied().filter(|norm| norm.widths().0 == width).collect();
            let mut free = self.free(first);
            if self.taken.iter().flatten().any(|norm| std::ptr::eq(*norm, first)) {
                continue;
            }
            free.retain(|&place| place > 0);
            if free.len() < norms.len() {
                let problem = match (norms.len(), free.len()) {
                    (1, _) => format!("is a norm of {width}, and no layer without a norm gives as many"),
                    (count, 0) => format!("is one of {count} norms of {width}, and no layer without a norm gives as many"),
                    (count, 1) => format!("is one of {count} norms of {width}, and one layer without a norm gives as many"),
                    (count, places) => format!("is one of {count} norms of {width}, and {places} layers without a norm give as many"),
                };
                return Err(refuse(&first.path, problem));
            }
            if free.len() > norms.len() {
                free.retain(|&place| place < self.layers.len());
            }
            if free.len() != norms.len() || !(is_ordered || names_tell(&norms)) {
                return Err(refuse(
                    &first.path,
                    format!("is a norm of {width}, and neither names nor the file say which layer it stands behind"),
                ));
            }
            if names_tell(&norms) {
                norms.sort_by(|left, right| natural(&left.path, &right.path));
            }
            for (norm, place) in norms.into_iter().zip(free) {
                self.taken[place] = Some(norm);
            }
        }
        Ok(())
    }
}

pub(super) fn is_norm(module: &Module) -> bool {
    matches!(module.kind, Kind::Norm { .. })
}

/// The last number in a name, and whether it is a component of its own.
fn last_number(name: &str) -> Option<(&str, bool)> {
    let end = name.rfind(|letter: char| letter.is_ascii_digit())? + 1;
    let start = name[..end].rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |place| place + 1);
    let is_alone = name[..start].chars().next_back().is_none_or(|letter| letter == '.')
        && name[end..].chars().next().is_none_or(|letter| letter == '.');
    Some((&name[start..end], is_alone))
}

/// Behind which layers a ReLU stands before the norm: the numbers leave one out between a layer and its norm, and none behind it, or between every layer
/// and its norm.
///
/// # Errors
/// A norm further behind a convolution: a pool may be between, and where is not told.
pub(super) fn relu_first(units: &[Unit<'_>]) -> Result<Vec<bool>, NetworkError> {
    let distance = |from: &Module, to: &Module| match (numbered(from), numbered(to)) {
        (Some((parent, from)), Some((other, to))) if parent == other => to.saturating_sub(from),
        _ => 0,
    };
    let gaps: Vec<Option<usize>> = units.iter().map(|unit| unit.norm.map(|norm| distance(unit.module, norm))).collect();
    for (unit, gap) in units.iter().zip(&gaps) {
        if let (Some(norm), Some(gap @ 3..), Kind::Conv { .. }) = (unit.norm, gap, unit.module.kind) {
            let problem = format!("is a norm {gap} places behind `{}`: what stands between is not told", unit.module.path);
            return Err(refuse(&norm.path, problem));
        }
    }
    let all = gaps.iter().flatten().all(|&gap| gap > 1);
    let has_room_behind = |place: usize| match (units[place].norm, units.get(place + 1)) {
        (Some(norm), Some(next)) => distance(norm, next.module) != 1,
        _ => true,
    };
    Ok((0..units.len()).map(|place| gaps[place].is_some_and(|gap| gap > 1 && (all || !has_room_behind(place)))).collect())
}
