//! Residual networks: a stem, stages of blocks, a mean over pixels, linear layers.

use super::blocks::Block;
use super::geometry::takes_other_images;
use super::layer_order::misfit;
use super::modules::{Kind, Module, natural};
use super::sequence::norms_assumed;
use super::{Inferred, Known, refuse};
use crate::architecture::EPSILON;
use crate::{Architecture, Layer, NetworkError, Shape};

/// Where norms stand in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Convolution, norm, ReLU.
    Behind,
    /// Norm, ReLU, convolution: "pre-activation".
    Before,
}

/// Norms that are as wide as what their convolutions read stand before these, where any convolution reads and gives another number, and where a file with an order
/// has each of them before its convolution.
fn order_of(modules: &[Module], blocks: &[Block], is_ordered: bool) -> Order {
    let pairs = || blocks.iter().flat_map(|block| block.norms.iter().zip(&block.convolutions));
    let reads = |(&norm, &convolution): (&usize, &usize)| modules[norm].widths().0 == modules[convolution].widths().0;
    let tells = |(&norm, &convolution): (&usize, &usize)| modules[norm].widths().0 != modules[convolution].widths().1;
    let is_first = is_ordered && pairs().next().is_some() && pairs().all(|(norm, convolution)| norm < convolution);
    if pairs().all(reads) && (pairs().any(tells) || is_first) { Order::Before } else { Order::Behind }
}

/// What stands outside of blocks.
struct Outside<'a> {
    first: &'a Module,
    first_norm: Option<&'a Module>,
    last_norm: Option<&'a Module>,
    linear: Vec<&'a Module>,
}

fn outside<'a>(modules: &'a [Module], blocks: &[Block], order: Order, is_ordered: bool) -> Result<Outside<'a>, NetworkError> {
    let outside: Vec<&Module> = modules.iter().filter(|module| !blocks.iter().any(|block| block.has(&module.path))).collect();
    let (mut stem, mut linear): (Vec<&Module>, Vec<&Module>) =
        outside.into_iter().partition(|module| !matches!(module.kind, Kind::Linear { .. }));
    // A norm comes behind its convolution, whatever the order of the file.
    stem.sort_by_key(|module| matches!(module.kind, Kind::Norm { .. }));
    linear.sort_by(|left, right| natural(&left.path, &right.path));
    let (&first, norms) = match stem.split_first() {
        Some((first, norms)) if matches!(first.kind, Kind::Conv { .. }) => (first, norms),
        _ => return Err(refuse(&blocks[0].path, "there is no convolution before the blocks")),
    };
    if let Some(other) = norms.iter().find(|other| !matches!(other.kind, Kind::Norm { .. })) {
        return Err(refuse(&other.path, "a second convolution outside of the blocks is not supported"));
    }
    let width = first.widths().1;
    let is_before_blocks = |norm: &Module| {
        let place = modules.iter().position(|module| std::ptr::eq(module, norm));
        norm.widths().0 == width && blocks.iter().flat_map(|block| &block.convolutions).all(|&inside| place < Some(inside))
    };
    let (first_norm, last_norm) = match (order, norms) {
        (_, []) => (None, None),
        (Order::Behind, [norm]) if norm.widths().0 == width => (Some(*norm), None),
        // Where norms stand before convolutions, one more is behind the last block, unless the file has it before the blocks.
        (Order::Before, [norm]) if is_ordered && is_before_blocks(norm) => (Some(*norm), None),
        (Order::Before, [norm]) => (None, Some(*norm)),
        (Order::Before, [norm, last]) if norm.widths().0 == width => (Some(*norm), Some(*last)),
        (Order::Before, [last, norm]) if norm.widths().0 == width => (Some(*norm), Some(*last)),
        (_, [.., norm]) => {
            let own = norm.widths().0;
            return Err(refuse(&norm.path, format!("is a norm of {own} outside of the blocks, which follows no convolution of its width")));
        }
    };
    if linear.is_empty() {
        return Err(refuse(&blocks[blocks.len() - 1].path, "there is no linear layer behind the blocks"));
    }
    Ok(Outside { first, first_norm, last_norm, linear })
}

pub(super) fn infer(modules: &[Module], blocks: &[Block], known: &Known) -> Result<Inferred, NetworkError> {
    let epsilon = known.epsilon.unwrap_or(EPSILON);
    let order = order_of(modules, blocks, known.is_ordered);
    let Outside { first, first_norm, last_norm, linear } = outside(modules, blocks, order, known.is_ordered)?;
    let (colours, mut width) = first.widths();
    let kernel = match first.kind {
        Kind::Conv { kernel, .. } => kernel,
        _ => 3,
    };
    let is_large = kernel >= 5;
    let mut used: Vec<&Module> = vec![first];
    let mut layers = vec![first.layer(if is_large { 2 } else { 1 }, epsilon)];
    layers.extend(first_norm.map(|norm| norm.layer(1, epsilon)));
    used.extend(first_norm);
    if order == Order::Behind || first_norm.is_some() {
        layers.push(Layer::Relu {});
    }
    if is_large {
        layers.push(Layer::MaxPool { size: 3, stride: Some(2), padding: 1 });
    }
    let outside_before = used.len();
    let mut counts: Vec<usize> = Vec::new();
    let mut stage_name = None;
    let mut pads = false;
    for block in blocks {
        let stage = block.path.rsplit_once('.').map_or("", |(stage, _)| stage);
        if stage_name != Some(stage) {
            stage_name = Some(stage);
            counts.push(0);
        }
        let stage_index = counts.len() - 1;
        let out = block.convolutions.last().map_or(width, |&last| modules[last].widths().1);
        let is_padded = block.shortcut.is_empty() && out > width;
        pads |= is_padded;
        let changes = !block.shortcut.is_empty() || is_padded;
        // In one list of all blocks, those that widen begin a stage.
        let begins = used.len() > outside_before && (counts[stage_index] == 0 || out > width);
        let stride = if begins && changes { 2 } else { 1 };
        counts[stage_index] += 1;
        layers.extend(residual(modules, block, (width, stride), order, epsilon, &mut used)?);
        width = out;
    }
    if let Some(norm) = last_norm {
        let own = norm.widths().0;
        if own != width {
            return Err(refuse(&norm.path, format!("is a norm of {own} behind blocks of {width}")));
        }
        layers.extend([norm.layer(1, epsilon), Layer::Relu {}]);
        used.push(norm);
    }
    layers.push(Layer::GlobalMean {});
    for (place, linear_layer) in linear.iter().enumerate() {
        let (inputs, outputs) = linear_layer.widths();
        if inputs != width {
            return Err(refuse(&linear_layer.path, misfit(linear_layer, width, true)));
        }
        layers.push(linear_layer.layer(1, epsilon));
        if place + 1 < linear.len() {
            layers.push(Layer::Relu {});
        }
        width = outputs;
        used.push(linear_layer);
    }
    let depth = 2 + blocks.iter().map(|block| block.convolutions.len()).sum::<usize>();
    let is_bottleneck = blocks[0].convolutions.len() == 3;
    let kind = match (order, is_bottleneck) {
        (Order::Behind, true) => "bottlenecks",
        (Order::Behind, false) => "basic blocks",
        (Order::Before, true) => "bottlenecks with norms before their convolutions",
        (Order::Before, false) => "blocks with norms before their convolutions",
    };
    let stages = counts.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    let family = format!("a ResNet{depth} of {stages} {kind}, {} wide at first", first.widths().1);
    let mut assumed = assumptions(order, is_bottleneck, is_large, last_norm.is_some());
    let is_even = blocks.iter().all(|block| block.shortcut.is_empty());
    if let (Some(norm), Order::Behind, false, true) = (first_norm, order, known.is_ordered, is_even) {
        assumed.push(format!("`{}` stands behind the first convolution, and not behind the last block", norm.path));
    }
    if pads {
        assumed.push(
            "shortcuts without weights take every second pixel and pad channels with zeros, as many before as behind (option A): the units \
             that blocks share keep their order, and those inside of blocks are matched"
                .to_owned(),
        );
    }
    norms_assumed(used.iter().copied(), epsilon, &mut assumed);
    let side = if is_large { 224 } else { 32 };
    let input = match known.input {
        Some(shape) if shape.channels != colours => {
            return Err(refuse(&first.path, takes_other_images(colours, shape)));
        }
        Some(shape) => shape,
        None => Shape::new(colours, side, side),
    };
    let bound = used.iter().flat_map(|module| module.bound()).collect();
    let architecture = Architecture { input, classes: width, layers }.resolved();
    Ok(Inferred { architecture, family, assumed, bound, kept: Vec::new() })
}

/// What is taken to be so of blocks and what is before them.
fn assumptions(order: Order, is_bottleneck: bool, is_large: bool, has_last_norm: bool) -> Vec<String> {
    let block = match order {
        Order::Behind => "each block is convolution, norm, ReLU, .., convolution, norm, then the sum and a ReLU".to_owned(),
        Order::Before => format!(
            "each block is norm, ReLU, convolution, .., then the sum; a shortcut with a convolution reads what the first norm and ReLU give; \
             behind the last block {}",
            if has_last_norm { "are a norm and a ReLU" } else { "is no norm and no ReLU" }
        ),
    };
    let strided = if is_bottleneck { "3x3" } else { "first" };
    let first = if is_large {
        "the first convolution has stride 2, and a max pool of 3 with stride 2 is behind it"
    } else {
        "the first convolution has stride 1, and no pool is behind it"
    };
    let halved = format!(
        "blocks with a shortcut that begin a stage but the first, or widen, halve the image, in their {strided} convolution and their shortcut"
    );
    vec![block, halved, first.to_owned()]
}

/// The layers of one block.
fn residual<'a>(
    modules: &'a [Module],
    block: &Block,
    (entry, stride): (usize, usize),
    order: Order,
    epsilon: f64,
    used: &mut Vec<&'a Module>,
) -> Result<Vec<Layer>, NetworkError> {
    let mut width = entry;
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
        let (inputs, outputs) = module.widths();
        if inputs != width {
            return Err(refuse(&module.path, misfit(module, width, false)));
        }
        let norm = block.norms.get(number).map(|&norm| &modules[norm]);
        let read = if order == Order::Before { inputs } else { outputs };
        if let Some(norm) = norm.filter(|norm| norm.widths().0 != read) {
            let own = norm.widths().0;
            return Err(refuse(&norm.path, format!("is a norm of {own} beside a convolution of {inputs} inputs and {outputs} outputs")));
        }
        let convolution = module.layer(if number == strided { stride } else { 1 }, epsilon);
        let norm_layer = norm.map(|norm| norm.layer(1, epsilon));
        match order {
            Order::Before => {
                body.extend(norm_layer);
                body.extend([Layer::Relu {}, convolution]);
            }
            Order::Behind => {
                body.extend((number > 0).then_some(Layer::Relu {}));
                body.push(convolution);
                body.extend(norm_layer);
            }
        }
        used.push(module);
        used.extend(norm);
        width = outputs;
    }
    let mut shortcut = Vec::new();
    let mut around = entry;
    for &place in &block.shortcut {
        let module = &modules[place];
        let (inputs, outputs) = module.widths();
        if inputs != around || matches!(module.kind, Kind::Linear { .. }) {
            return Err(refuse(&module.path, format!("a shortcut of {inputs} inputs after a layer of {around}")));
        }
        shortcut.push(module.layer(if matches!(module.kind, Kind::Conv { .. }) { stride } else { 1 }, epsilon));
        used.push(module);
        around = outputs;
    }
    if around > width || (around != width && !shortcut.is_empty()) {
        return Err(refuse(&block.path, format!("adds {width} channels to {around}")));
    }
    if around < width {
        let more = width - around;
        shortcut.push(Layer::PadChannels { before: more / 2, behind: more - more / 2, stride });
    }
    // A shortcut with weights reads what the first norm and ReLU give.
    let is_shared = order == Order::Before && !block.shortcut.is_empty();
    let mut layers: Vec<Layer> = body.drain(..if is_shared { body.iter().position(is_convolution).unwrap_or(0) } else { 0 }).collect();
    layers.push(Layer::Residual { body, shortcut });
    layers.extend((order == Order::Behind).then_some(Layer::Relu {}));
    Ok(layers)
}

fn is_convolution(layer: &Layer) -> bool {
    matches!(layer, Layer::Conv { .. })
}
