//! Networks whose layers follow each other.

use super::geometry::geometry;
use super::modules::{Kind, Module, natural, untold};
use super::search::search;
use super::{Inferred, Known, norms, refuse};
use crate::architecture::EPSILON;
use crate::{Architecture, Layer, NetworkError};

/// A layer with weights, and the norm behind it.
pub(super) struct Unit<'a> {
    pub module: &'a Module,
    pub norms: Vec<&'a Module>,
}

/// Norms before the first layer, and the layers; or how many followed each other, and why no more.
type Chain<'a> = Result<(Vec<&'a Module>, Vec<Unit<'a>>), (usize, NetworkError)>;

/// The network of layers in a row.
pub(super) fn infer(modules: &[Module], known: &Known) -> Result<Inferred, NetworkError> {
    no_residual_names(modules)?;
    let mut furthest: Option<(usize, NetworkError)> = None;
    // An order by numbers leaves out norms that follow no layer.
    for order in orders(modules, known.is_ordered).into_iter().filter(|order| order.len() == modules.len()) {
        match chain(&order) {
            // Norms do not follow norms: those of several layers stand together in the file.
            Ok((first, units)) if first.len() > 1 || units.iter().any(|unit| unit.norms.len() > 1) => {
                let norms = std::iter::once(&first).chain(units.iter().map(|unit| &unit.norms)).find(|norms| norms.len() > 1);
                if let Some(&[one, other, ..]) = norms.map(Vec::as_slice) {
                    let problem =
                        format!("is a norm, and so is `{}` before it: neither names nor the file say which layers they follow", one.path);
                    furthest = Some((modules.len(), refuse(&other.path, problem)));
                }
            }
            Ok((first, units)) => {
                let layers: Vec<&Module> = units.iter().map(|unit| unit.module).collect();
                if let Some((layer, problem)) = untold(&layers).filter(|_| !known.is_ordered) {
                    return Err(refuse(&layer.path, problem));
                }
                norms::are_told(&first, &units, modules, known.is_ordered)?;
                return lay_out(first, &units, known);
            }
            Err((length, error)) => {
                if furthest.as_ref().is_none_or(|(other, _)| length > *other) {
                    furthest = Some((length, error));
                }
            }
        }
    }
    // Names that say nothing: the widths may.
    if let Some(order) = search(modules)
        && let Ok((first, units)) = chain(&order)
    {
        return lay_out(first, &units, known);
    }
    Err(furthest.expect("at least one order was tried").1)
}

/// Refuses blocks with a way around them that are of no known form: as a sequence they would be another network.
fn no_residual_names(modules: &[Module]) -> Result<(), NetworkError> {
    let is_residual = |component: &str| {
        let name = component.to_lowercase();
        let is_numbered = name.strip_prefix("res").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        is_numbered || ["residual", "resblock", "shortcut", "downsample"].iter().any(|word| name.contains(word))
    };
    match modules.iter().find(|module| module.path.split('.').any(is_residual)) {
        None => Ok(()),
        Some(module) => Err(refuse(&module.path, "is of a residual block by its name, and of no form of one that is known")),
    }
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
    let (norms, mut layers): (Vec<&Module>, Vec<&Module>) = sorted.iter().partition(|module| rank(module.kind) == 2);
    layers.sort_by_key(|module| rank(module.kind));
    // The numbers of a sequence count norms and layers together, and tell where a norm stands.
    let is_counted = norms.iter().any(|norm| layers.iter().any(|layer| norms::in_one_sequence(norm, layer)));
    let by_kind = (!is_counted).then(|| {
        let norms = if is_ordered && !norms::names_tell(&norms) { of_kind(&file, 2, rank) } else { norms };
        norms::behind_layers(&layers, &norms)
    });
    let orders =
        if is_ordered { [Some(file), Some(sorted), Some(grouped), by_kind] } else { [Some(sorted), Some(grouped), by_kind, Some(file)] };
    orders.into_iter().flatten().collect()
}

/// The modules of a rank, in their order.
fn of_kind<'a>(modules: &[&'a Module], wanted: usize, rank: impl Fn(Kind) -> usize) -> Vec<&'a Module> {
    modules.iter().copied().filter(|module| rank(module.kind) == wanted).collect()
}

/// Follows the widths from layer to layer: norms before the first layer, and the layers. Where they break off, how many followed.
fn chain<'a>(order: &[&'a Module]) -> Chain<'a> {
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
                    Some(width) => inputs % width == 0 && (units.is_empty() || is_square(inputs / width)),
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

/// Whether so many pixels make a square.
pub(super) fn is_square(pixels: usize) -> bool {
    pixels.isqrt().pow(2) == pixels
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
    let relu_first = norms::relu_first(units)?;
    let no_relu: Vec<bool> = (0..units.len()).map(|place| !room_behind(units, place)).collect();
    if let [Unit { module: first, .. }, Unit { module: next, .. }, ..] = units
        && let (Kind::Conv { inputs: 1, outputs, .. }, Kind::Conv { kernel: 1, .. }, None) = (first.kind, next.kind, known.input)
        && outputs % 3 == 0
    {
        let problem = "reads one channel before a 1x1 convolution, as a convolution in three groups of colour images does, which is not supported; \
                       `--input 1,H,W` says that images have one channel";
        return Err(refuse(&first.path, problem));
    }
    let shape = geometry(units, convolutions, pixels, known, &relu_first, &mut assumed)?;
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
            layers.extend(shape.resized.map(|size| Layer::AdaptiveMean { size }));
            layers.push(if shape.ends_in_mean { Layer::GlobalMean {} } else { Layer::Flatten {} });
            assumed.push(match (shape.ends_in_mean, unit.module.layout.inputs_first) {
                (true, _) => "the mean over all pixels is taken before the linear layers".to_owned(),
                (false, true) => "the flatten goes by rows and columns, then channels".to_owned(),
                (false, false) => "the flatten goes by channels, then rows and columns".to_owned(),
            });
        }
        let mut layer = unit.module.layer(1, epsilon);
        if let Layer::Conv { padding, .. } = &mut layer
            && !shape.padding.is_same(place)
        {
            *padding = Some(0);
        }
        layers.push(layer);
        let relu = (place + 1 < units.len() && !known.linear && !no_relu[place]).then_some(Layer::Relu {});
        let norms = unit.norms.iter().map(|norm| norm.layer(1, epsilon));
        if relu_first[place] {
            layers.extend(relu.into_iter().chain(norms));
        } else {
            layers.extend(norms.chain(relu));
        }
        if shape.pools.contains(&place) {
            layers.push(Layer::MaxPool { size: 2, stride: Some(2), padding: 0 });
        }
    }
    if convolutions == units.len() {
        layers.push(Layer::GlobalMean {});
    }
    if units.len() > 1 && !known.linear {
        let before = relu_first.iter().filter(|first| **first).count();
        let norms = match units.iter().filter(|unit| !unit.norms.is_empty()).count() {
            all if before > 0 && before == all => "before its norm: the numbers leave one out between them",
            _ if before > 0 => "behind its norm, or before it where the numbers leave one out between them",
            _ => "behind its norm where it has one",
        };
        assumed.push(format!("a ReLU stands behind each layer but the last, {norms}"));
        let without = (0..units.len()).filter(|&place| no_relu[place]).map(|place| format!("`{}`", units[place].module.path));
        let without: Vec<String> = without.collect();
        if !without.is_empty() {
            assumed.push(format!("no ReLU stands behind {}: the numbers leave no room for one", without.join(", ")));
        }
    }
    norms_assumed(first.iter().chain(units.iter().flat_map(|unit| &unit.norms)).copied(), epsilon, &mut assumed);
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

/// The sequence and the place in it that a name such as `features.3` says.
pub(super) fn numbered(module: &Module) -> Option<(&str, usize)> {
    let (parent, number) = module.path.rsplit_once('.').unwrap_or(("", &module.path));
    Some((parent, number.parse().ok()?))
}

/// Whether a ReLU can stand between a layer and the next. A numbered sequence that counts what has no weights leaves a number out for it; one that
/// counts layers and norms alone, as a list of modules does, says nothing.
fn room_behind(units: &[Unit<'_>], place: usize) -> bool {
    // How far the next layer is behind the layer and its norm, and the norm behind the layer.
    let gaps = |place: usize| -> Option<(&str, usize, usize)> {
        let (unit, next) = (&units[place], units.get(place + 1)?);
        let (parent, own) = numbered(unit.module)?;
        let (other, behind) = numbered(next.module)?;
        let norm = match unit.norms.first() {
            Some(norm) => numbered(norm).filter(|(of, _)| *of == parent)?.1,
            None => own,
        };
        (parent == other).then(|| (parent, behind.saturating_sub(norm), norm.saturating_sub(own)))
    };
    let Some((parent, behind, before)) = gaps(place) else { return true };
    let counts_all = (0..units.len()).filter_map(gaps).any(|(of, behind, before)| of == parent && (behind > 1 || before > 1));
    !counts_all || behind > 1 || before > 1
}

/// Says what cannot be told of norms.
pub(super) fn norms_assumed<'a>(norms: impl Iterator<Item = &'a Module>, epsilon: f64, assumed: &mut Vec<String>) {
    let norms: Vec<&Module> = norms.collect();
    let is_layer = |norm: &&Module| matches!(norm.kind, Kind::Norm { kind: crate::NormKind::Layer, .. });
    if norms.iter().any(is_layer) {
        let text = "norms without running statistics are layer norms over the channels of each pixel; \
                    units of a group norm may not be permuted as those are";
        assumed.push(text.to_owned());
    }
    // Keras' own is said where its names are seen.
    if !norms.is_empty() && epsilon == EPSILON {
        assumed.push(format!("norms add {EPSILON:e} to variances"));
    }
}
