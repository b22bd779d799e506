use std::cell::Cell;

use crate::Dtype;

/// Index of a [`Node`].
pub(crate) type NodeId = u32;

/// Index of a [`StoragePlace`].
pub(crate) type StorageId = usize;

/// What tensors are that are no dense ones of numbers.
pub(crate) const SPARSE: &str = "a sparse tensor";
pub(crate) const QUANTISED: &str = "a quantised tensor";

/// A small value, or where a larger one lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Node(NodeId),
}

/// A value with parts. Parts are shared by their index, so that a pickle that refers to one list a thousand times has it once.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Tuple(Vec<Value>),
    /// Lists, and sets with them.
    List(Vec<Value>),
    /// In the order of the file; the last of equal keys counts.
    Dict(Vec<(Value, Value)>),
    /// A class or function by its name, which is never looked up.
    Global {
        module: Box<str>,
        name: Box<str>,
    },
    /// An instance of a class that is not looked up, with what its attributes are set to.
    Object {
        class: NodeId,
        state: Value,
    },
    Storage(StorageId),
    Tensor(Box<TensorPlace>),
    /// A value that is allowed and of no interest; what it is.
    Other(&'static str),
}

/// A view of a storage, in numbers.
#[derive(Clone, Debug)]
pub(crate) struct TensorPlace {
    pub storage: StorageId,
    /// Where the storage itself is untyped.
    pub dtype: Option<Dtype>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Numbers outside of the pickle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoragePlace {
    pub key: String,
    /// None for bytes whose tensors say their type.
    pub dtype: Option<Dtype>,
    /// Numbers, or bytes of an untyped one.
    pub count: usize,
    /// Where in another storage it begins, in numbers.
    pub offset: usize,
}

/// What a pickle holds.
#[derive(Debug, Default)]
pub(crate) struct Pickled {
    pub nodes: Vec<Node>,
    pub storages: Vec<StoragePlace>,
    /// The value itself.
    pub root: Option<Value>,
    /// Bytes of the pickle, its stop included.
    pub length: usize,
    /// Attributes of modules looked at so far: modules that hold each other twice, and those in turn, are never done.
    pub looked_at: Cell<usize>,
}

impl Pickled {
    pub fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.nodes.get(id as usize),
            _ => None,
        }
    }

    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn items(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(items) | Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a text key.
    pub fn attribute(&self, dict: &[(Value, Value)], key: &str) -> Option<Value> {
        dict.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|&(_, value)| value)
    }
}
