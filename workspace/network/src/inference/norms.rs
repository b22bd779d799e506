//! Which layer of a sequence a norm stands behind, and what stands between.

use super::modules::{Kind, Module, tells_order};
use super::refuse;
use super::sequence::{Unit, numbered};
use crate::NetworkError;

/// Whether two modules are counted by one numbered sequence.
pub(super) fn in_one_sequence(left: &Module, right: &Module) -> bool {
    matches!((numbered(left), numbered(right)), (Some((one, _)), Some((other, _))) if one == other)
}

/// Whether the names alone say in which order these stand.
pub(super) fn names_tell(modules: &[&Module]) -> bool {
    modules.iter().enumerate().all(|(place, module)| modules[..place].iter().all(|other| tells_order(&other.path, &module.path)))
}

fn outputs(module: &Module) -> usize {
    match module.kind {
        Kind::Linear { outputs, .. } | Kind::Conv { outputs, .. } => outputs,
        Kind::Norm { units, .. } => units,
    }
}

/// The last number in a name, and whether it is a component of its own.
fn last_number(name: &str) -> Option<(&str, bool)> {
    let end = name.rfind(|letter: char| letter.is_ascii_digit())? + 1;
    let start = name[..end].rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |place| place + 1);
    let is_alone = name[..start].chars().next_back().is_none_or(|letter| letter == '.')
        && name[end..].chars().next().is_none_or(|letter| letter == '.');
    Some((&name[start..end], is_alone))
}

/// Layers, each with the norm of its number behind it; where a norm has no such layer, all of them one after the other.
pub(super) fn behind_layers<'a>(layers: &[&'a Module], norms: &[&'a Module]) -> Vec<&'a Module> {
    let mut of_layer: Vec<Option<&Module>> = vec![None; layers.len()];
    for &norm in norms {
        let number = |module: &Module| last_number(&module.path).map(|(number, _)| number.to_owned());
        let fits = |place: &usize| {
            let layer = layers[*place];
            of_layer[*place].is_none() && outputs(layer) == outputs(norm) && number(layer) == number(norm)
        };
        match (0..layers.len()).find(fits) {
            Some(place) => of_layer[place] = Some(norm),
            None => {
                of_layer = (0..layers.len()).map(|place| norms.get(place).copied()).collect();
                break;
            }
        }
    }
    layers.iter().zip(of_layer).flat_map(|(&layer, norm)| std::iter::once(layer).chain(norm)).collect()
}

/// Refuses a norm of which neither its name nor the file says where it stands, where it could stand elsewhere.
pub(super) fn are_told(first: &[&Module], units: &[Unit<'_>], modules: &[Module], is_ordered: bool) -> Result<(), NetworkError> {
    let place = |module: &Module| modules.iter().position(|other| std::ptr::eq(other, module)).unwrap_or_default();
    let all: Vec<&Module> = units.iter().flat_map(|unit| unit.norms.iter().copied()).collect();
    // One behind each layer, but perhaps not behind class scores: then their own order is that of the layers.
    let is_full = all.len() + 1 >= units.len() && (is_ordered || names_tell(&all));
    let inputs = |module: &Module| match module.kind {
        Kind::Linear { inputs, .. } | Kind::Conv { inputs, .. } => inputs,
        Kind::Norm { units, .. } => units,
    };
    let could_stand = |norm: &Module| {
        let behind = units.iter().filter(|unit| outputs(unit.module) == outputs(norm)).count();
        behind + usize::from(inputs(units[0].module) == outputs(norm))
    };
    let unknown = |norm: &Module| {
        let problem = format!("is a norm of {}, and neither names nor the file say which layer it stands behind", outputs(norm));
        Err(refuse(&norm.path, problem))
    };
    for (index, unit) in units.iter().enumerate() {
        let Some(&norm) = unit.norms.first() else { continue };
        let is_last = index + 1 == units.len();
        let is_counted = in_one_sequence(unit.module, norm);
        let same_number = matches!((last_number(&unit.module.path), last_number(&norm.path)), (Some(one), Some(other)) if one == other);
        let is_next = is_ordered && !is_last && place(norm) == place(unit.module) + 1;
        if !(is_counted || same_number || is_next || is_full || in_one_block(unit.module, norm, modules) || could_stand(norm) == 1) {
            return unknown(norm);
        }
    }
    match first.first() {
        Some(&norm) if !(is_ordered || in_one_sequence(norm, units[0].module) || could_stand(norm) == 1) => unknown(norm),
        _ => Ok(()),
    }
}

/// Whether a layer and a norm stand alone below one name: `block1.conv` and `block1.norm`.
fn in_one_block(layer: &Module, norm: &Module, modules: &[Module]) -> bool {
    let parent = |module: &Module| module.path.rsplit_once('.').map(|(parent, _)| parent.to_owned());
    let own = parent(layer);
    own.is_some() && own == parent(norm) && modules.iter().filter(|other| parent(other) == own).count() == 2
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
    let gaps: Vec<Option<usize>> = units.iter().map(|unit| unit.norms.first().map(|norm| distance(unit.module, norm))).collect();
    for (unit, gap) in units.iter().zip(&gaps) {
        if let (Some(norm), Some(gap @ 3..), Kind::Conv { .. }) = (unit.norms.first(), gap, unit.module.kind) {
            let problem = format!("is a norm {gap} places behind `{}`: what stands between is not told", unit.module.path);
            return Err(refuse(&norm.path, problem));
        }
    }
    let all = gaps.iter().flatten().all(|&gap| gap > 1);
    let has_room_behind = |place: usize| match (units[place].norms.first(), units.get(place + 1)) {
        (Some(norm), Some(next)) => distance(norm, next.module) != 1,
        _ => true,
    };
    Ok((0..units.len()).map(|place| gaps[place].is_some_and(|gap| gap > 1 && (all || !has_room_behind(place)))).collect())
}
