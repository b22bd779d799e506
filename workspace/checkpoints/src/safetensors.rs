//! A header of JSON behind its length, then the numbers.
//!
//! Read as the format's own library reads it, and refused where that refuses; a name that comes twice is refused too, of which the
//! library keeps the last.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::tensor::volume;
use crate::{Dtype, Format, StateDict, Tensor};

/// The longest header that the format's library takes.
const LONGEST_HEADER: usize = 100_000_000;

const METADATA: &str = "__metadata__";

/// Whether bytes without a brace behind the length could still be meant as this format: a sensible length, which lies inside.
pub(crate) fn could_be(bytes: &[u8]) -> bool {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    length >= 2 && length <= bytes.len() as u64 - 8
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The pairs of a JSON object in their order, of which no name comes twice.
struct Pairs<T>(Vec<(String, T)>);

/// A tensor's entry, or the metadata.
enum Item {
    Tensor(Entry),
    Metadata(Pairs<String>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Pairs<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom(format!("`{name}` comes twice")));
                    }
                    pairs.push((name, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(All(std::marker::PhantomData))
    }
}

/// The whole header. Not an enum for serde to guess: the name says which of the two an item is.
struct Header(Vec<(String, Item)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut items = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom(format!("`{name}` comes twice")));
                    }
                    let wrong = |error: A::Error| de::Error::custom(format!("`{name}`: {error}"));
                    let item = if name == METADATA {
                        Item::Metadata(map.next_value().map_err(wrong)?)
                    } else {
                        Item::Tensor(map.next_value().map_err(wrong)?)
                    };
                    items.push((name, item));
                }
                Ok(Header(items))
            }
        }
        deserializer.deserialize_map(Items)
    }
}

pub(crate) fn state_dict(bytes: &[u8]) -> Result<StateDict, Fault> {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LONGEST_HEADER {
        return Err(Fault::damaged(format!("says that its header has {length} bytes, expected at most {LONGEST_HEADER}")));
    }
    let body = &bytes[8..];
    if length > body.len() {
        return Err(Fault::damaged(format!("is cut short: its header has {length} bytes, the file only {} more", body.len())));
    }
    let (header, data) = body.split_at(length);
    let Header(items) = serde_json::from_slice(header).map_err(|error| Fault::damaged(format!("has a header that is none: {error}")))?;
    let mut dict = StateDict::new(Vec::new());
    let mut entries = Vec::new();
    for (name, item) in items {
        match item {
            Item::Metadata(Pairs(metadata)) => dict.metadata = metadata,
            Item::Tensor(entry) => entries.push((name, entry)),
        }
    }
    check_places(&entries, data.len())?;
    for (name, entry) in entries {
        let tensor = tensor(&entry, data).map_err(|problem| Fault::damaged(format!("tensor `{name}`: {problem}")))?;
        match tensor {
            Some(tensor) => dict.tensors.push((name, tensor)),
            None => {
                let hint = "convert it to a type that is: F64, F32, F16, BF16, F8_E4M3, F8_E5M2, whole numbers, BOOL";
                return Err(Fault::new(format!("tensor `{name}` is of type `{}`, which is not known", entry.dtype), hint));
            }
        }
    }
    dict.format = Format::Safetensors;
    Ok(dict)
}

/// Tensors fill the file without a gap or an overlap.
fn check_places(entries: &[(String, Entry)], length: usize) -> Result<(), Fault> {
    let mut places: Vec<(&str, [usize; 2])> = entries.iter().map(|(name, entry)| (name.as_str(), entry.data_offsets)).collect();
    places.sort_by_key(|&(_, place)| place);
    let mut end = 0;
    for (name, [from, to]) in places {
        let wrong = |problem: String| Err(Fault::damaged(format!("tensor `{name}` {problem}")));
        if to < from {
            return wrong(format!("ends at byte {to}, before it begins at {from}"));
        }
        if to > length {
            return wrong(format!("ends at byte {to}, but the file is cut short: it holds {length} bytes of numbers"));
        }
        if from < end {
            return wrong(format!("begins at byte {from}, inside the one before, which ends at {end}"));
        }
        if from > end {
            return wrong(format!("begins at byte {from}, with a gap behind {end}"));
        }
        end = to;
    }
    if end != length {
        return Err(Fault::damaged(format!("holds {length} bytes of numbers, of which its header names {end}")));
    }
    Ok(())
}

/// `None` where the type is not known.
fn tensor(entry: &Entry, data: &[u8]) -> Result<Option<Tensor>, String> {
    let [from, to] = entry.data_offsets;
    let Some(dtype) = Dtype::from_name(&entry.dtype) else { return Ok(None) };
    match volume(&entry.shape).and_then(|count| count.checked_mul(dtype.size())) {
        Some(size) if size == to - from => Ok(Some(Tensor::new(dtype, entry.shape.clone(), data[from..to].to_vec()))),
        Some(size) => Err(format!("takes {size} bytes by its shape {:?}, but {} by its place", entry.shape, to - from)),
        None => Err(format!("its shape {:?} is more than any memory holds", entry.shape)),
    }
}

#[derive(Serialize)]
struct Written<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// The bytes of a safetensors file: names in the order given, metadata as it is. Equal content gives equal bytes.
///
/// Numbers of wider types come first in the file, so that each stands at a multiple of its size, as some readers need.
pub fn to_safetensors(dict: &StateDict) -> Vec<u8> {
    let mut order: Vec<usize> = (0..dict.tensors.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(dict.tensors[index].1.dtype().size()));
    let mut places = vec![[0; 2]; order.len()];
    let mut end = 0;
    for &index in &order {
        let length = dict.tensors[index].1.bytes().len();
        places[index] = [end, end + length];
        end += length;
    }
    let text = |value: &str| serde_json::to_string(value).expect("text is JSON");
    let mut parts = Vec::new();
    if !dict.metadata.is_empty() {
        let pairs: Vec<String> = dict.metadata.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
        parts.push(format!("\"{METADATA}\":{{{}}}", pairs.join(",")));
    }
    for ((name, tensor), data_offsets) in dict.tensors.iter().zip(places) {
        let entry = Written { dtype: tensor.dtype().name(), shape: tensor.shape(), data_offsets };
        parts.push(format!("{}:{}", text(name), serde_json::to_string(&entry).expect("numbers are JSON")));
    }
    let mut header = format!("{{{}}}", parts.join(","));
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    order.iter().for_each(|&index| bytes.extend_from_slice(dict.tensors[index].1.bytes()));
    bytes
}
