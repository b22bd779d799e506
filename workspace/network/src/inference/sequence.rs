//! Networks whose layers follow each other.

use super::modules::{Kind, Module, natural};
use super::{Inferred, Known, refuse};
use crate::architecture::EPSILON;
use crate::{Architecture, Layer, NetworkError, Shape};

/// A layer with weights, and the norm behind it.
struct Unit<'a> {
    module: &'a Module,
    norms: Vec<&'a Module>,
}

/// The network of layers in a row.
pub(super) fn infer(modules: &[Module], known: &Known) -> Result<Inferred, NetworkError> {
    let mut furthest: Option<(usize, NetworkError)> = None;
    for order in orders(modules, known.is_ordered) {
        match chain(&order) {
            Ok((first, units)) => return lay_out(first, &units, known),
            Err((length, error)) => {
                if furthest.as_ref().is_none_or(|(other, _)| length > *other) {
                    furthest = Some((length, error));
                }
            }
        }
    }
    Err(furthest.expect("at least one order was tried").1)
}

/// The orders in which layers may follow: that of the file where it has one, names by their numbers, convolutions first, norms by the
/// number of their layer.
fn orders(modules: &[Module], is_ordered: bool) -> Vec<Vec<&Module>> {
    let file: Vec<&Module> = modules.iter().collect();
    let mut sorted = file.clone();
    sorted.sort_by(|left, right| natural(&left.path, &right.path));
    let top = |module: &Module| module.path.split('.').next().unwrap_or_default().to_owned();
    let convolves = |group: &str| modules.iter().any(|module| matches!(module.kind, Kind::Conv { .. }) && top(module) == group);
    let mut grouped = sorted.clone();
    grouped.sort_by_key(|module| !convolves(&top(module)));
    let rank = |kind: Kind| match kind {
        Kind::Conv { .. } => 0,
        Kind::Linear { .. } => 1,
        Kind::Norm { .. } => 2,
    };
    // Flax counts each kind of layer by itself: norm 3 is behind convolution 3.
    let norms: Vec<&Module> = sorted.iter().copied().filter(|module| rank(module.kind) == 2).collect();
    let mut layers: Vec<&Module> = sorted.iter().copied().filter(|module| rank(module.kind) < 2).collect();
    layers.sort_by_key(|module| rank(module.kind));
    let mut by_kind = Vec::with_capacity(modules.len());
    for (place, layer) in layers.into_iter().enumerate() {
        by_kind.push(layer);
        by_kind.extend(norms.get(place));
    }
    if is_ordered { vec![file, sorted, grouped, by_kind] } else { vec![sorted, grouped, by_kind, file] }
}

/// Follows the widths from layer to layer: norms before the first layer, and the layers. Where they break off, how many followed.
fn chain<'a>(order: &[&'a Module]) -> Result<(Vec<&'a Module>, Vec<Unit<'a>>), (usize, NetworkError)> {
    let mut first = Vec::new();
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut width: Option<usize> = None;
    let mut flat = false;
    for (place, &module) in order.iter().enumerate() {
        let broken = |problem: String| (place, refuse(&module.path, problem));
        let weight = format!("{}.weight", module.path);
        match module.kind {
            Kind::Norm { units: own, .. } => {
                if width.is_some_and(|width| width != own) {
                    return Err(broken(format!("`{weight}`: a norm of {own} after a layer of {}", width.unwrap_or_default())));
                }
                width = Some(own);
                match units.last_mut() {
                    Some(unit) => unit.norms.push(module),
                    None => first.push(module),
                }
            }
            Kind::Conv { inputs, outputs, .. } => {
                match width {
                    _ if flat => return Err(broken(format!("`{weight}`: a convolution after a linear layer"))),
                    Some(width) if width != inputs => {
                        let grouped = if width % inputs == 0 && outputs % (width / inputs) == 0 {
                            format!("; a convolution in {} groups is not supported", width / inputs)
                        } else {
                            String::new()
                        };
                        let s = if inputs == 1 { "" } else { "s" };
                        return Err(broken(format!("{weight}: {outputs} outputs of {inputs} input{s} after a layer of {width}{grouped}")));
                    }
                    _ => {}
                }
                width = Some(outputs);
                units.push(Unit { module, norms: Vec::new() });
            }
            Kind::Linear { inputs, outputs } => {
                let fits = match width {
                    None => true,
                    Some(width) if flat => width == inputs,
                    // The first one behind convolutions reads a square of pixels of each channel.
                    Some(width) => inputs % width == 0 && (units.is_empty() || side(inputs / width).is_some()),
                };
                if !fits {
                    let width = width.unwrap_or_default();
                    return Err(broken(format!("{weight}: {outputs} outputs of {inputs} inputs after a layer of {width}")));
                }
                (width, flat) = (Some(outputs), true);
                units.push(Unit { module, norms: Vec::new() });
            }
        }
    }
    if units.is_empty() {
        return Err((0, refuse(&order[0].path, "there are norms and no layers with weights")));
    }
    Ok((first, units))
}

/// The side of a square of so many pixels.
fn side(pixels: usize) -> Option<usize> {
    let root = pixels.isqrt();
    (root * root == pixels).then_some(root)
}

fn lay_out(first: Vec<&Module>, units: &[Unit<'_>], known: &Known) -> Result<Inferred, NetworkError> {
    let epsilon = known.epsilon.unwrap_or(EPSILON);
    let convolutions = units.iter().take_while(|unit| matches!(unit.module.kind, Kind::Conv { .. })).count();
    let mut assumed = Vec::new();
    let classes = match units[units.len() - 1].module.kind {
        Kind::Linear { outputs, .. } | Kind::Conv { outputs, .. } => outputs,
        Kind::Norm { units, .. } => units,
    };
    let pixels =
        match (convolutions, units.get(convolutions).map(|unit| unit.module.kind), units[convolutions.saturating_sub(1)].module.kind) {
            (1.., Some(Kind::Linear { inputs, .. }), Kind::Conv { outputs, .. }) => Some(inputs / outputs),
            _ => None,
        };
    let shape = geometry(units, convolutions, pixels, known, &mut assumed)?;
    let mut layers = Vec::new();
    if convolutions == 0 && first.is_empty() {
        layers.push(Layer::Flatten {});
    }
    layers.extend(first.iter().map(|norm| norm.layer(1, epsilon)));
    if convolutions == 0 && !first.is_empty() {
        layers.push(Layer::Flatten {});
    }
    for (place, unit) in units.iter().enumerate() {
        if place == convolutions && place > 0 {
            layers.push(if shape.ends_in_mean { Layer::GlobalMean {} } else { Layer::Flatten {} });
        }
        let mut layer = unit.module.layer(1, epsilon);
        if let (Layer::Conv { padding, .. }, false) = (&mut layer, shape.same) {
            *padding = Some(0);
        }
        layers.push(layer);
        layers.extend(unit.norms.iter().map(|norm| norm.layer(1, epsilon)));
        if place + 1 < units.len() && !known.linear {
            layers.push(Layer::Relu {});
        }
        if shape.pools.contains(&place) {
            layers.push(Layer::MaxPool { size: 2, stride: Some(2), padding: 0 });
        }
    }
    if convolutions == units.len() {
        layers.push(Layer::GlobalMean {});
    }
    if units.len() > 1 && !known.linear {
        assumed.push("a ReLU stands behind each layer but the last, behind its norm where it has one".to_owned());
    }
    norms_assumed(first.iter().chain(units.iter().flat_map(|unit| &unit.norms)).copied(), &mut assumed);
    let family = match (convolutions, units.len()) {
        (0, 1) => "one linear layer".to_owned(),
        (0, count) => format!("a multi-layer perceptron of {count} linear layers"),
        (convolutions, count) if !shape.pools.is_empty() && convolutions >= 8 => {
            format!("a VGG{count} of {convolutions} convolutions and {} linear layers", count - convolutions)
        }
        (convolutions, count) => format!("a sequence of {convolutions} convolutions and {} linear layers", count - convolutions),
    };
    let bound = first.iter().copied().chain(units.iter().flat_map(|unit| std::iter::once(unit.module).chain(unit.norms.iter().copied())));
    let bound = bound.flat_map(Module::bound).collect();
    let architecture = Architecture { input: shape.input, classes, layers }.resolved();
    Ok(Inferred { architecture, family, assumed, bound, kept: Vec::new() })
}

/// Says what cannot be told of norms.
pub(super) fn norms_assumed<'a>(norms: impl Iterator<Item = &'a Module>, assumed: &mut Vec<String>) {
    let is_layer = |norm: &Module| matches!(norm.kind, Kind::Norm { kind: crate::NormKind::Layer, .. });
    if norms.into_iter().any(is_layer) {
        assumed.push("norms without running statistics are layer norms over the channels of each pixel".to_owned());
    }
}

/// What shapes of weights do not say: the size of images, where pools stand, whether convolutions pad.
struct Geometry {
    input: Shape,
    pools: Vec<usize>,
    same: bool,
    ends_in_mean: bool,
}

fn geometry(
    units: &[Unit<'_>],
    convolutions: usize,
    pixels: Option<usize>,
    known: &Known,
    assumed: &mut Vec<String>,
) -> Result<Geometry, NetworkError> {
    let inputs = match units[0].module.kind {
        Kind::Linear { inputs, .. } | Kind::Conv { inputs, .. } => inputs,
        Kind::Norm { units, .. } => units,
    };
    if convolutions == 0 {
        let input = match (known.input, inputs) {
            (Some(shape), _) if shape.volume() == inputs => shape,
            (Some(shape), _) => {
                return Err(refuse(
                    &units[0].module.path,
                    format!("takes {inputs} numbers, an image of shape {shape} has {}", shape.volume()),
                ));
            }
            (None, 784) => Shape::new(1, 28, 28),
            (None, 3072) => Shape::new(3, 32, 32),
            (None, inputs) => Shape::new(inputs, 1, 1),
        };
        return Ok(Geometry { input, pools: Vec::new(), same: true, ends_in_mean: false });
    }
    let side = pixels.and_then(side);
    let square = |side: usize| Shape::new(inputs, side, side);
    if let Some(shape) = known.input.filter(|shape| shape.channels != inputs) {
        return Err(refuse(&units[0].module.path, format!("takes {inputs} channels, an image of shape {shape} has {}", shape.channels)));
    }
    if let Some(pools) = pools_by_gaps(&units[..convolutions]) {
        assumed.push(
            "gaps in the numbers of layers are ReLUs, and max pools of 2 where there is one more; a pool is behind the last convolution"
                .to_owned(),
        );
        assumed.push("convolutions pad so that the size stays".to_owned());
        let input = known.input.unwrap_or_else(|| square(side.unwrap_or(1) << pools.len()));
        return Ok(Geometry { input, pools, same: true, ends_in_mean: false });
    }
    // Usual ways to come from an image of a usual size to as many pixels as the first linear layer reads.
    let every: Vec<usize> = (0..convolutions).collect();
    let ways = [
        (true, every.clone()),
        (false, every),
        (false, vec![convolutions - 1]),
        (true, vec![convolutions - 1]),
        (false, vec![]),
        (true, vec![]),
    ];
    let usual = if inputs == 1 { [28, 32, 64] } else { [32, 28, 64] };
    let sizes: Vec<usize> = known.input.map_or(usual.to_vec(), |shape| vec![shape.height]);
    if let Some(side) = side.filter(|&side| side > 1) {
        for &size in &sizes {
            for (same, pools) in &ways {
                if ends(units, convolutions, size, *same, pools) == Some(side) {
                    let padding = if *same { "pad so that the size stays" } else { "do not pad" };
                    let behind = if pools.is_empty() { "no".to_owned() } else { format!("{} of {convolutions}", pools.len()) };
                    assumed.push(format!(
                        "images have {size} by {size} pixels, convolutions {padding}, a max pool of 2 is behind {behind} convolutions"
                    ));
                    let input = known.input.unwrap_or_else(|| square(size));
                    return Ok(Geometry { input, pools: pools.clone(), same: *same, ends_in_mean: false });
                }
            }
        }
    }
    assumed.push(
        "convolutions have stride 1 and pad so that the size stays, and there are no pools: their outputs are no proof of the file's"
            .to_owned(),
    );
    let ends_in_mean = pixels.is_none_or(|pixels| pixels == 1);
    let input = match side {
        Some(side) if side > 1 => square(side),
        _ => known.input.unwrap_or_else(|| square(if inputs == 1 { 28 } else { 32 })),
    };
    Ok(Geometry { input, pools: Vec::new(), same: true, ends_in_mean })
}

/// The side of what convolutions of stride 1 and pools of 2 leave of an image.
fn ends(units: &[Unit<'_>], convolutions: usize, size: usize, same: bool, pools: &[usize]) -> Option<usize> {
    let mut side = size;
    for (place, unit) in units[..convolutions].iter().enumerate() {
        let Kind::Conv { kernel, .. } = unit.module.kind else { return None };
        side = if same && kernel % 2 == 1 { side } else { (side + 1).checked_sub(kernel)? };
        if pools.contains(&place) {
            side /= 2;
        }
        if side == 0 {
            return None;
        }
    }
    Some(side)
}

/// Where layers are numbered within one sequence, the places behind which one number more is left out than a ReLU takes.
fn pools_by_gaps(units: &[Unit<'_>]) -> Option<Vec<usize>> {
    let numbered = |module: &Module| {
        let (parent, number) = module.path.rsplit_once('.').unwrap_or(("", &module.path));
        Some((parent.to_owned(), number.parse::<usize>().ok()?))
    };
    let (parent, _) = numbered(units[0].module)?;
    let mut pools = Vec::new();
    for (place, pair) in units.windows(2).enumerate() {
        let last = pair[0].norms.last().copied().unwrap_or(pair[0].module);
        let ((here, from), (there, to)) = (numbered(last)?, numbered(pair[1].module)?);
        if here != parent || there != parent || to <= from {
            return None;
        }
        match to - from {
            2 => {}
            3 => pools.push(place),
            _ => return None,
        }
    }
    if pools.is_empty() {
        return None;
    }
    pools.push(units.len() - 1);
    Some(pools)
}
