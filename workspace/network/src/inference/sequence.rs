//! Networks whose layers follow each other.

use std::collections::BTreeMap;

use super::geometry::geometry;
use super::layer_order::order;
use super::modules::{Kind, Module};
use super::{Inferred, Known, norms, refuse};
use crate::architecture::EPSILON;
use crate::{Architecture, Layer, NetworkError};

/// A layer with weights, and the norm behind it.
pub(super) struct Unit<'a> {
    pub module: &'a Module,
    pub norm: Option<&'a Module>,
}

/// The network of layers in a row.
pub(super) fn infer(modules: &[Module], known: &Known) -> Result<Inferred, NetworkError> {
    no_ways_around(modules)?;
    let (norms, layers): (Vec<&Module>, Vec<&Module>) = modules.iter().partition(|module| norms::is_norm(module));
    if layers.is_empty() {
        return Err(refuse(&norms[0].path, "there are norms and no layers with weights"));
    }
    let layers = order(&layers, known.is_ordered)?;
    let mut assumed = Vec::new();
    let (first, units) = norms::place(&layers, &norms, modules, known, &mut assumed)?;
    lay_out(first, &units, known, assumed)
}

/// Refuses blocks that have or may have a way around them, and are of no known form: as a sequence they would be another network.
fn no_ways_around(modules: &[Module]) -> Result<(), NetworkError> {
    let is_residual = |component: &str| {
        let name = component.to_lowercase();
        let is_res = name.strip_prefix("res").is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphabetic()));
        is_res || ["residual", "resblock", "shortcut", "downsample"].iter().any(|word| name.contains(word))
    };
    if let Some(module) = modules.iter().find(|module| module.path.split('.').any(is_residual)) {
        return Err(refuse(&module.path, "is of a residual block by its name, and of no form of one that is known"));
    }
    // What is numbered in a sequence is one; parts with names may be added up.
    let mut inside: BTreeMap<&str, Vec<&Module>> = BTreeMap::new();
    for module in modules.iter().filter(|module| !norms::is_norm(module)) {
        let ends = module.path.match_indices('.').map(|(end, _)| end);
        for end in ends.filter(|&end| module.path[end + 1..].starts_with(|letter: char| !letter.is_ascii_digit())) {
            inside.entry(&module.path[..end]).or_default().push(module);
        }
    }
    let gives_what_it_reads = |layers: &[&Module]| {
        let (mut read, mut given): (Vec<usize>, Vec<usize>) = layers.iter().map(|layer| layer.widths()).unzip();
        read.sort_unstable();
        given.sort_unstable();
        layers.len() > 1 && read == given
    };
    let mut alike: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, _) in inside.into_iter().filter(|(_, layers)| gives_what_it_reads(layers)) {
        let name = path.trim_end_matches(|letter: char| letter.is_ascii_digit());
        if let Some(other) = alike.insert(name, path).filter(|_| name != path) {
            let problem = format!(
                "has several layers and gives as many units as it reads, as `{path}` does: names do not say whether a way leads around them"
            );
            return Err(refuse(other, problem));
        }
    }
    Ok(())
}

fn lay_out(first: Option<&Module>, units: &[Unit<'_>], known: &Known, mut assumed: Vec<String>) -> Result<Inferred, NetworkError> {
    let epsilon = known.epsilon.unwrap_or(EPSILON);
    let convolutions = units.iter().take_while(|unit| matches!(unit.module.kind, Kind::Conv { .. })).count();
    if units.iter().any(|unit| unit.module.widths().0 == unit.module.widths().1) {
        assumed.push("each layer reads what the one before gives, and nothing leads around any".to_owned());
    }
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
    // A norm before a linear layer is of all numbers of an image, or of its channels.
    let is_of_channels = first.is_some_and(|norm| norm.widths().0 != units[0].module.widths().0);
    let norm = first.map(|norm| norm.layer(1, epsilon));
    let flatten = (convolutions == 0).then_some(Layer::Flatten {});
    layers.extend(if is_of_channels { [norm, flatten] } else { [flatten, norm] }.into_iter().flatten());
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
        let norm = unit.norm.map(|norm| norm.layer(1, epsilon));
        if relu_first[place] {
            layers.extend(relu.into_iter().chain(norm));
        } else {
            layers.extend(norm.into_iter().chain(relu));
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
        let norms = match units.iter().filter(|unit| unit.norm.is_some()).count() {
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
    norms_assumed(first.into_iter().chain(units.iter().filter_map(|unit| unit.norm)), epsilon, &mut assumed);
    let family = match (convolutions, units.len()) {
        (0, 1) => "one linear layer".to_owned(),
        (0, count) => format!("a multi-layer perceptron of {count} linear layers"),
        (convolutions, count) if !shape.pools.is_empty() && convolutions >= 8 => {
            format!("a VGG{count} of {convolutions} convolutions and {} linear layers", count - convolutions)
        }
        (convolutions, count) => format!("a sequence of {convolutions} convolutions and {} linear layers", count - convolutions),
    };
    let bound = first.into_iter().chain(units.iter().flat_map(|unit| std::iter::once(unit.module).chain(unit.norm)));
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
        let norm = match unit.norm {
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
