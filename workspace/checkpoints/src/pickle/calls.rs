//! The calls that a pickle may ask for, and what becomes of them. This list is the whole of it.

use super::machine::Machine;
use super::value::{Node, NodeId, Pickled, QUANTISED, SPARSE, TensorPlace, Value};
use crate::Dtype;
use crate::error::Fault;

/// How deep a tensor may be wrapped in calls that rebuild it.
const DEEPEST: usize = 8;

/// Calls whose result is of no interest, and which as data are nothing but a name; what they make.
const OTHER: [(&str, &str, &str); 38] = [
    ("builtins", "bytearray", "bytes"),
    ("builtins", "complex", "a complex number"),
    ("builtins", "slice", "a slice"),
    ("builtins", "range", "a range"),
    ("builtins", "object", "an object"),
    // A bound method among the hooks of a module. It is never bound, so nothing can be reached through it.
    ("builtins", "getattr", "a bound method"),
    ("_codecs", "encode", "bytes"),
    ("functools", "partial", "a function"),
    ("operator", "attrgetter", "a function"),
    ("operator", "itemgetter", "a function"),
    ("datetime", "datetime", "a date"),
    ("datetime", "date", "a date"),
    ("datetime", "timedelta", "a span of time"),
    ("decimal", "Decimal", "a number"),
    ("fractions", "Fraction", "a number"),
    ("uuid", "UUID", "an identifier"),
    ("pathlib", "Path", "a path"),
    ("pathlib", "PosixPath", "a path"),
    ("pathlib", "WindowsPath", "a path"),
    ("pathlib", "PurePosixPath", "a path"),
    ("pathlib", "PureWindowsPath", "a path"),
    ("pathlib._local", "PosixPath", "a path"),
    ("pathlib._local", "WindowsPath", "a path"),
    ("collections", "Counter", "a counter"),
    ("collections", "deque", "a list"),
    ("weakref", "ref", "a reference"),
    ("numpy", "dtype", "a NumPy type"),
    ("numpy.core.multiarray", "scalar", "a NumPy number"),
    ("numpy._core.multiarray", "scalar", "a NumPy number"),
    ("numpy.core.multiarray", "_reconstruct", "a NumPy array"),
    ("numpy._core.multiarray", "_reconstruct", "a NumPy array"),
    ("numpy._core.numeric", "_frombuffer", "a NumPy array"),
    ("torch", "device", "a device"),
    ("torch._C", "Generator", "a generator of random numbers"),
    ("torch._utils", "_rebuild_sparse_tensor", SPARSE),
    ("torch._utils", "_rebuild_qtensor", QUANTISED),
    ("torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor without numbers"),
    ("torch.serialization", "_get_layout", "a layout"),
];

/// Modules whose classes do things when an instance is made, or lead to what does. No network has them.
const NEVER: [&str; 24] = [
    "builtins",
    "os",
    "posix",
    "nt",
    "posixpath",
    "sys",
    "subprocess",
    "shutil",
    "socket",
    "importlib",
    "imp",
    "runpy",
    "pty",
    "ctypes",
    "code",
    "codeop",
    "pickle",
    "_pickle",
    "webbrowser",
    "asyncio",
    "multiprocessing",
    "threading",
    "tempfile",
    "pip",
];

/// A global's names, as Python 3 calls them.
fn names(pickled: &Pickled, callable: Value) -> Option<(&str, &str)> {
    match pickled.node(callable)? {
        Node::Global { module, name } => Some((if &**module == "__builtin__" { "builtins" } else { module }, name)),
        _ => None,
    }
}

/// The error for a call that is not on the list.
pub(super) fn refused(pickled: &Pickled, callable: Value) -> Fault {
    let name =
        names(pickled, callable).map_or_else(|| "a value that is no function".to_owned(), |(module, name)| format!("`{module}.{name}`"));
    Fault::new(
        format!("asks for {name}, a callable that is not allowed; nothing was run"),
        "save the tensors alone: `torch.save(model.state_dict(), \"net.pt\")`. Do not load this file elsewhere unless you trust its maker",
    )
}

/// Whether making an instance of this class without a call is mere data.
pub(super) fn is_inert_class(pickled: &Pickled, class: Value) -> bool {
    names(pickled, class).is_some_and(|(module, _)| {
        let top = module.split('.').next().unwrap_or(module);
        module == "collections" || !NEVER.contains(&top)
    })
}

/// An instance of a class. Dictionaries by another name stay dictionaries.
pub(super) fn instance(pickled: &Pickled, class: NodeId) -> Node {
    match names(pickled, Value::Node(class)) {
        Some(("collections", "OrderedDict" | "defaultdict")) => Node::Dict(Vec::new()),
        _ => Node::Object { class, state: Value::None },
    }
}

/// Carries out a call, where it is on the list.
pub(super) fn call(machine: &mut Machine<'_>, callable: Value, arguments: Value, depth: usize) -> Result<Value, Fault> {
    let given = match machine.out.items(arguments) {
        Some(items) => items.to_vec(),
        None => return Err(machine.fault("a call without arguments")),
    };
    let Some((module, name)) = names(&machine.out, callable) else { return Err(refused(&machine.out, callable)) };
    let first = given.first().copied();
    match (module, name) {
        ("collections", "OrderedDict") | ("builtins", "dict") => {
            // Old pickles give the pairs at once.
            let pairs: Vec<(Value, Value)> = first
                .and_then(|list| machine.out.items(list))
                .unwrap_or_default()
                .iter()
                .filter_map(|&pair| match machine.out.items(pair) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                })
                .collect();
            machine.node(Node::Dict(pairs))
        }
        ("collections", "defaultdict") => machine.node(Node::Dict(Vec::new())),
        ("builtins", "set" | "frozenset" | "list" | "tuple") | ("torch", "Size") => {
            let items = first.and_then(|list| machine.out.items(list)).map(<[Value]>::to_vec).unwrap_or_default();
            machine.node(Node::List(items))
        }
        ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__" | "__newobj_ex__") => match first {
            Some(Value::Node(class)) if is_inert_class(&machine.out, Value::Node(class)) => {
                let node = instance(&machine.out, class);
                machine.node(node)
            }
            first => Err(refused(&machine.out, first.unwrap_or(callable))),
        },
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            first.ok_or_else(|| machine.fault("a parameter without a tensor"))
        }
        ("torch._tensor", "_rebuild_from_type_v2") if depth < DEEPEST => match given.as_slice() {
            &[function, _class, arguments, ..] => call(machine, function, arguments, depth + 1),
            _ => Err(machine.fault("a tensor without its parts")),
        },
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => tensor(machine, &given, None),
        ("torch._utils", "_rebuild_tensor_v3") => {
            let dtype = given.get(6).and_then(|&dtype| names(&machine.out, dtype)).and_then(|(_, name)| Dtype::from_torch(name));
            match dtype {
                Some(dtype) => tensor(machine, &given, Some(dtype)),
                None => Err(machine.fault("a tensor of a type that is not known")),
            }
        }
        ("torch.nn.parameter", "Parameter") => first.ok_or_else(|| machine.fault("a parameter without a tensor")),
        (module, name) => match OTHER.iter().find(|other| (other.0, other.1) == (module, name)) {
            Some(&(.., what)) => machine.node(Node::Other(what)),
            None => Err(refused(&machine.out, callable)),
        },
    }
}

/// A view of a storage: `(storage, offset, shape, strides, ..)`, at its end what is lazily done to the numbers: a sign turned, a conjugate.
fn tensor(machine: &mut Machine<'_>, given: &[Value], dtype: Option<Dtype>) -> Result<Value, Fault> {
    let marks = given.get(if dtype.is_some() { 7 } else { 6 }).and_then(|&marks| machine.out.node(marks));
    if matches!(marks, Some(Node::Dict(marks)) if !marks.is_empty()) {
        let hint = "save it after `.resolve_neg().resolve_conj()`";
        return Err(Fault::new("holds a tensor whose numbers are not as stored, but with another sign", hint));
    }
    let fault = |what: &str, machine: &Machine<'_>| machine.fault(format!("a tensor whose {what} is none"));
    let &[storage, Value::Int(offset), shape, strides, ..] = given else { return Err(fault("place", machine)) };
    let Some(&Node::Storage(storage)) = machine.out.node(storage) else { return Err(fault("storage", machine)) };
    let extents = |value: Value| -> Option<Vec<usize>> {
        let number = |&item: &Value| match item {
            Value::Int(extent) => usize::try_from(extent).ok(),
            _ => None,
        };
        machine.out.items(value)?.iter().map(number).collect()
    };
    let shape = extents(shape).ok_or_else(|| fault("shape", machine))?;
    let strides = extents(strides).filter(|strides| strides.len() == shape.len()).ok_or_else(|| fault("strides", machine))?;
    let offset = usize::try_from(offset).map_err(|_| fault("offset", machine))?;
    machine.node(Node::Tensor(Box::new(TensorPlace { storage, dtype, offset, shape, strides })))
}
