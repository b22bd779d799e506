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

    /// One opcode; false at the stop.
    fn step(&mut self) -> Result<bool, Fault> {
        let at = self.at;
        let opcode = self.array::<1>()?[0];
        match opcode {
            0x80 => {
                let protocol = self.byte()?;
                if protocol > 5 {
                    return Err(wrong(format!("protocol {protocol}, expected at most 5"), at));
                }
            }
            0x95 => drop(self.eight()?),
            b'.' => {
                self.out.root = Some(self.pop()?);
                return Ok(false);
            }
            b'(' => {
                // A mark takes memory as a value does.
                self.values += 1;
                if self.values > MOST_VALUES {
                    return Err(self.fault(format!("more than {MOST_VALUES} values")));
                }
                self.marks.push(self.stack.len());
            }
            b'0' => {
                // Popping a lone mark is legal.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(value as i64))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(value)))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(value)))?;
            }
            b'I' | b'L' => self.number()?,
            0x8a => {
                let count = self.byte()?;
                self.long(count)?;
            }
            0x8b => {
                let count = self.four()?;
                self.long(count)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(value))?;
            }
            b'F' => {
                let value = self.line()?.trim().parse().map_err(|_| wrong("a number that is none", at))?;
                self.push(Value::Float(value))?;
            }
            b'X' => {
                let count = self.four()?;
                self.text(count)?;
            }
            0x8c => {
                let count = self.byte()?;
                self.text(count)?;
            }
            0x8d => {
                let count = self.eight()?;
                self.text(count)?;
            }
            b'V' | b'S' => {
                let line = self.line()?;
                let text = if opcode == b'S' { line.trim_matches(|quote| quote == '\'' || quote == '"') } else { line };
                let node = Node::Text(text.into());
                self.push_node(node)?;
            }
            b'T' => {
                let count = self.four()?;
                self.text(count)?;
            }
            b'U' => {
                let count = self.byte()?;
                self.text(count)?;
            }
            b'B' => {
                let count = self.four()?;
                self.raw(count)?;
            }
            b'C' => {
                let count = self.byte()?;
                self.raw(count)?;
            }
            0x8e | 0x96 => {
                let count = self.eight()?;
                self.raw(count)?;
            }
            b']' => self.push_node(Node::List(Vec::new()))?,
            0x8f => self.push_node(Node::List(Vec::new()))?,
            b'}' => self.push_node(Node::Dict(Vec::new()))?,
            b')' => self.push_node(Node::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let items = self.several(usize::from(opcode - 0x84))?;
                self.push_node(Node::Tuple(items))?;
            }
            b't' => {
                let items = self.marked()?;
                self.push_node(Node::Tuple(items))?;
            }
            b'l' | 0x91 => {
                let items = self.marked()?;
                self.push_node(Node::List(items))?;
            }
            b'd' => {
                let items = self.marked()?;
                self.dict_of(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.extend(items)?;
            }
            b's' => {
                let items = self.several(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set_items(&items)?;
            }
            b'c' => {
                let module = self.line()?.to_owned();
                let name = self.line()?.to_owned();
                self.global(module, name)?;
            }
            0x93 => {
                let parts = self.several(2)?;
                let (Some(module), Some(name)) = (self.out.text(parts[0]), self.out.text(parts[1])) else {
                    return Err(wrong("a global without a name", at));
                };
                let (module, name) = (module.to_owned(), name.to_owned());
                self.global(module, name)?;
            }
            b'R' => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.call(callable, arguments)?;
            }
            0x81 => {
                let _arguments = self.pop()?;
                let class = self.pop()?;
                self.instance(class)?;
            }
            0x92 => {
                let parts = self.several(3)?;
                self.instance(parts[0])?;
            }
            b'i' | b'o' => {
                // Both call a class.
                let callable = if opcode == b'i' {
                    let module = self.line()?.to_owned();
                    let name = self.line()?.to_owned();
                    self.node(Node::Global { module: module.into(), name: name.into() })?
                } else {
                    let mark = *self.marks.last().ok_or_else(|| wrong("no mark", at))?;
                    if mark >= self.stack.len() {
                        return Err(wrong("a call of nothing", at));
                    }
                    self.stack.remove(mark)
                };
                let arguments = self.marked()?;
                let arguments = self.node(Node::Tuple(arguments))?;
                self.call(callable, arguments)?;
            }
            b'b' => self.build()?,
            b'q' => {
                let index = self.byte()?;
                self.memoize(index)?;
            }
            b'r' => {
                let index = self.four()?;
                self.memoize(index)?;
            }
            b'p' => {
                let index = self.line()?.parse().map_err(|_| wrong("a memo without a number", at))?;
                self.memoize(index)?;
            }
            0x94 => self.memoize(self.memo.len())?,
            b'h' => {
                let index = self.byte()?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.four()?;
                self.recall(index)?;
            }
            b'g' => {
                let index = self.line()?.parse().map_err(|_| wrong("a memo without a number", at))?;
                self.recall(index)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?;
            }
            b'P' => return Err(wrong("a persistent id as text", at)),
            0x82..=0x84 => return Err(wrong("an extension code", at)),
            0x97 | 0x98 => return Err(wrong("a buffer outside of the pickle", at)),
            other => return Err(wrong(format!("opcode {other:#04x}"), at)),
        }
        Ok(true)
    }
}
