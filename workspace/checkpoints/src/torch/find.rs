//! Which tensors of a pickle are the network's.

use std::collections::HashSet;

use crate::error::Fault;
use crate::pickle::{Node, Pickled, QUANTISED, SPARSE, StorageId, TensorPlace, Value};

/// Deeper than any module is nested.
const DEEPEST: usize = 64;

/// More attributes than all modules of a network have.
const MOST_ATTRIBUTES: usize = 2_000_000;

/// Keys under which no network lies, though tensors may: what a training kept beside it.
const BESIDE: [&str; 10] = ["optim", "sched", "scaler", "rng", "callback", "loop", "hyper_param", "grad_scaler", "amp", "random"];

/// The tensors that were found, where in the file, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub nesting: Vec<String>,
    /// Keys beside those of the nesting, and what they hold.
    pub beside: Vec<(String, Value)>,
    pub tensors: Vec<(String, &'a TensorPlace)>,
    pub passed_over: Vec<String>,
}

/// The state dict of a pickle: the value itself, or the one below a key.
pub(super) fn find<'a>(pickled: &'a Pickled, key: Option<&str>) -> Result<Found<'a>, Fault> {
    let root = pickled.root.expect("a pickle that was read has a root");
    let mut nesting: Vec<String> = Vec::new();
    let mut beside = Vec::new();
    let mut place = root;
    let mut rest = key.unwrap_or_default();
    while !rest.is_empty() {
        let Some(Node::Dict(dict)) = pickled.node(place) else {
            return Err(Fault::new(format!("has no key `{rest}`: there is no dictionary"), "leave the key out"));
        };
        let (name, further) = rest.split_once('.').unwrap_or((rest, ""));
        let (name, below) = match (pickled.attribute(dict, name), candidates_of(pickled, dict).as_slice()) {
            (Some(below), _) => {
                rest = further;
                (name, below)
            }
            // What the names of tensors begin with.
            (None, _) if is_state_dict(pickled, dict) => {
                let found = of_dict(pickled, dict).below(rest).ok_or_else(|| no_key(pickled, dict, rest))?;
                let beside = beside.into_iter().chain(found.beside).collect();
                return Ok(Found { nesting, beside, tensors: found.tensors, passed_over: found.passed_over });
            }
            (None, &[(name, below)]) => (name, below),
            (None, _) => return Err(no_key(pickled, dict, name)),
        };
        beside.extend(others(pickled, dict, &nesting, name));
        nesting.push(name.to_owned());
        if nesting.len() > DEEPEST {
            return Err(Fault::damaged("has dictionaries inside of each other without an end"));
        }
        place = below;
    }
    let mut seen = HashSet::new();
    loop {
        if let Some(found) = tensors(pickled, place) {
            let found = found?;
            // Left out, they would make another network.
            if let Some(strange) = found.passed_over.iter().find(|line| line.ends_with(SPARSE) || line.ends_with(QUANTISED)) {
                return Err(Fault::new(
                    format!("holds {strange}, expected dense tensors of floating numbers"),
                    "save it after `.to_dense()`, or `.dequantize()`",
                ));
            }
            return Ok(Found { nesting, beside, ..found });
        }
        let candidates = candidates(pickled, place);
        match candidates.as_slice() {
            &[] => break,
            &[(name, value)] => {
                if !seen.insert(name) || nesting.len() >= DEEPEST {
                    break;
                }
                if let Some(Node::Dict(dict)) = pickled.node(place) {
                    beside.extend(others(pickled, dict, &nesting, name));
                }
                nesting.push(name.to_owned());
                place = value;
            }
            several => {
                let prefix: String = nesting.iter().map(|key| format!("{key}.")).collect();
                let names: Vec<String> = several.iter().map(|(name, _)| format!("`{prefix}{name}`")).collect();
                let both = if names.len() == 2 { "both " } else { "" };
                let names = names.join(if names.len() == 2 { " and " } else { ", " });
                let hint = format!("say which network is meant: `--key {prefix}{0}`, or `key = \"{prefix}{0}\"` in a spec", several[0].0);
                return Err(Fault::new(format!("holds {both}{names}, one network is expected"), hint));
            }
        }
    }
    Err(Fault::new(
        "holds no tensors by name",
        "expected a state dict, one under a key, or a module: `torch.save(model.state_dict(), \"net.pt\")`",
    ))
}

impl Found<'_> {
    /// The keys beside the network that hold some of its numbers, so that these change with it.
    pub fn sharing(&self, pickled: &Pickled) -> Vec<String> {
        let storages: HashSet<StorageId> = self.tensors.iter().map(|(_, tensor)| tensor.storage).collect();
        let shares = |(name, value): &(String, Value)| holds_one(pickled, *value, &storages).then(|| name.clone());
        self.beside.iter().filter_map(shares).collect()
    }

    /// The tensors alone whose names begin with a prefix and a point; what others begin with is beside them. None where there are none.
    fn below(mut self, prefix: &str) -> Option<Self> {
        let is_below = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        for (name, _) in self.tensors.iter().filter(|(name, _)| !is_below(name)) {
            let first = name.split('.').next().unwrap_or_default().to_owned();
            if !self.beside.iter().any(|(other, _)| *other == first) {
                self.beside.push((first, Value::None));
            }
        }
        self.tensors.retain(|(name, _)| is_below(name));
        (!self.tensors.is_empty()).then_some(self)
    }
}

/// The keys of a dictionary but one, below those of the nesting.
fn others(pickled: &Pickled, dict: &[(Value, Value)], nesting: &[String], key: &str) -> Vec<(String, Value)> {
    let prefix: String = nesting.iter().map(|key| format!("{key}.")).collect();
    let entries = dict.iter().filter_map(|&(name, value)| Some((pickled.text(name)?, value))).filter(|(name, _)| *name != key);
    entries.map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
}

/// Whether a value holds, however deep, a tensor in one of these storages.
fn holds_one(pickled: &Pickled, value: Value, storages: &HashSet<StorageId>) -> bool {
    let (mut open, mut seen) = (vec![value], HashSet::new());
    while let Some(value) = open.pop() {
        let Value::Node(id) = value else { continue };
        if !seen.insert(id) {
            continue;
        }
        match pickled.node(value) {
            Some(Node::Tensor(tensor)) if storages.contains(&tensor.storage) => return true,
            Some(Node::Tuple(items) | Node::List(items)) => open.extend(items),
            Some(Node::Dict(items)) => open.extend(items.iter().map(|(_, value)| *value)),
            Some(Node::Object { state, .. }) => open.push(*state),
            _ => {}
        }
    }
    false
}

fn no_key(pickled: &Pickled, dict: &[(Value, Value)], key: &str) -> Fault {
    let names: Vec<String> = dict.iter().filter_map(|&(name, _)| Some(format!("`{}`", pickled.text(name)?))).take(20).collect();
    Fault::new(format!("has no key `{key}`"), format!("it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
}

/// The tensors of a state dict or module; none where the value is neither.
fn tensors(pickled: &Pickled, value: Value) -> Option<Result<Found<'_>, Fault>> {
    match pickled.node(value)? {
        Node::Dict(dict) => is_state_dict(pickled, dict).then(|| Ok(of_dict(pickled, dict))),
        Node::Object { .. } => {
            let mut found = Found::default();
            match of_module(pickled, value, "", 0, &mut found) {
                Ok(()) if found.tensors.is_empty() => None,
                Ok(()) => Some(Ok(found)),
                Err(fault) => Some(Err(fault)),
            }
        }
        _ => None,
    }
}

fn tensor(pickled: &Pickled, value: Value) -> Option<&TensorPlace> {
    match pickled.node(value)? {
        Node::Tensor(tensor) => Some(tensor),
        _ => None,
    }
}

/// Whether the tensors right here are those of layers: a lone `best_loss` beside a `model` is not.
fn is_state_dict(pickled: &Pickled, dict: &[(Value, Value)]) -> bool {
    let named = dict.iter().filter_map(|&(name, value)| Some((pickled.text(name)?, tensor(pickled, value)?)));
    let (mut any, mut is_of_layers) = (false, false);
    for (name, tensor) in named {
        any = true;
        is_of_layers |= !tensor.shape.is_empty() && (name.contains('.') || name == "weight" || name == "bias");
    }
    // A state of a random generator, or the mean of images, beside a `model`, is no network's either.
    is_of_layers || any && candidates_of(pickled, dict).is_empty()
}

fn candidates(pickled: &Pickled, value: Value) -> Vec<(&str, Value)> {
    match pickled.node(value) {
        Some(Node::Dict(dict)) => candidates_of(pickled, dict),
        _ => Vec::new(),
    }
}

/// Entries that are networks; where there are none, those that hold one further down.
fn candidates_of<'a>(pickled: &'a Pickled, dict: &[(Value, Value)]) -> Vec<(&'a str, Value)> {
    let named: Vec<(&str, Value)> = dict
        .iter()
        .filter_map(|&(name, value)| Some((pickled.text(name)?, value)))
        .filter(|(name, _)| !BESIDE.iter().any(|beside| name.to_lowercase().contains(beside)))
        .collect();
    let is_network = |value: Value| match pickled.node(value) {
        Some(Node::Dict(inner)) => inner
            .iter()
            .any(|&(name, value)| pickled.text(name).is_some() && tensor(pickled, value).is_some_and(|tensor| !tensor.shape.is_empty())),
        Some(Node::Object { .. }) => tensors(pickled, value).is_some(),
        _ => false,
    };
    let networks: Vec<(&str, Value)> = named.iter().copied().filter(|&(_, value)| is_network(value)).collect();
    if !networks.is_empty() {
        return networks;
    }
    let below = |value: Value| match pickled.node(value) {
        Some(Node::Dict(inner)) => inner.iter().any(|&(name, value)| pickled.text(name).is_some() && is_network(value)),
        _ => false,
    };
    named.into_iter().filter(|&(_, value)| below(value)).collect()
}

fn of_dict<'a>(pickled: &'a Pickled, dict: &[(Value, Value)]) -> Found<'a> {
    let mut found = Found::default();
    let mut places = std::collections::HashMap::new();
    for &(name, value) in dict {
        let Some(name) = pickled.text(name) else {
            found.passed_over.push(format!("{}: {}", word(pickled, name), word(pickled, value)));
            continue;
        };
        match tensor(pickled, value) {
            // As in Python, the last of equal keys counts, at the place of the first.
            Some(tensor) => match places.get(name) {
                Some(&place) => found.tensors[place] = (name.to_owned(), tensor),
                None => {
                    places.insert(name, found.tensors.len());
                    found.tensors.push((name.to_owned(), tensor));
                }
            },
            None => found.passed_over.push(format!("`{name}`: {}", word(pickled, value))),
        }
    }
    found
}

/// Parameters and buffers of a module and of those inside, as `state_dict()` names them.
fn of_module<'a>(pickled: &'a Pickled, module: Value, prefix: &str, depth: usize, found: &mut Found<'a>) -> Result<(), Fault> {
    let Some(Node::Object { class, state }) = pickled.node(module) else { return Ok(()) };
    if depth > DEEPEST || found.tensors.len() > 1_000_000 {
        return Err(Fault::damaged(format!("has modules inside of each other without an end, at `{prefix}`")));
    }
    if let Some(Node::Global { module, name }) = pickled.nodes.get(*class as usize)
        && (name.contains("ScriptModule") || module.starts_with("torch.fx"))
    {
        return Err(Fault::new(format!("holds a `{module}.{name}`, whose tensors have no names"), "save its state dict"));
    }
    // Slots, where there are any, are the second of two.
    let attributes = match pickled.node(*state) {
        Some(Node::Dict(dict)) => dict,
        Some(Node::Tuple(items)) => match items.first().and_then(|&first| pickled.node(first)) {
            Some(Node::Dict(dict)) => dict,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    pickled.looked_at.set(pickled.looked_at.get().saturating_add(attributes.len() + 1));
    if pickled.looked_at.get() > MOST_ATTRIBUTES {
        return Err(Fault::damaged(format!("has more modules than any network, at `{prefix}`")));
    }
    let entries = |key: &str| match pickled.attribute(attributes, key).and_then(|value| pickled.node(value)) {
        Some(Node::Dict(dict)) => dict.as_slice(),
        _ => &[],
    };
    let fleeting: HashSet<&str> = (pickled.attribute(attributes, "_non_persistent_buffers_set"))
        .and_then(|set| pickled.items(set))
        .unwrap_or_default()
        .iter()
        .filter_map(|&name| pickled.text(name))
        .collect();
    for (key, &(name, value)) in
        entries("_parameters").iter().map(|entry| (true, entry)).chain(entries("_buffers").iter().map(|entry| (false, entry)))
    {
        let Some(name) = pickled.text(name) else { continue };
        if let Some(tensor) = tensor(pickled, value)
            && (key || !fleeting.contains(name))
        {
            found.tensors.push((format!("{prefix}{name}"), tensor));
        }
    }
    for &(name, value) in entries("_modules") {
        if let Some(name) = pickled.text(name) {
            of_module(pickled, value, &format!("{prefix}{name}."), depth + 1, found)?;
        }
    }
    Ok(())
}

/// What a value is, for a person.
fn word(pickled: &Pickled, value: Value) -> String {
    match value {
        Value::None => "`None`".to_owned(),
        Value::Bool(value) => format!("`{}`", if value { "True" } else { "False" }),
        Value::Int(value) => format!("the number `{value}`"),
        Value::Float(value) => format!("the number `{value}`"),
        Value::Node(_) => match pickled.node(value) {
            Some(Node::Text(text)) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
            Some(Node::Bytes(bytes)) => format!("{} bytes", bytes.len()),
            Some(Node::Tuple(items) | Node::List(items)) => format!("a list of {}", items.len()),
            Some(Node::Dict(items)) => format!("a dictionary of {}", items.len()),
            Some(Node::Global { module, name }) => format!("`{module}.{name}`"),
            Some(Node::Object { .. }) => "an object".to_owned(),
            Some(Node::Storage(_)) => "a storage without a shape".to_owned(),
            Some(Node::Tensor(_)) => "a tensor".to_owned(),
            Some(Node::Other(what)) => (*what).to_owned(),
            None => "nothing".to_owned(),
        },
    }
}
