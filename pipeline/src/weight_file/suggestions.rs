//! What may help where tensors are of no network that is known.

use std::collections::{BTreeSet, HashMap};

use onebasin_network::{Known, Stored, infer};

/// What follows a first component of names, and shapes.
type Below<'a> = Vec<(&'a str, &'a [usize])>;

/// A hint, where one is seen.
pub fn of(tensors: &[Stored], known: &Known) -> Option<String> {
    several_networks(tensors).or_else(|| copy_under_a_prefix(tensors)).or_else(|| network_below(tensors, known))
}

/// What to do where tensors may be of two networks, such as one and its moving average, or of one and something else.
fn several_networks(tensors: &[Stored]) -> Option<String> {
    let mut sets: Vec<(&str, Below<'_>)> = Vec::new();
    for tensor in tensors {
        let (first, rest) = tensor.name.split_once('.')?;
        let rest = rest.strip_prefix("module.").unwrap_or(rest);
        match sets.iter_mut().find(|(name, _)| *name == first) {
            Some((_, set)) => set.push((rest, &tensor.shape)),
            None => sets.push((first, vec![(rest, &tensor.shape)])),
        }
    }
    if let Some((most, set)) = sets.iter().find(|(_, set)| set.len() < tensors.len() && set.len() * 10 > tensors.len() * 9) {
        let others = tensors.len() - set.len();
        return Some(format!("hint: all names but {others} begin with `{most}`: `--key {most}` takes these alone"));
    }
    // Blocks are alike too, and hold a few layers each.
    sets.retain(|(_, set)| set.iter().any(|(name, _)| name.contains('.')));
    sets.iter_mut().for_each(|(_, set)| set.sort_unstable());
    let mut pairs = sets.iter().enumerate().flat_map(|(place, one)| sets[place + 1..].iter().map(move |other| (one, other)));
    let (one, other) = pairs.find(|(one, other)| one.1 == other.1)?;
    Some(format!("hint: names begin with `{0}` and `{1}`, which may be two networks: `--key {0}` takes one", one.0, other.0))
}

/// What to do where the tensors below one first component of names are a network, and others stand beside it.
fn network_below(tensors: &[Stored], known: &Known) -> Option<String> {
    let firsts: BTreeSet<&str> = tensors.iter().filter_map(|tensor| Some(tensor.name.split_once('.')?.0)).collect();
    let is_network = |first: &&str| {
        let below = tensors.iter().filter_map(|tensor| {
            let name = tensor.name.strip_prefix(first)?.strip_prefix('.')?.to_owned();
            Some(Stored { name, shape: tensor.shape.clone() })
        });
        let below: Vec<Stored> = below.collect();
        below.len() > 2 && below.len() < tensors.len() && infer(&below, known).is_ok_and(|inferred| inferred.bound.len() > 2)
    };
    let first = firsts.into_iter().find(is_network)?;
    Some(format!("hint: the tensors whose names begin with `{first}` are a network: `--key {first}` takes these alone"))
}

/// What to do where each tensor has a second one of its shape, whose name is a run of letters and its own: `ema_fc1.weight`.
fn copy_under_a_prefix(tensors: &[Stored]) -> Option<String> {
    let shapes: HashMap<&str, &[usize]> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect();
    let first = &tensors.first()?.name;
    let prefix_of = |tensor: &Stored| {
        let (name, other) = (tensor.name.as_str(), first.as_str());
        name.strip_suffix(other).or_else(|| other.strip_suffix(name)).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
    };
    let prefix = tensors.iter().find_map(prefix_of)?;
    let (copies, own): (Vec<&Stored>, Vec<&Stored>) = tensors.iter().partition(|tensor| tensor.name.starts_with(&prefix));
    let is_copied = |own: &&Stored| shapes.get(format!("{prefix}{}", own.name).as_str()) == Some(&own.shape.as_slice());
    (copies.len() == own.len() && own.iter().all(is_copied)).then(|| {
        format!(
            "hint: names that begin with `{prefix}` are of a second network; leave it out where the file is written: \
             `{{name: tensor for name, tensor in state.items() if not name.startswith(\"{prefix}\")}}`"
        )
    })
}
