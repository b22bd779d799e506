use std::collections::HashMap;

use super::find::find;
use super::storages::{Content, bytes_of, load, scatter, tensors_of};
use crate::StateDict;
use crate::error::Fault;
use crate::pickle::{self, Node, Pickled, Value};

/// What the first pickle says: 0x1950a86a20f9469cfc6c.
const MAGIC: &[u8] = &[0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Reads the format before PyTorch 1.6: pickles of a magic number, a version, the system, the value and the storages' keys; then each
/// storage, a count of 8 bytes and its numbers.
pub(crate) fn from_legacy(bytes: &[u8], key: Option<&str>) -> Result<StateDict, Fault> {
    opened(bytes, key, |content| load(bytes, content))
}

/// The same file with other numbers in the tensors of `dict`.
pub(crate) fn legacy_with(bytes: &[u8], key: Option<&str>, dict: &StateDict) -> Result<Vec<u8>, Fault> {
    opened(bytes, key, |content| scatter(bytes, content, dict))
}

fn opened<R>(bytes: &[u8], key: Option<&str>, then: impl FnOnce(&Content<'_>) -> Result<R, Fault>) -> Result<R, Fault> {
    // Behind the protocol, and from protocol 4 on a frame.
    if !bytes[..bytes.len().min(32)].windows(MAGIC.len()).any(|window| window == MAGIC) {
        // A bare pickle holds no tensors that could be read, but what it asks for is worth a word.
        pickle::read(bytes)?;
        let hint = "expected what `torch.save` writes; save the weights with it, or as safetensors";
        return Err(Fault::new("is a pickle, but not one of PyTorch", hint));
    }
    let mut at = 0;
    let mut next = || -> Result<Pickled, Fault> {
        let pickled = pickle::read(&bytes[at..])?;
        at += pickled.length;
        Ok(pickled)
    };
    next()?;
    let version = next()?;
    if version.root != Some(Value::Int(1001)) {
        return Err(Fault::damaged("is of a version of PyTorch's legacy format that is not known, expected 1001"));
    }
    let system = next()?;
    let pickled = next()?;
    let keys = next()?;
    if let Some(Node::Dict(system_items)) = system.root.and_then(|root| system.node(root))
        && system.attribute(system_items, "little_endian") == Some(Value::Bool(false))
    {
        return Err(Fault::new("was written on a big-endian machine", "load it there and save it again with PyTorch 1.6 or later"));
    }
    let found = find(&pickled, key)?;
    let root = keys.root.expect("a pickle that was read has a root");
    let keys: Vec<&str> = (keys.items(root).and_then(|items| items.iter().map(|&item| keys.text(item)).collect::<Option<_>>()))
        .ok_or_else(|| Fault::damaged("has no list of storages"))?;
    let by_key: HashMap<&str, usize> = (pickled.storages.iter().enumerate())
        .filter(|(_, storage)| storage.offset == 0)
        .map(|(id, storage)| (storage.key.as_str(), id))
        .collect();
    let mut ranges = HashMap::new();
    for key in keys {
        let whose = || tensors_of(&found, &pickled, key);
        let Some(&id) = by_key.get(key) else { return Err(Fault::damaged(format!("has a storage `{key}` that its pickle does not name"))) };
        let storage = &pickled.storages[id];
        let needed = bytes_of(storage).ok_or_else(|| Fault::damaged(format!("{}: more numbers than any memory holds", whose())))?;
        let there = bytes.len() - at;
        let cut = || Fault::damaged(format!("is cut short in {}: it needs {needed} bytes at byte {at}, the file has {there}", whose()));
        let count = bytes.get(at..at + 8).ok_or_else(cut)?;
        if u64::from_le_bytes(count.try_into().expect("eight bytes")) != storage.count as u64 {
            return Err(Fault::damaged(format!("{}: another number of values at byte {at} than its pickle says", whose())));
        }
        let start = at + 8;
        let end = start.checked_add(needed).filter(|&end| end <= bytes.len()).ok_or_else(cut)?;
        if ranges.insert(key, start..end).is_some() {
            return Err(Fault::damaged(format!("{}: its storage stands there twice", whose())));
        }
        at = end;
    }
    let range = |id: usize| {
        let key = pickled.storages[id].key.as_str();
        let missing = || Fault::damaged(format!("{}: its storage is missing", tensors_of(&found, &pickled, key)));
        ranges.get(key).cloned().ok_or_else(missing)
    };
    then(&Content { pickled: &pickled, found: &found, big_endian: false, range: &range })
}
