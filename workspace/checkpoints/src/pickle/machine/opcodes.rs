//! What each opcode does, of protocols 0 to 5.
//!
//! Source: CPython, `Lib/pickletools.py`.

use super::{MOST_VALUES, Machine, wrong};
use crate::error::Fault;
use crate::pickle::{Node, Value};

impl Machine<'_> {
    /// One opcode; false at the stop.
    pub(super) fn step(&mut self) -> Result<bool, Fault> {
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
