//! Residual networks: a stem, stages of blocks, a mean over pixels, linear layers.

use std::collections::BTreeMap;

use super::modules::{Kind, Module, natural};
use super::sequence::norms_assumed;
use super::{Inferred, Known, refuse};
use crate::architecture::EPSILON;
use crate::{Architecture, Layer, NetworkError, Shape};

/// Words for the way around a block.
const SHORTCUTS: [&str; 5] = ["shortcut", "downsample", "skip", "identity", "projection"];

/// A block: where its layers stand among the modules.
#[derive(Debug, Default)]
pub(super) struct Block {
    path: String,
    convolutions: Vec<usize>,
    norms: Vec<usize>,
    shortcut: Vec<usize>,
    others: Vec<usize>,
}

/// The blocks of the file, in the order of their names; none where it has none.
pub(super) fn blocks(modules: &[Module]) -> Option<Vec<Block>> {
    let mut blocks: BTreeMap<&str, Block> = BTreeMap::new();
    // A block is what has a `conv1` and a `conv2` right inside, and lies inside of something itself.
    let has =
        |path: &str, name: &str| modules.iter().any(|module| module.path.strip_prefix(path).is_some_and(|rest| rest == format!(".{name}")));
    for module in modules {
        if let Some(path) = module.path.strip_suffix(".conv1")
            && has(path, "conv2")
            && matches!(module.kind, Kind::Conv { .. })
        {
            blocks.insert(path, Block { path: path.to_owned(), ..Block::default() });
        }
    }
    for (place, module) in modules.iter().enumerate() {
        let Some((path, block)) =
            blocks.iter_mut().find(|(path, _)| module.path.strip_prefix(**path).is_some_and(|rest| rest.starts_with('.')))
        else {
            continue;
        };
        let rest = &module.path[path.len() + 1..];
        let (head, inside) = rest.split_once('.').unwrap_or((rest, ""));
        match module.kind {
            _ if SHORTCUTS.iter().any(|word| head.to_lowercase().contains(word)) => block.shortcut.push(place),
            Kind::Conv { .. } if inside.is_empty() => block.convolutions.push(place),
            Kind::Norm { .. } if inside.is_empty() => block.norms.push(place),
            _ => block.others.push(place),
        }
    }
    let mut blocks: Vec<Block> = blocks.into_values().collect();
    let is_residual = blocks.len() > 1 || blocks.iter().any(|block| !block.shortcut.is_empty());
    blocks.sort_by(|left, right| natural(&left.path, &right.path));
    let by_name = |places: &mut Vec<usize>| places.sort_by(|&left, &right| natural(&modules[left].path, &modules[right].path));
    for block in &mut blocks {
        by_name(&mut block.convolutions);
        by_name(&mut block.norms);
        by_name(&mut block.shortcut);
    }
    is_residual.then_some(blocks)
}

fn widths(module: &Module) -> (usize, usize) {
    match module.kind {
        Kind::Linear { inputs, outputs } | Kind::Conv { inputs, outputs, .. } => (inputs, outputs),
        Kind::Norm { units, .. } => (units, units),
    }
}

pub(super) fn infer(modules: &[Module], blocks: &[Block], known: &Known) -> Result<Inferred, NetworkError> {
    let epsilon = known.epsilon.unwrap_or(EPSILON);
    let inside = |path: &str| blocks.iter().any(|block| path.strip_prefix(&block.path).is_some_and(|rest| rest.starts_with('.')));
    let outside: Vec<&Module> = modules.iter().filter(|module| !inside(&module.path)).collect();
    let (mut stem, mut tail): (Vec<&Module>, Vec<&Module>) =
        outside.into_iter().partition(|module| !matches!(module.kind, Kind::Linear { .. }));
    // A norm comes behind its convolution, whatever the order of the file.
    stem.sort_by_key(|module| matches!(module.kind, Kind::Norm { .. }));
    tail.sort_by(|left, right| natural(&left.path, &right.path));
    let (&first, norms) = match stem.split_first() {
        Some((first, norms)) if matches!(first.kind, Kind::Conv { .. }) => (first, norms),
        _ => return Err(refuse(&blocks[0].path, "there is no convolution before the blocks")),
    };
    let (colours, mut width) = widths(first);
    if let Some(other) = norms.iter().find(|other| !matches!(other.kind, Kind::Norm { .. })) {
        return Err(refuse(&other.path, "a second convolution outside of the blocks is not supported"));
    }
    if norms.len() > 1 || norms.first().is_some_and(|norm| widths(norm).0 != width) {
        let path = &norms[norms.len() - 1].path;
        return Err(refuse(
            path,
            format!(
                "a norm of {} outside of the blocks; norms before convolutions are not told by names",
                widths(norms[norms.len() - 1]).0
            ),
        ));
    }
    let kernel = match first.kind {
        Kind::Conv { kernel, .. } => kernel,
        _ => 3,
    };
    let is_large = kernel >= 5;
    let mut used: Vec<&Module> = vec![first];
    let mut layers = vec![first.layer(if is_large { 2 } else { 1 }, epsilon)];
    layers.extend(norms.iter().map(|norm| norm.layer(1, epsilon)));
    used.extend(norms);
    layers.push(Layer::Relu {});
    if is_large {
        layers.push(Layer::MaxPool { size: 3, stride: Some(2), padding: 1 });
    }
    let mut counts: Vec<usize> = Vec::new();
    let mut stage_name = None;
    for block in blocks {
        let stage = block.path.rsplit_once('.').map_or("", |(stage, _)| stage);
        if stage_name != Some(stage) {
            stage_name = Some(stage);
            counts.push(0);
        }
        let stage_index = counts.len() - 1;
        let stride = if stage_index > 0 && counts[stage_index] == 0 && !block.shortcut.is_empty() { 2 } else { 1 };
        counts[stage_index] += 1;
        let (residual, out) = residual(modules, block, (width, stride), epsilon, &mut used)?;
        width = out;
        layers.push(residual);
        layers.push(Layer::Relu {});
    }
    layers.push(Layer::GlobalMean {});
    for (place, linear) in tail.iter().enumerate() {
        let (inputs, outputs) = widths(linear);
        if inputs != width {
            return Err(refuse(
                &linear.path,
                format!("{}.weight: {outputs} outputs of {inputs} inputs after a layer of {width}", linear.path),
            ));
        }
        layers.push(linear.layer(1, epsilon));
        if place + 1 < tail.len() {
            layers.push(Layer::Relu {});
        }
        width = outputs;
        used.push(linear);
    }
    if tail.is_empty() {
        return Err(refuse(&blocks[blocks.len() - 1].path, "there is no linear layer behind the blocks"));
    }
    let depth = 2 + blocks.iter().map(|block| block.convolutions.len()).sum::<usize>();
    let kind = if blocks[0].convolutions.len() == 3 { "bottlenecks" } else { "basic blocks" };
    let stages = counts.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    let family = format!("a ResNet{depth} of {stages} {kind}, {} wide at first", widths(first).1);
    let mut assumed = vec![
        "each block is convolution, norm, ReLU, .., convolution, norm, then the sum and a ReLU".to_owned(),
        format!(
            "stages but the first halve the image, in the first block's {} convolution and its shortcut",
            if blocks[0].convolutions.len() == 3 { "3x3" } else { "first" }
        ),
        if is_large {
            "the first convolution has stride 2, and a max pool of 3 with stride 2 is behind it".to_owned()
        } else {
            "the first convolution has stride 1, and no pool is behind it".to_owned()
        },
    ];
    norms_assumed(used.iter().copied(), &mut assumed);
    let side = if is_large { 224 } else { 32 };
    let input = match known.input {
        Some(shape) if shape.channels != colours => {
            return Err(refuse(&first.path, format!("takes {colours} channels, an image of shape {shape} has {}", shape.channels)));
        }
        Some(shape) => shape,
        None => Shape::new(colours, side, side),
    };
    let bound = used.iter().flat_map(|module| module.bound()).collect();
    let architecture = Architecture { input, classes: width, layers }.resolved();
    Ok(Inferred { architecture, family, assumed, bound, kept: Vec::new() })
}

/// One block: its layer, and how wide it leaves.
fn residual<'a>(
    modules: &'a [Module],
    block: &Block,
    (mut width, stride): (usize, usize),
    epsilon: f64,
    used: &mut Vec<&'a Module>,
) -> Result<(Layer, usize), NetworkError> {
    let entry = width;
    if let Some(&other) = block.others.first() {
        return Err(refuse(&modules[other].path, "is inside of a residual block and neither convolution, norm nor shortcut"));
    }
    if !block.norms.is_empty() && block.norms.len() != block.convolutions.len() {
        let (norms, convolutions) = (block.norms.len(), block.convolutions.len());
        return Err(refuse(&block.path, format!("has {norms} norms for {convolutions} convolutions, expected as many or none")));
    }
    // The stride is in the first convolution that sees more than a pixel.
    let kernel = |place: &usize| matches!(modules[*place].kind, Kind::Conv { kernel, .. } if kernel > 1);
    let strided = block.convolutions.iter().position(kernel).unwrap_or(0);
    let mut body = Vec::new();
    for (number, &place) in block.convolutions.iter().enumerate() {
        let module = &modules[place];
        let (inputs, outputs) = widths(module);
        if inputs != width {
            let grouped = if width % inputs == 0 && outputs % (width / inputs) == 0 {
                format!("; a convolution in {} groups is not supported", width / inputs)
            } else {
                String::new()
            };
            return Err(refuse(
                &module.path,
                format!("{}.weight: {outputs} outputs of {inputs} inputs after a layer of {width}{grouped}", module.path),
            ));
        }
        if number > 0 {
            body.push(Layer::Relu {});
        }
        body.push(module.layer(if number == strided { stride } else { 1 }, epsilon));
        used.push(module);
        if let Some(&norm) = block.norms.get(number) {
            let norm = &modules[norm];
            if widths(norm).0 != outputs {
                let problem = format!(
                    "is a norm of {} behind a convolution of {outputs}; norms before convolutions are not told by names",
                    widths(norm).0
                );
                return Err(refuse(&norm.path, problem));
            }
            body.push(norm.layer(1, epsilon));
            used.push(norm);
        }
        width = outputs;
    }
    let mut shortcut = Vec::new();
    let mut around = entry;
    for &place in &block.shortcut {
        let module = &modules[place];
        let (inputs, outputs) = widths(module);
        if inputs != around || matches!(module.kind, Kind::Linear { .. }) {
            return Err(refuse(&module.path, format!("a shortcut of {inputs} inputs after a layer of {around}")));
        }
        shortcut.push(module.layer(if matches!(module.kind, Kind::Conv { .. }) { stride } else { 1 }, epsilon));
        used.push(module);
        around = outputs;
    }
    if around != width {
        let problem = format!("adds {width} channels to {around}; shortcuts that pad with zeros (option A) are not supported");
        return Err(refuse(&block.path, problem));
    }
    Ok((Layer::Residual { body, shortcut }, width))
}
