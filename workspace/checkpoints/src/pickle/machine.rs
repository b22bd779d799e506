mod opcodes;

use std::collections::HashMap;

use super::calls;
use super::value::{Node, NodeId, Pickled, StoragePlace, Value};
use crate::Dtype;
use crate::error::Fault;

/// More values than any checkpoint has; a list of so many integers is no network.
const MOST_NODES: usize = 4_000_000;

/// Values in lists and on the stack, which take memory though the file repeats itself.
const MOST_VALUES: usize = 32_000_000;

/// Follows a pickle to its stop.
pub(crate) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Where on the stack each open mark lies.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    values: usize,
    /// Storages that were met, by key and offset.
    storages: HashMap<(String, usize), usize>,
    pub(super) out: Pickled,
}

/// Reads the pickle at the beginning of the bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<Pickled, Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        values: 0,
        storages: HashMap::new(),
        out: Pickled::default(),
    };
    while machine.step()? {}
    machine.out.length = machine.at;
    Ok(machine.out)
}

fn wrong(problem: impl std::fmt::Display, at: usize) -> Fault {
    Fault::damaged(format!("has a pickle that is none: {problem} at byte {at}"))
}

impl Machine<'_> {
    pub(super) fn fault(&self, problem: impl std::fmt::Display) -> Fault {
        wrong(problem, self.at)
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        let rest = &self.bytes[self.at..];
        if count > rest.len() {
            return Err(Fault::damaged(format!(
                "is cut short: its pickle goes on for {count} bytes at byte {}, the file for {}",
                self.at,
                rest.len()
            )));
        }
        self.at += count;
        Ok(&rest[..count])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.take(N)?.try_into().expect("as many bytes as asked for"))
    }

    fn byte(&mut self) -> Result<usize, Fault> {
        Ok(usize::from(self.array::<1>()?[0]))
    }

    fn four(&mut self) -> Result<usize, Fault> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn eight(&mut self) -> Result<usize, Fault> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| self.fault("a length beyond all memory"))
    }

    fn line(&mut self) -> Result<&str, Fault> {
        let at = self.at;
        let rest = &self.bytes[at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| wrong("a line without an end", at))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| wrong("a line that is no text", at))
    }

    fn push(&mut self, value: Value) -> Result<(), Fault> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(self.fault(format!("more than {MOST_VALUES} values")));
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn node(&mut self, node: Node) -> Result<Value, Fault> {
        if self.out.nodes.len() >= MOST_NODES {
            return Err(self.fault(format!("more than {MOST_NODES} objects")));
        }
        self.out.nodes.push(node);
        Ok(Value::Node(self.out.nodes.len() as NodeId - 1))
    }

    fn push_node(&mut self, node: Node) -> Result<(), Fault> {
        let value = self.node(node)?;
        self.push(value)
    }

    fn text(&mut self, count: usize) -> Result<(), Fault> {
        // Lone surrogates are legal in Python's text; they are no name of a tensor.
        let text = String::from_utf8_lossy(self.take(count)?).into_owned();
        self.push_node(Node::Text(text.into()))
    }

    fn raw(&mut self, count: usize) -> Result<(), Fault> {
        let bytes = self.take(count)?.into();
        self.push_node(Node::Bytes(bytes))
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        if self.marks.last().is_some_and(|&mark| mark >= self.stack.len()) {
            return Err(self.fault("a mark where a value is expected"));
        }
        self.stack.pop().ok_or_else(|| self.fault("an empty stack"))
    }

    fn top(&self) -> Result<Value, Fault> {
        self.stack.last().copied().ok_or_else(|| self.fault("an empty stack"))
    }

    /// What lies above the last mark.
    fn marked(&mut self) -> Result<Vec<Value>, Fault> {
        let mark = self.marks.pop().ok_or_else(|| self.fault("no mark"))?;
        if mark > self.stack.len() {
            return Err(self.fault("a mark beyond the stack"));
        }
        Ok(self.stack.split_off(mark))
    }

    fn several(&mut self, count: usize) -> Result<Vec<Value>, Fault> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<Value>, Fault>>()?;
        values.reverse();
        Ok(values)
    }

    fn memoize(&mut self, index: usize) -> Result<(), Fault> {
        // Pickles count their memos one by one, so an index far beyond is no pickle of Python's.
        if index >= MOST_NODES || index > self.at {
            return Err(self.fault(format!("memo {index}")));
        }
        let value = self.top()?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(value);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), Fault> {
        let value = self.memo.get(index).copied().flatten().ok_or_else(|| self.fault(format!("memo {index}, which is not there")))?;
        self.push(value)
    }

    fn list_of(&mut self, target: Value) -> Result<&mut Vec<Value>, Fault> {
        let fault = self.fault("an item for what is no list");
        match target {
            Value::Node(id) => match &mut self.out.nodes[id as usize] {
                Node::List(items) => Ok(items),
                _ => Err(fault),
            },
            _ => Err(fault),
        }
    }

    fn extend(&mut self, items: Vec<Value>) -> Result<(), Fault> {
        let target = self.top()?;
        // Items of an object that is no list (a deque, an array of a library) are of no interest.
        if let Some(Node::Object { .. } | Node::Other(_)) = self.out.node(target) {
            return Ok(());
        }
        self.list_of(target)?.extend(items);
        Ok(())
    }

    fn set_items(&mut self, items: &[Value]) -> Result<(), Fault> {
        let target = self.top()?;
        let fault = self.fault("an item for what is no dictionary");
        if !items.len().is_multiple_of(2) {
            return Err(self.fault("a key without a value"));
        }
        let Value::Node(id) = target else { return Err(fault) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        match &mut self.out.nodes[id as usize] {
            Node::Dict(dict) => dict.extend(pairs),
            Node::Object { .. } | Node::Other(_) => {}
            _ => return Err(fault),
        }
        Ok(())
    }

    fn dict_of(&mut self, items: &[Value]) -> Result<(), Fault> {
        self.push_node(Node::Dict(Vec::new()))?;
        self.set_items(items)
    }

    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let target = self.top()?;
        if let Value::Node(id) = target
            && let Node::Object { state: attributes, .. } = &mut self.out.nodes[id as usize]
        {
            *attributes = state;
        }
        // The attributes of a dictionary (`_metadata`), and of what is of no interest, are not looked at.
        Ok(())
    }

    /// An instance made without a call that could do anything: only its name is kept.
    fn instance(&mut self, class: Value) -> Result<(), Fault> {
        match class {
            Value::Node(id) if calls::is_inert_class(&self.out, class) => {
                let node = calls::instance(&self.out, id);
                self.push_node(node)
            }
            _ => Err(calls::refused(&self.out, class)),
        }
    }

    fn call(&mut self, callable: Value, arguments: Value) -> Result<(), Fault> {
        let value = calls::call(self, callable, arguments, 0)?;
        self.push(value)
    }

    fn persistent(&mut self, id: Value) -> Result<(), Fault> {
        let fault = |machine: &Machine<'_>| machine.fault("a persistent id that is no storage");
        let parts = self.out.items(id).ok_or_else(|| fault(self))?.to_vec();
        match (parts.first().and_then(|&kind| self.out.text(kind)), parts.as_slice()) {
            // A class with its source, of a whole module in the legacy format.
            (Some("module"), &[_, class, ..]) => self.push(class),
            (Some("storage"), &[_, class, key, _, Value::Int(count), ref rest @ ..]) => {
                let (Some(Node::Global { name, .. }), Some(key)) = (self.out.node(class), self.out.text(key)) else {
                    return Err(fault(self));
                };
                let dtype = match name.as_ref() {
                    "UntypedStorage" => None,
                    name => match Dtype::from_storage(name) {
                        Some(dtype) => Some(dtype),
                        None => {
                            return Err(Fault::new(format!("has a storage of type `{name}`, which is not known"), "convert it to float32"));
                        }
                    },
                };
                let offset = match rest.first().and_then(|&view| self.out.items(view)) {
                    Some(&[_, Value::Int(offset), _]) => usize::try_from(offset).map_err(|_| fault(self))?,
                    _ => 0,
                };
                let count = usize::try_from(count).map_err(|_| self.fault(format!("a storage of {count} numbers")))?;
                let storage = StoragePlace { key: key.to_owned(), dtype, count, offset };
                let id = match self.storages.get(&(storage.key.clone(), offset)) {
                    Some(&id) if self.out.storages[id] == storage => id,
                    Some(_) => return Err(self.fault(format!("storage `{}` with two sizes or types", storage.key))),
                    None => {
                        self.storages.insert((storage.key.clone(), offset), self.out.storages.len());
                        self.out.storages.push(storage);
                        self.out.storages.len() - 1
                    }
                };
                self.push_node(Node::Storage(id))
            }
            _ => Err(fault(self)),
        }
    }

    fn global(&mut self, module: String, name: String) -> Result<(), Fault> {
        self.push_node(Node::Global { module: module.into(), name: name.into() })
    }

    fn long(&mut self, count: usize) -> Result<(), Fault> {
        let bytes = self.take(count)?;
        if count > 8 {
            return self.push_node(Node::Other("a large number"));
        }
        let negative = bytes.last().is_some_and(|&last| last >= 0x80);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide[..count].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn number(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let line = self.line()?;
        let value = match line {
            "00" => Some(Value::Bool(false)),
            "01" => Some(Value::Bool(true)),
            line => line.trim_end_matches('L').parse().ok().map(Value::Int),
        };
        match value {
            Some(value) => self.push(value),
            None if line.len() > 18 => self.push_node(Node::Other("a large number")),
            None => Err(wrong("a number that is none", at)),
        }
    }
}
