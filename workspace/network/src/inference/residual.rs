//! Residual networks: a stem, stages of blocks, a mean over pixels, linear layers.

use std::collections::BTreeMap;

use super::geometry::takes_other_images;
use super::modules::{Kind, Module, natural, tells_order};
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
    /// How many convolutions are right inside.
    inside: usize,
    convolutions: Vec<usize>,
    norms: Vec<usize>,
    shortcut: Vec<usize>,
    others: Vec<usize>,
}

/// The blocks of the file, in the order of their names, or where these do not tell it, in the order of the file; none where it has none.
///
/// # Errors
/// When neither tells the order of blocks or norms that could stand for each other.
pub(super) fn blocks(modules: &[Module], is_ordered: bool) -> Result<Option<Vec<Block>>, NetworkError> {
    // A block is what has two convolutions by words right inside: numbers are places in a sequence.
    let mut blocks: BTreeMap<&str, Block> = BTreeMap::new();
    for path in modules.iter().filter_map(convolution_of_block) {
        blocks.entry(path).or_insert_with(|| Block { path: path.to_owned(), ..Block::default() }).inside += 1;
    }
    blocks.retain(|_, block| block.inside > 1);
    for (place, module) in modules.iter().enumerate() {
        let Some((path, block)) =
            blocks.iter_mut().find(|(path, _)| module.path.strip_prefix(**path).is_some_and(|rest| rest.starts_with('.')))
        else {
            continue;
        };
        let rest = &module.path[path.len() + 1..];
        let (head, inside) = rest.split_once('.').unwrap_or((rest, ""));
        match module.kind {
            _ if is_shortcut(head) => block.shortcut.push(place),
            Kind::Conv { .. } if inside.is_empty() => block.convolutions.push(place),
            Kind::Norm { .. } if inside.is_empty() => block.norms.push(place),
            _ => block.others.push(place),
        }
    }
    let mut blocks: Vec<Block> = blocks.into_values().collect();
    let is_before = |module: &Module| matches!(module.kind, Kind::Conv { .. }) && !blocks.iter().any(|block| block.has(&module.path));
    // Where nothing leads around a first convolution, and none comes before the blocks, nothing leads around the others.
    let is_plain = blocks.len() < 2 || !modules.iter().any(is_before);
    if is_plain && blocks.iter().all(|block| block.shortcut.is_empty()) {
        return Ok(None);
    }
    let by_name = |places: &mut Vec<usize>| places.sort_by(|&left, &right| natural(&modules[left].path, &modules[right].path));
    for block in &mut blocks {
        for places in [&mut block.convolutions, &mut block.norms] {
            let items = places.iter().map(|&place| (&*modules[place].path, place, modules[place].widths())).collect();
            *places = in_order(items, is_ordered)?;
        }
        by_name(&mut block.shortcut);
        // A norm comes behind its convolution.
        block.shortcut.sort_by_key(|&place| matches!(modules[place].kind, Kind::Norm { .. }));
    }
    let items = blocks.iter().map(|block| {
        let ends =
            [block.convolutions.first(), block.convolutions.last()].map(|place| place.map_or((0, 0), |&place| modules[place].widths()));
        let first = block.convolutions.first().copied().unwrap_or_default();
        (&*block.path, first, (ends[0].0, ends[1].1))
    });
    let order = in_order(items.collect(), is_ordered)?;
    let place = |block: &Block| order.iter().position(|first| block.convolutions.first() == Some(first));
    blocks.sort_by_cached_key(place);
    Ok(Some(blocks))
}

/// The block in which a convolution stands by a word.
fn convolution_of_block(module: &Module) -> Option<&str> {
    let (path, name) = module.path.rsplit_once('.')?;
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    (matches!(module.kind, Kind::Conv { .. }) && !is_number && !is_shortcut(name)).then_some(path)
}

fn is_shortcut(name: &str) -> bool {
    SHORTCUTS.iter().any(|word| name.to_lowercase().contains(word))
}

impl Block {
    /// Whether a layer is one of its own.
    fn has(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// A name, the place in the file, and what it reads and gives: those that are equal in these could stand for each other.
type Item<'a> = (&'a str, usize, (usize, usize));

/// The places in the order of the names; where these do not tell it, in that of the file.
fn in_order(mut items: Vec<Item<'_>>, is_ordered: bool) -> Result<Vec<usize>, NetworkError> {
    let untold = |same: bool| {
        let pairs = items.iter().enumerate().flat_map(|(index, item)| items[..index].iter().map(move |other| (other, item)));
        pairs.filter(|(one, other)| !tells_order(one.0, other.0) && (!same || one.2 == other.2)).map(|(one, other)| (one.0, other.0)).next()
    };
    if is_ordered && untold(false).is_some() {
        items.sort_by_key(|item| item.1);
    } else {
        if let Some((one, other)) = untold(true) {
            let problem = format!(
                "could stand where `{one}` does, and neither their names nor the file, whose tensors are sorted, say which comes first"
            );
            return Err(refuse(other, problem));
        }
        items.sort_by(|left, right| natural(left.0, right.0));
    }
    Ok(items.into_iter().map(|item| item.1).collect())
}

/// Where norms stand in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Convolution, norm, ReLU.
    Behind,
    /// Norm, ReLU, convolution: "pre-activation".
    Before,
}

/// Norms that are as wide as what their convolutions read stand before these, where any convolution reads and gives another number.
fn order_of(modules: &[Module], blocks: &[Block]) -> Order {
    let pairs = || {
        blocks
            .iter()
            .flat_map(|block| block.norms.iter().zip(&block.convolutions))
            .map(|(&norm, &convolution)| (modules[norm].widths().0, modules[convolution].widths()))
    };
    let before = pairs().all(|(norm, (inputs, _))| norm == inputs) && pairs().any(|(norm, (_, outputs))| norm != outputs);
    if before { Order::Before } else { Order::Behind }
}

/// What stands outside of blocks.
struct Outside<'a> {
    first: &'a Module,
    first_norm: Option<&'a Module>,
    last_norm: Option<&'a Module>,
    linear: Vec<&'a Module>,
}

fn outside<'a>(modules: &'a [Module], blocks: &[Block], order: Order) -> Result<Outside<'a>, NetworkError> {
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
    let (first_norm, last_norm) = match (order, norms) {
        (_, []) => (None, None),
        (Order::Behind, [norm]) if norm.widths().0 == width => (Some(*norm), None),
        // Where norms stand before convolutions, one more is behind the last block.
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
    let order = order_of(modules, blocks);
    let Outside { first, first_norm, last_norm, linear } = outside(modules, blocks, order)?;
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
        let stride = if stage_index > 0 && counts[stage_index] == 0 && changes { 2 } else { 1 };
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
            return Err(refuse(
                &linear_layer.path,
                format!("{}.weight: {outputs} outputs of {inputs} inputs after a layer of {width}", linear_layer.path),
            ));
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
    let halved = format!("stages but the first halve the image, in the first block's {strided} convolution and its shortcut");
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
