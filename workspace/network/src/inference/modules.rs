//! Tensors put together to layers.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{Bound, Layout, Stored, refuse};
use crate::{Layer, NetworkError, NormKind, Width};

/// The tensors of one layer.
#[derive(Clone, Debug)]
pub(super) struct Module {
    /// Its name in the file; empty where a tensor stands alone.
    pub path: String,
    pub kind: Kind,
    pub weight: usize,
    pub bias: Option<usize>,
    /// Running mean and variance.
    pub running: Option<(usize, usize)>,
    pub layout: Layout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Linear { inputs: usize, outputs: usize },
    Conv { inputs: usize, outputs: usize, kernel: usize },
    Norm { units: usize, kind: NormKind },
}

/// What the last component of a name says a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Weight,
    /// The weight of a linear layer or convolution with its inputs first.
    Kernel,
    Bias,
    Mean,
    Variance,
    Counter,
}

fn part(name: &str) -> Option<Part> {
    // Keras numbers what a layer's tensors give.
    Some(match name.strip_suffix(":0").unwrap_or(name) {
        "weight" | "scale" | "gamma" => Part::Weight,
        "kernel" => Part::Kernel,
        "bias" | "shift" | "beta" => Part::Bias,
        "running_mean" | "running-mean" | "moving_mean" | "mean" => Part::Mean,
        "running_var" | "running-variance" | "moving_variance" | "var" => Part::Variance,
        "num_batches_tracked" => Part::Counter,
        _ => return None,
    })
}

/// Components of names that say what is not supported, and what it is.
const UNSUPPORTED: [(&str, &str); 19] = [
    ("attn", "attention"),
    ("attention", "attention"),
    ("in_proj_weight", "attention"),
    ("qkv", "attention"),
    ("q_proj", "attention"),
    ("weight_ih", "a recurrent layer"),
    ("weight_hh", "a recurrent layer"),
    ("weight_g", "a layer with weight norm"),
    ("weight_v", "a layer with weight norm"),
    ("original0", "a layer with a parametrisation"),
    ("original1", "a layer with a parametrisation"),
    ("pos_embed", "an embedding of places"),
    ("_token", "a token"),
    ("embedding", "an embedding"),
    ("se_module", "a squeeze-and-excitation block"),
    ("lora_", "a low-rank adapter"),
    ("experts", "a mixture of experts"),
    ("groupnorm", "a group norm"),
    ("group_norm", "a group norm"),
];

/// Whole components that say so.
const BESIDE: [(&str, &str); 6] = [
    ("se", "a squeeze-and-excitation block"),
    ("gate", "a gate"),
    ("aux", "a second head"),
    ("aux_head", "a second head"),
    ("logvar", "a second head"),
    ("log_var", "a second head"),
];

/// What a component of a name says is not supported.
fn unsupported(component: &str) -> Option<&'static str> {
    let name = component.to_lowercase();
    if let Some((_, what)) = BESIDE.iter().find(|(word, _)| *word == name) {
        return Some(what);
    }
    let is_group_norm = name.strip_prefix("gn").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let found = UNSUPPORTED.iter().find(|(word, _)| name.contains(word)).map(|(_, what)| *what);
    found.or(is_group_norm.then_some("a group norm"))
}

/// How attention calls its three projections.
const PROJECTIONS: [[&str; 3]; 4] = [["query", "key", "value"], ["q", "k", "v"], ["to_q", "to_k", "to_v"], ["wq", "wk", "wv"]];

/// A tensor of attention, told by three layers side by side.
fn projection(tensors: &[Stored]) -> Option<&Stored> {
    let path = |tensor: &Stored| tensor.name.rsplit_once('.').map(|(path, _)| path.to_lowercase());
    let paths: HashSet<String> = tensors.iter().filter_map(path).collect();
    tensors.iter().find(|tensor| {
        let Some(path) = path(tensor) else { return false };
        let (parent, own) = path.rsplit_once('.').map_or(("", path.as_str()), |(parent, own)| (parent, own));
        let beside = |name: &str| paths.contains(&if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") });
        PROJECTIONS.iter().any(|names| names.contains(&own) && names.iter().all(|name| beside(name)))
    })
}

fn attention_first(tensors: &[Stored]) -> impl Iterator<Item = &Stored> {
    let is_attention = |tensor: &&Stored| {
        let name = tensor.name.to_lowercase();
        UNSUPPORTED.iter().any(|(word, what)| *what == "attention" && name.contains(word))
    };
    tensors.iter().filter(is_attention).chain(tensors)
}

/// The layers in the order of the file, and tensors that are counters.
pub(super) fn modules(tensors: &[Stored]) -> Result<(Vec<Module>, Vec<usize>), NetworkError> {
    let mut paths: Vec<&str> = Vec::new();
    let mut parts: HashMap<&str, HashMap<Part, usize>> = HashMap::new();
    let mut counters = Vec::new();
    // Attention says more than what stands before it.
    for tensor in attention_first(tensors) {
        let components: Vec<&str> = tensor.name.split('.').collect();
        if let Some((depth, what)) = components.iter().enumerate().find_map(|(depth, part)| Some((depth, unsupported(part)?))) {
            let layer = components[..=depth].join(".");
            return Err(refuse(
                &layer,
                format!("its tensor `{}` of shape {:?} is of {what}, which is not supported", tensor.name, tensor.shape),
            ));
        }
    }
    if let Some(tensor) = projection(tensors) {
        let layer = tensor.name.rsplit_once('.').map_or(tensor.name.as_str(), |(path, _)| path);
        return Err(refuse(
            layer,
            format!("its tensor `{}` of shape {:?} is of attention, which is not supported", tensor.name, tensor.shape),
        ));
    }
    for (index, tensor) in tensors.iter().enumerate() {
        let (path, last) = tensor.name.rsplit_once('.').unwrap_or(("", &tensor.name));
        let Some(part) = part(last) else {
            // How many networks an average is of, a temperature.
            if tensor.shape.is_empty() {
                counters.push(index);
                continue;
            }
            let layer = if path.is_empty() { &tensor.name } else { path };
            let is_unnamed = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
            if tensor.name.strip_prefix("arr_").is_some_and(is_unnamed) {
                let problem =
                    "was saved without a name: `numpy.savez(path, **{\"dense.kernel\": weight, \"dense.bias\": bias, ..})` gives names";
                return Err(refuse(layer, problem));
            }
            return Err(refuse(layer, format!("its tensor `{}` of shape {:?} is of no known layer", tensor.name, tensor.shape)));
        };
        if part == Part::Counter {
            counters.push(index);
            continue;
        }
        let of_layer = parts.entry(path).or_insert_with(|| {
            paths.push(path);
            HashMap::new()
        });
        if of_layer.insert(part, index).is_some() {
            return Err(refuse(path, format!("has two tensors for what `{}` is", tensor.name)));
        }
    }
    let modules = paths.into_iter().map(|path| module(path, &parts[path], tensors)).collect::<Result<Vec<Module>, _>>()?;
    if modules.is_empty() {
        return Err(NetworkError::Architecture {
            problem: "the file holds no layers".to_owned(),
            hint: "expected tensors by names such as `fc1.weight`".to_owned(),
        });
    }
    Ok((modules, counters))
}

fn module(path: &str, parts: &HashMap<Part, usize>, tensors: &[Stored]) -> Result<Module, NetworkError> {
    let shape = |index: usize| tensors[index].shape.as_slice();
    let (weight, flax) = match (parts.get(&Part::Weight), parts.get(&Part::Kernel)) {
        (Some(&weight), None) => (weight, false),
        (None, Some(&weight)) => (weight, true),
        _ => {
            let other = parts.values().min().map_or("", |&index| tensors[index].name.as_str());
            return Err(refuse(path, format!("has `{other}` and no weight; norms without scale and shift are not supported")));
        }
    };
    let (bias, mean, variance) = (parts.get(&Part::Bias), parts.get(&Part::Mean), parts.get(&Part::Variance));
    let running = match (mean, variance) {
        (Some(&mean), Some(&variance)) => Some((mean, variance)),
        (None, None) => None,
        _ => return Err(refuse(path, "has one of running mean and variance, expected both or none")),
    };
    let name = &tensors[weight].name;
    let kind = match (shape(weight), flax) {
        (&[outputs, inputs], false) | (&[inputs, outputs], true) => Kind::Linear { inputs, outputs },
        (&[outputs, inputs, height, width], false) | (&[height, width, inputs, outputs], true) => {
            if height != width {
                return Err(refuse(path, format!("`{name}` has a kernel of {height} by {width}, expected a square")));
            }
            Kind::Conv { inputs, outputs, kernel: height }
        }
        (&[units], false) => Kind::Norm { units, kind: if running.is_some() { NormKind::Batch } else { NormKind::Layer } },
        (shape, _) => {
            let layer = if path.is_empty() { name } else { path };
            return Err(refuse(layer, format!("`{name}` has shape {shape:?}, expected 1, 2 or 4 extents")));
        }
    };
    let units = match kind {
        Kind::Linear { outputs, .. } | Kind::Conv { outputs, .. } => outputs,
        Kind::Norm { units, .. } => units,
    };
    let vectors = bias.into_iter().chain(mean).chain(variance);
    for &index in vectors {
        if shape(index) != [units] {
            return Err(refuse(
                path,
                format!("`{}` has shape {:?}, expected [{units}] beside `{name}`", tensors[index].name, shape(index)),
            ));
        }
    }
    if shape(weight).contains(&0) {
        return Err(refuse(path, format!("`{name}` has shape {:?}, which holds no numbers", shape(weight))));
    }
    match kind {
        Kind::Norm { .. } if bias.is_none() => {
            return Err(refuse(path, format!("is a norm with `{name}` and no shift, which is not supported")));
        }
        Kind::Linear { .. } | Kind::Conv { .. } if running.is_some() => return Err(refuse(path, "has running statistics beside a matrix")),
        _ => {}
    }
    Ok(Module { path: path.to_owned(), kind, weight, bias: bias.copied(), running, layout: Layout { inputs_first: flax, pixels: None } })
}

impl Module {
    /// How many units or channels it reads, and how many it gives.
    pub fn widths(&self) -> (usize, usize) {
        match self.kind {
            Kind::Linear { inputs, outputs } | Kind::Conv { inputs, outputs, .. } => (inputs, outputs),
            Kind::Norm { units, .. } => (units, units),
        }
    }

    /// The name of its layer: that of the file, in letters that a layer may have.
    pub fn layer_name(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' };
        match self.path.as_str() {
            "" | "input" | "output" => format!("{}_layer", self.path),
            path => path.chars().map(plain).collect(),
        }
    }

    /// The places of its tensors.
    pub fn bound(&self) -> Vec<Bound> {
        let name = self.layer_name();
        let at = |suffix: &str, tensor: usize, layout: Layout| Bound { parameter: format!("{name}.{suffix}"), tensor, layout };
        let is_norm = matches!(self.kind, Kind::Norm { .. });
        let mut bound = vec![at(if is_norm { "scale" } else { "weight" }, self.weight, self.layout)];
        bound.extend(self.bias.map(|bias| at(if is_norm { "shift" } else { "bias" }, bias, Layout::default())));
        if let Some((mean, variance)) = self.running {
            bound.push(at("running-mean", mean, Layout::default()));
            bound.push(at("running-variance", variance, Layout::default()));
        }
        bound
    }

    /// Its layer; a convolution with this stride and as much padding as keeps the size.
    pub fn layer(&self, stride: usize, epsilon: f64) -> Layer {
        let name = Some(self.layer_name());
        match self.kind {
            Kind::Linear { outputs, .. } => Layer::Linear { name, out: Width::Count(outputs), bias: self.bias.is_some() },
            Kind::Conv { outputs, kernel, .. } => {
                let padding = Some(kernel.saturating_sub(1) / 2);
                Layer::Conv { name, out: Width::Count(outputs), kernel, stride, padding, bias: self.bias.is_some() }
            }
            Kind::Norm { kind, .. } => Layer::Norm { name, kind, epsilon },
        }
    }
}

/// Whether two names differ first in a number, or one has a number where the other ends.
pub(super) fn tells_order(left: &str, right: &str) -> bool {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let same = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum::<usize>();
    // A number is compared as a whole: `1.conv` and `10.conv` differ in it.
    let in_number = [left, right].iter().any(|name| name[same..].starts_with(is_digit)) && left[..same].ends_with(is_digit);
    let rest = |name: &str| name[same..].trim_start_matches(['.', '_', '-']).to_owned();
    in_number || [rest(left), rest(right)].iter().all(|rest| rest.is_empty() || rest.starts_with(is_digit))
}

/// Whether the names alone say in which order these stand.
pub(super) fn names_tell(modules: &[&Module]) -> bool {
    modules.iter().enumerate().all(|(place, module)| modules[..place].iter().all(|other| tells_order(&other.path, &module.path)))
}

/// Whether a norm is called as a layer is, and more: `first_norm` behind `first`.
pub(super) fn is_named_after(norm: &Module, layer: &Module) -> bool {
    norm.path.strip_prefix(&layer.path).is_some_and(|rest| rest.starts_with(['_', '-']))
}

/// What to say of two layers of which neither names nor a file, told by these words, say which comes first.
pub(super) fn untold_pair(one: &Module, other: &Module, file: &str) -> String {
    let what =
        if one.kind == other.kind { format!("has the shape of `{}`", one.path) } else { format!("could stand where `{}` does", one.path) };
    format!("{what}, and neither their names nor {file} say which comes first")
}

/// Two of these that have one shape, so that they could stand for each other, and whose names do not say which comes first, with words for it.
pub(super) fn untold<'a>(modules: &[&'a Module]) -> Option<(&'a Module, String)> {
    modules.iter().enumerate().find_map(|(place, module)| {
        let twin = modules[..place].iter().find(|twin| twin.kind == module.kind && !tells_order(&twin.path, &module.path))?;
        let problem = untold_pair(twin, module, "the file, whose tensors are sorted,");
        Some((*module, problem))
    })
}

/// Orders names as people do: numbers in them by their value.
pub(super) fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        match (digits(a), digits(b)) {
            (0, _) | (_, 0) => match (a.chars().next(), b.chars().next()) {
                (Some(x), Some(y)) if x == y => {
                    a = &a[x.len_utf8()..];
                    b = &b[y.len_utf8()..];
                }
                (x, y) => return x.cmp(&y),
            },
            (m, n) => {
                let (x, y) = (a[..m].trim_start_matches('0'), b[..n].trim_start_matches('0'));
                match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                    Ordering::Equal => {
                        a = &a[m..];
                        b = &b[n..];
                    }
                    other => return other,
                }
            }
        }
    }
}
