//! What shapes of weights do not say of a sequence: the size of images, where pools stand, whether convolutions pad.

use super::layer_order::is_square;
use super::modules::Kind;
use super::sequence::{Unit, numbered};
use super::{Known, refuse};
use crate::{NetworkError, Shape};

/// Rows and columns of pixels that the first linear layer of torchvision's VGGs reads, whatever the size of images.
const TORCHVISION: usize = 7;

pub(super) struct Geometry {
    pub input: Shape,
    /// Places of convolutions behind which is a max pool of 2.
    pub pools: Vec<usize>,
    pub padding: Padding,
    /// Whether the mean over pixels is taken before the linear layers, in place of a flatten.
    pub ends_in_mean: bool,
    /// To how many rows and columns of pixels an adaptive mean brings images before the flatten.
    pub resized: Option<usize>,
}

/// Which convolutions pad so that the size stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    All,
    None,
    /// As in LeNet.
    First,
}

impl Padding {
    /// Whether the convolution at a place pads.
    pub fn is_same(self, place: usize) -> bool {
        self == Padding::All || (self == Padding::First && place == 0)
    }

    fn word(self) -> &'static str {
        match self {
            Padding::All => "convolutions pad so that the size stays",
            Padding::None => "convolutions do not pad",
            Padding::First => "the first convolution alone pads",
        }
    }
}

/// The geometry of so many convolutions, whose outputs have so many pixels where the first linear layer reads them.
pub(super) fn geometry(
    units: &[Unit<'_>],
    convolutions: usize,
    pixels: Option<usize>,
    known: &Known,
    relu_first: &[bool],
    assumed: &mut Vec<String>,
) -> Result<Geometry, NetworkError> {
    let first = units[0].module;
    let inputs = match first.kind {
        Kind::Linear { inputs, .. } | Kind::Conv { inputs, .. } => inputs,
        Kind::Norm { units, .. } => units,
    };
    if convolutions == 0 {
        let input = image_of(inputs, known);
        if input.volume() != inputs {
            let numbers = input.volume();
            return Err(refuse(&first.path, format!("takes {inputs} numbers, an image of shape {input} has {numbers}")));
        }
        return Ok(Geometry { input, pools: Vec::new(), padding: Padding::All, ends_in_mean: false, resized: None });
    }
    if let Some(shape) = known.input.filter(|shape| shape.channels != inputs) {
        return Err(refuse(&first.path, takes_other_images(inputs, shape)));
    }
    let convolutions = &units[..convolutions];
    let side = pixels.filter(|&pixels| is_square(pixels)).map(usize::isqrt);
    let square = |side: usize| Shape::new(inputs, side, side);
    let usual = if inputs == 1 { [28, 32, 64] } else { [32, 28, 64] };
    let sizes: Vec<usize> = known.input.map_or(usual.to_vec(), |shape| vec![shape.height]);
    let ends_in_mean = pixels.is_none_or(|pixels| pixels == 1);
    let by_gaps = pools_by_gaps(convolutions, relu_first);
    // Behind the last convolution no number tells; a mean over all pixels needs no pool before it, unless one leaves a single pixel.
    let by_gaps = by_gaps.map(|mut pools: Vec<usize>| {
        let with_last: Vec<usize> = pools.iter().copied().chain([convolutions.len() - 1]).collect();
        if !pools.is_empty() && (!ends_in_mean || ends(convolutions, sizes[0], Padding::All, &with_last) == Some(1)) {
            pools = with_last;
        }
        pools
    });
    if let Some(pools) = by_gaps.as_ref().filter(|pools| !pools.is_empty()) {
        let last = if pools.last() == Some(&(convolutions.len() - 1)) { "a pool" } else { "no pool" };
        assumed.push(format!(
            "gaps in the numbers of layers are ReLUs, and max pools of 2 where there are one or two more; {last} is behind the last convolution"
        ));
    }
    // Usual ways to come from an image of a usual size to as many pixels as the first linear layer reads.
    if let Some(side) = side.filter(|&side| side > 1) {
        for &size in &sizes {
            for (padding, pools) in ways(convolutions, by_gaps.as_ref()) {
                if ends(convolutions, size, padding, &pools) == Some(side) {
                    let behind = if pools.is_empty() { "no".to_owned() } else { format!("{} of {}", pools.len(), convolutions.len()) };
                    let word = padding.word();
                    assumed.push(format!("images have {size} by {size} pixels, {word}, a max pool of 2 is behind {behind} convolutions"));
                    let input = known.input.unwrap_or_else(|| square(size));
                    return Ok(Geometry { input, pools, padding, ends_in_mean: false, resized: None });
                }
            }
        }
    }
    // In a VGG of torchvision an adaptive mean makes up for images of another size.
    if let (Some(input), Some(side), Some(pools)) = (known.input, side.filter(|&side| side == TORCHVISION), &by_gaps)
        && let Some(left) = ends(convolutions, input.height, Padding::All, pools)
    {
        assumed.push(format!(
            "convolutions pad so that the size stays; an adaptive mean brings the {left} by {left} pixels that pools leave to {side} by {side}"
        ));
        return Ok(Geometry { input, pools: pools.clone(), padding: Padding::All, ends_in_mean: false, resized: Some(side) });
    }
    if let (Some(shape), Some(pixels)) = (known.input, pixels.filter(|&pixels| pixels > 1)) {
        let problem = format!("reads {pixels} pixels of each channel, to which no usual pools and paddings lead from images of {shape}");
        return Err(refuse(&units[convolutions.len()].module.path, problem));
    }
    assumed.push(format!(
        "convolutions have stride 1 and pad so that the size stays{}",
        if by_gaps.as_ref().is_some_and(|pools| !pools.is_empty()) { "" } else { ", and there are no pools" }
    ));
    let pools = by_gaps.unwrap_or_default();
    let input = match side {
        _ if known.input.is_some() => known.input.unwrap_or_else(|| square(usual[0])),
        Some(side) if side > 1 => square(side << pools.len()),
        _ => square(usual[0].max(1 << pools.len())),
    };
    if known.input.is_none() {
        assumed.push(format!("images have {} by {} pixels", input.height, input.width));
    }
    Ok(Geometry { input, pools, padding: Padding::All, ends_in_mean, resized: None })
}

/// The images whose numbers a first linear layer reads.
pub(super) fn image_of(inputs: usize, known: &Known) -> Shape {
    match (known.input, inputs) {
        (Some(shape), _) => shape,
        (None, 784) => Shape::new(1, 28, 28),
        (None, 3072) => Shape::new(3, 32, 32),
        (None, inputs) => Shape::new(inputs, 1, 1),
    }
}

/// What is wrong with a first convolution that does not read all channels of an image.
pub(super) fn takes_other_images(channels: usize, shape: Shape) -> String {
    let s = if channels == 1 { "" } else { "s" };
    format!("takes images of {channels} channel{s}, and they have shape {shape}; a convolution in several groups is not supported")
}

/// Paddings and places of pools, the likeliest first.
fn ways(units: &[Unit<'_>], by_gaps: Option<&Vec<usize>>) -> Vec<(Padding, Vec<usize>)> {
    let convolutions = units.len();
    let last = vec![convolutions - 1];
    let part = |place: usize| units[place].module.path.rsplit_once('.').map(|(part, _)| part);
    let ends_of_parts: Vec<usize> =
        (0..convolutions).filter(|&place| place + 1 == convolutions || part(place) != part(place + 1)).collect();
    let paddings = [Padding::All, Padding::None, Padding::First];
    match by_gaps {
        // Between convolutions is no place for a pool.
        Some(pools) if pools.is_empty() => {
            return [Vec::new(), last].iter().flat_map(|pools| paddings.map(|padding| (padding, pools.clone()))).collect();
        }
        Some(pools) => return paddings.map(|padding| (padding, pools.clone())).into(),
        None => {}
    }
    let every: Vec<usize> = (0..convolutions).collect();
    vec![
        (Padding::All, every.clone()),
        (Padding::None, every.clone()),
        (Padding::First, every),
        (Padding::All, ends_of_parts.clone()),
        (Padding::None, ends_of_parts),
        (Padding::None, last.clone()),
        (Padding::All, last),
        (Padding::None, Vec::new()),
        (Padding::All, Vec::new()),
    ]
}

/// The side of what convolutions of stride 1 and pools of 2 leave of an image.
fn ends(convolutions: &[Unit<'_>], size: usize, padding: Padding, pools: &[usize]) -> Option<usize> {
    let mut side = size;
    for (place, unit) in convolutions.iter().enumerate() {
        let Kind::Conv { kernel, .. } = unit.module.kind else { return None };
        side = if padding.is_same(place) && kernel % 2 == 1 { side } else { (side + 1).checked_sub(kernel)? };
        if pools.contains(&place) {
            side /= 2;
        }
        if side == 0 {
            return None;
        }
    }
    Some(side)
}

/// Where layers are numbered within one sequence, the places behind which one number more is left out than a ReLU takes; a ReLU that stands
/// before the norm takes none there.
fn pools_by_gaps(units: &[Unit<'_>], relu_first: &[bool]) -> Option<Vec<usize>> {
    let (parent, _) = numbered(units[0].module)?;
    let mut pools = Vec::new();
    for (place, pair) in units.windows(2).enumerate() {
        let last = pair[0].norm.unwrap_or(pair[0].module);
        let ((here, from), (there, to)) = (numbered(last)?, numbered(pair[1].module)?);
        if here != parent || there != parent || to <= from {
            return None;
        }
        match to - from + usize::from(relu_first[place]) {
            2 => {}
            // A dropout may stand behind the pool.
            3 | 4 => pools.push(place),
            _ => return None,
        }
    }
    (units.len() > 1).then_some(pools)
}
