//! From a list of layers to nodes, parameters and groups.

use std::collections::{BTreeMap, BTreeSet};

use super::spaces::{Axis, Spaces};
use super::{Node, NodeId, Operation};
use crate::architecture::half;
use crate::{Architecture, Binding, Group, Layer, NetworkError, NormKind, Parameter, PermutationSpec, Role, Shape};

/// More units or numbers than any machine holds are a slip of the pen, and would overflow what counts them.
const MOST_UNITS: usize = 1 << 24;
const MOST_NUMBERS: usize = 1 << 40;

/// A training holds several copies of the numbers: with more of them it would only fill the memory, and with more nodes only take the time.
const MOST_PARAMETERS: usize = 1 << 30;
const MOST_NODES: usize = 20_000;

/// Nodes and permutation spec of an architecture.
pub(super) fn lay_out(architecture: &Architecture) -> Result<(Vec<Node>, PermutationSpec), NetworkError> {
    let mut builder = Builder { classes: architecture.classes, ..Builder::default() };
    given_names(&architecture.layers, &mut builder.given);
    builder.input(architecture.input, architecture.classes)?;
    let last = builder.layers(&architecture.layers, 0)?;
    builder.output(last)?;
    if builder.numbers > MOST_PARAMETERS {
        let gigabytes = 4.0 * builder.numbers as f64 / 1e9;
        return Err(NetworkError::Architecture {
            problem: format!("the network has `{}` parameters, {gigabytes:.1} GB: expected at most `{MOST_PARAMETERS}`", builder.numbers),
            hint: "use narrower layers, or make images smaller before a `flatten`".to_owned(),
        });
    }
    Ok(builder.finish())
}

#[derive(Default)]
struct Builder {
    classes: usize,
    nodes: Vec<Node>,
    /// The axis of each node's channels or features.
    axes: Vec<Axis>,
    parameters: Vec<Parameter>,
    /// Rows and columns of each parameter.
    parameter_axes: Vec<(Axis, Option<Axis>)>,
    numbers: usize,
    spaces: Spaces,
    counters: BTreeMap<&'static str, usize>,
    names: BTreeSet<String>,
    /// Names that the architecture gives; layers without one take others.
    given: BTreeSet<String>,
}

/// The names that layers are given, those inside of others included.
fn given_names(layers: &[Layer], found: &mut BTreeSet<String>) {
    for layer in layers {
        match layer {
            Layer::Linear { name, .. } | Layer::Conv { name, .. } | Layer::Norm { name, .. } => found.extend(name.clone()),
            Layer::Residual { body, shortcut } => {
                given_names(body, found);
                given_names(shortcut, found);
            }
            Layer::Flatten {}
            | Layer::Relu {}
            | Layer::MaxPool { .. }
            | Layer::GlobalMean {}
            | Layer::AdaptiveMean { .. }
            | Layer::PadChannels { .. } => {}
        }
    }
}

impl Builder {
    fn input(&mut self, shape: Shape, classes: usize) -> Result<(), NetworkError> {
        let fine = |extent: usize| (1..=MOST_UNITS).contains(&extent);
        if !fine(shape.channels) || !fine(shape.height) || !fine(shape.width) || !fine(shape.volume()) {
            return Err(NetworkError::Architecture {
                problem: format!("`input` is {shape}, expected three positive numbers of a sensible size"),
                hint: "write channels, height, width: `input = [1, 28, 28]`".to_owned(),
            });
        }
        if !fine(classes) {
            return Err(NetworkError::Architecture {
                problem: format!("`classes` is `{classes}`, expected a positive number of a sensible size"),
                hint: "say how many classes the data has".to_owned(),
            });
        }
        let axis = self.spaces.fresh("input", shape.channels);
        self.spaces.fix(axis);
        self.push("input".to_owned(), Operation::Input, Vec::new(), shape, false, axis);
        Ok(())
    }

    fn output(&mut self, last: NodeId) -> Result<(), NetworkError> {
        let (shape, flat) = (self.nodes[last].shape, self.nodes[last].flat);
        if self.parameters.is_empty() {
            return Err(NetworkError::Architecture {
                problem: "the network has no parameters".to_owned(),
                hint: "end with `{ op = \"linear\", out = \"classes\" }`".to_owned(),
            });
        }
        if !flat {
            return Err(NetworkError::Architecture {
                problem: format!("the network ends with images of shape {shape}, expected `{}` numbers, one a class", self.classes),
                hint: "end with `flatten` or `global-mean`, then `{ op = \"linear\", out = \"classes\" }`".to_owned(),
            });
        }
        if shape.channels != self.classes {
            return Err(NetworkError::Architecture {
                problem: format!("the network ends with `{}` numbers, expected `{}`, one a class", shape.channels, self.classes),
                hint: "end with `{ op = \"linear\", out = \"classes\" }`".to_owned(),
            });
        }
        self.spaces.fix(self.axes[last]);
        self.push("output".to_owned(), Operation::Output, vec![last], shape, true, self.axes[last]);
        Ok(())
    }

    /// Appends the layers behind node `at`; the last node.
    fn layers(&mut self, layers: &[Layer], at: NodeId) -> Result<NodeId, NetworkError> {
        layers.iter().try_fold(at, |at, layer| self.layer(layer, at))
    }

    fn layer(&mut self, layer: &Layer, at: NodeId) -> Result<NodeId, NetworkError> {
        if self.nodes.len() >= MOST_NODES {
            return Err(NetworkError::Architecture {
                problem: format!("the network has more than `{MOST_NODES}` layers"),
                hint: "use fewer, wider layers".to_owned(),
            });
        }
        let (shape, flat, axis) = (self.nodes[at].shape, self.nodes[at].flat, self.axes[at]);
        match layer {
            Layer::Flatten {} => {
                let name = self.counted("flatten")?;
                let block = if flat { axis.block } else { axis.block * shape.pixels() };
                let shape = Shape::new(shape.volume(), 1, 1);
                Ok(self.push(name, Operation::Flatten, vec![at], shape, true, Axis { block, ..axis }))
            }
            Layer::Linear { name, out, bias } => {
                let name = self.named(name.as_deref(), "fc")?;
                if !flat {
                    return Err(misplaced(
                        &name,
                        format!("is linear on images of shape {shape}, expected a vector"),
                        "put `flatten` or `global-mean` before it",
                    ));
                }
                let out = self.units(&name, out.resolve(self.classes))?;
                let rows = self.spaces.fresh(&name, out);
                let weight = self.parameter(&name, Role::Weight, vec![out, shape.channels], rows, Some(axis))?;
                let bias = bias.then(|| self.parameter(&name, Role::Bias, vec![out], rows, None)).transpose()?;
                Ok(self.push(name, Operation::Linear { weight, bias }, vec![at], Shape::new(out, 1, 1), true, rows))
            }
            Layer::Conv { name, out, kernel, stride, padding, bias } => {
                let name = self.named(name.as_deref(), "conv")?;
                if flat {
                    return Err(misplaced(
                        &name,
                        "is a convolution of a vector, expected images".to_owned(),
                        "put it before `flatten` or `global-mean`",
                    ));
                }
                let out = self.units(&name, out.resolve(self.classes))?;
                let padding = padding.unwrap_or(half(*kernel));
                let window = Window { what: "kernel", size: *kernel, stride: *stride, padding };
                let (height, width) = window.slide(&name, shape)?;
                let rows = self.spaces.fresh(&name, out);
                let weight = self.parameter(&name, Role::Weight, vec![out, shape.channels, *kernel, *kernel], rows, Some(axis))?;
                let bias = bias.then(|| self.parameter(&name, Role::Bias, vec![out], rows, None)).transpose()?;
                let operation = Operation::Conv { weight, bias, stride: *stride, padding };
                Ok(self.push(name, operation, vec![at], Shape::new(out, height, width), false, rows))
            }
            Layer::Norm { name, kind, epsilon } => {
                let name = self.named(name.as_deref(), "norm")?;
                let narrow = *epsilon as f32;
                if !(narrow.is_finite() && narrow > 0.0) {
                    // Without an exponent 1e-300 would have 300 digits.
                    let shown = if epsilon.abs() < 1e-9 { format!("{epsilon:e}") } else { epsilon.to_string() };
                    let problem = format!("has epsilon `{shown}`, expected a positive number of 32 bits");
                    return Err(misplaced(&name, problem, "leave it out for 1e-5"));
                }
                let mut vector = |role| self.parameter(&name, role, vec![shape.channels], axis, None);
                let (scale, shift) = (vector(Role::Scale)?, vector(Role::Shift)?);
                let (mean, variance) = match kind {
                    NormKind::Layer => (None, None),
                    NormKind::Batch => (Some(vector(Role::RunningMean)?), Some(vector(Role::RunningVariance)?)),
                };
                let operation = Operation::Norm { kind: *kind, scale, shift, mean, variance, epsilon: narrow };
                Ok(self.push(name, operation, vec![at], shape, flat, axis))
            }
            Layer::Relu {} => {
                let name = self.counted("relu")?;
                Ok(self.push(name, Operation::Relu, vec![at], shape, flat, axis))
            }
            Layer::MaxPool { size, stride, padding } => {
                let name = self.counted("pool")?;
                if flat {
                    return Err(misplaced(&name, "pools a vector, expected images".to_owned(), "put it before `flatten` or `global-mean`"));
                }
                let (stride, padding) = (stride.unwrap_or(*size), *padding);
                if padding >= (*size).max(1) {
                    let problem = format!("has padding `{padding}`, expected less than its size `{size}`");
                    return Err(misplaced(&name, problem, "a window of nothing but padding has no largest value"));
                }
                let (height, width) = Window { what: "window", size: *size, stride, padding }.slide(&name, shape)?;
                let shape = Shape::new(shape.channels, height, width);
                Ok(self.push(name, Operation::MaxPool { size: *size, stride, padding }, vec![at], shape, false, axis))
            }
            Layer::GlobalMean {} => {
                let name = self.counted("mean")?;
                let (axis, shape) = (axis, Shape::new(shape.channels, 1, 1));
                Ok(self.push(name, Operation::GlobalMean, vec![at], shape, true, axis))
            }
            Layer::AdaptiveMean { size } => {
                let name = self.counted("resize")?;
                if flat {
                    return Err(misplaced(&name, "reads a vector, expected images".to_owned(), "put it before `flatten` or `global-mean`"));
                }
                let shape = Shape::new(shape.channels, *size, *size);
                let volume = size.checked_mul(*size).and_then(|area| area.checked_mul(shape.channels));
                if !volume.is_some_and(|volume| (1..=MOST_UNITS).contains(&volume)) {
                    return Err(misplaced(&name, format!("makes images of `{size}` by `{size}` pixels"), "expected a sensible `size`"));
                }
                Ok(self.push(name, Operation::AdaptiveMean { size: *size }, vec![at], shape, false, axis))
            }
            Layer::PadChannels { before, behind, stride } => {
                let name = self.counted("pad")?;
                if flat {
                    return Err(misplaced(&name, "pads a vector, expected images".to_owned(), "put it before `flatten` or `global-mean`"));
                }
                if *stride == 0 {
                    return Err(misplaced(&name, "has stride `0`, expected a positive number".to_owned(), "leave it out for 1"));
                }
                let channels = shape.channels.saturating_add(*before).saturating_add(*behind);
                let channels = self.units(&name, channels)?;
                // What is next to zeros cannot be permuted with them, nor apart from what reads both.
                self.spaces.fix(axis);
                let rows = self.spaces.fresh(&name, channels);
                self.spaces.fix(rows);
                let shape = Shape::new(channels, shape.height.div_ceil(*stride), shape.width.div_ceil(*stride));
                let operation = Operation::PadChannels { before: *before, behind: *behind, stride: *stride };
                Ok(self.push(name, operation, vec![at], shape, false, rows))
            }
            Layer::Residual { body, shortcut } => {
                let name = self.counted("add")?;
                if body.is_empty() {
                    return Err(misplaced(&name, "is a residual with an empty body".to_owned(), "list its layers in `body`"));
                }
                let long = self.layers(body, at)?;
                let short = self.layers(shortcut, at)?;
                let (there, here) = (&self.nodes[long], &self.nodes[short]);
                if there.shape != here.shape || there.flat != here.flat {
                    let (body, shortcut) = (there.value(), here.value());
                    let problem = format!("adds a body of {body} to a shortcut of {shortcut}");
                    return Err(misplaced(
                        &name,
                        problem,
                        "give the shortcut a convolution or linear layer with the body's width and stride",
                    ));
                }
                let (shape, flat, axis) = (there.shape, there.flat, self.axes[long]);
                self.spaces.unite(axis, self.axes[short]);
                Ok(self.push(name, Operation::Add, vec![long, short], shape, flat, axis))
            }
        }
    }

    fn push(&mut self, name: String, operation: Operation, inputs: Vec<NodeId>, shape: Shape, flat: bool, axis: Axis) -> NodeId {
        self.nodes.push(Node { name, operation, inputs, shape, flat, group: None });
        self.axes.push(axis);
        self.nodes.len() - 1
    }

    fn parameter(&mut self, layer: &str, role: Role, shape: Vec<usize>, rows: Axis, columns: Option<Axis>) -> Result<usize, NetworkError> {
        let length =
            shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent)).filter(|&length| length <= MOST_NUMBERS);
        self.numbers = match length.and_then(|length| self.numbers.checked_add(length)) {
            Some(numbers) if numbers <= MOST_NUMBERS => numbers,
            _ => {
                let problem = format!("its {} of shape {shape:?} makes more than 2^40 numbers", role.suffix());
                return Err(misplaced(layer, problem, "make the layers narrower"));
            }
        };
        self.parameters.push(Parameter { name: format!("{layer}.{}", role.suffix()), role, shape, rows: None, columns: None });
        self.parameter_axes.push((rows, columns));
        Ok(self.parameters.len() - 1)
    }

    fn units(&self, layer: &str, out: usize) -> Result<usize, NetworkError> {
        if (1..=MOST_UNITS).contains(&out) {
            return Ok(out);
        }
        Err(misplaced(layer, format!("has `{out}` units, expected 1 to {MOST_UNITS}"), "correct `out`"))
    }

    /// The name a layer with parameters was given, or the next of its kind.
    fn named(&mut self, given: Option<&str>, kind: &'static str) -> Result<String, NetworkError> {
        let Some(name) = given else {
            return self.counted(kind);
        };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            let hint = "use ASCII letters, digits, `.`, `-` and `_`";
            return Err(misplaced(name, format!("the name `{name}` cannot be a parameter's prefix"), hint));
        }
        self.claim(name.to_owned())
    }

    /// `conv1`, `conv2` .., without those that a layer is given.
    fn counted(&mut self, kind: &'static str) -> Result<String, NetworkError> {
        let counter = self.counters.entry(kind).or_insert(0);
        let name = loop {
            *counter += 1;
            let name = format!("{kind}{counter}");
            if !self.given.contains(&name) {
                break name;
            }
        };
        self.claim(name)
    }

    fn claim(&mut self, name: String) -> Result<String, NetworkError> {
        if matches!(name.as_str(), "input" | "output") || !self.names.insert(name.clone()) {
            return Err(misplaced(&name, "two layers have this name".to_owned(), "give each layer a name of its own, or none"));
        }
        Ok(name)
    }

    /// Turns axes into groups.
    fn finish(self) -> (Vec<Node>, PermutationSpec) {
        let Builder { mut nodes, axes, mut parameters, parameter_axes, spaces, .. } = self;
        let free = spaces.free();
        let group_of: BTreeMap<usize, usize> = free.iter().enumerate().map(|(group, root)| (root.space, group)).collect();
        let bind = |axis: Axis| {
            let axis = spaces.find(axis);
            group_of.get(&axis.space).map(|&group| Binding { group, block: axis.block })
        };
        for (node, &axis) in nodes.iter_mut().zip(&axes) {
            node.group = bind(axis);
        }
        for (parameter, &(rows, columns)) in parameters.iter_mut().zip(&parameter_axes) {
            parameter.rows = bind(rows);
            parameter.columns = columns.and_then(bind);
        }
        let groups = free.iter().map(|root| Group { name: root.name.to_owned(), units: root.units }).collect();
        (nodes, PermutationSpec { groups, parameters })
    }
}

/// A square window that slides over an image.
struct Window {
    what: &'static str,
    size: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    /// Height and width of what comes out.
    fn slide(&self, layer: &str, shape: Shape) -> Result<(usize, usize), NetworkError> {
        let Window { what, size, stride, padding } = *self;
        if size == 0 || stride == 0 {
            let problem = format!("has size `{size}` and stride `{stride}`, expected positive numbers");
            return Err(misplaced(layer, problem, "leave both out for the usual ones"));
        }
        if padding > MOST_UNITS {
            return Err(misplaced(layer, format!("has padding `{padding}`, expected a sensible size"), "leave it out for the usual one"));
        }
        let along = |extent: usize| (extent + 2 * padding).checked_sub(size).map(|room| room / stride + 1);
        match (along(shape.height), along(shape.width)) {
            (Some(height), Some(width)) => Ok((height, width)),
            _ => {
                let problem = format!("its {what} of {size} by {size} does not fit an image of shape {shape} with padding {padding}");
                Err(misplaced(layer, problem, "use fewer pools or strides, or larger images"))
            }
        }
    }
}

fn misplaced(layer: &str, problem: String, hint: &str) -> NetworkError {
    NetworkError::Layer { layer: layer.to_owned(), problem, hint: hint.to_owned() }
}
