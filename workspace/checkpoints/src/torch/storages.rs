use std::collections::BTreeMap;
use std::ops::Range;

use super::find::Found;
use crate::error::Fault;
use crate::pickle::{Pickled, StorageId, StoragePlace, TensorPlace};
use crate::tensor::{each_place, gather, reach, volume};
use crate::{Dtype, Format, StateDict, Tensor};

/// Expanded tensors may make a file larger in memory than on the disk, but not by more than this.
const LARGEST_EXPANSION: usize = 8;

/// Bytes that any file may take in memory.
const SMALL: usize = 1 << 20;

/// Storage, offset, shape and strides: what tied tensors have in common.
type View<'a> = (&'a str, usize, &'a [usize], &'a [usize]);

/// What a file holds, and where in its bytes the numbers of a storage lie; their count has been checked.
pub(super) struct Content<'a> {
    pub pickled: &'a Pickled,
    pub found: &'a Found<'a>,
    pub big_endian: bool,
    pub range: &'a dyn Fn(StorageId) -> Result<Range<usize>, Fault>,
}

/// Turns places into tensors.
pub(super) fn load(bytes: &[u8], content: &Content<'_>) -> Result<StateDict, Fault> {
    let &Content { pickled, found, big_endian, range } = content;
    let mut dict = StateDict::new(Vec::with_capacity(found.tensors.len()));
    let mut budget = bytes.len().saturating_mul(LARGEST_EXPANSION).max(SMALL);
    let mut places: BTreeMap<View<'_>, Vec<usize>> = BTreeMap::new();
    for (name, place) in &found.tensors {
        let storage = &pickled.storages[place.storage];
        let wrong = |problem: String| Fault::damaged(format!("tensor `{name}`: {problem}"));
        let dtype = place.dtype.or(storage.dtype).ok_or_else(|| wrong("its storage has no type".to_owned()))?;
        let size = dtype.size();
        let numbers = volume(&place.shape).and_then(|count| count.checked_mul(size));
        let needed = numbers.ok_or_else(|| wrong(format!("its shape {:?} is more than any memory holds", place.shape)))?;
        budget = budget.checked_sub(needed).ok_or_else(|| {
            wrong(format!("its shape {:?} takes {needed} bytes, more than {LARGEST_EXPANSION} times of the file", place.shape))
        })?;
        let range = range(place.storage)?;
        let data = &bytes[range];
        let offset = place.offset.checked_add(storage.offset);
        let end = offset.and_then(|offset| reach(offset, &place.shape, &place.strides)).and_then(|end| end.checked_mul(size));
        if end.is_none_or(|end| end > data.len()) {
            let TensorPlace { offset, shape, strides, .. } = place;
            let held = data.len() / size;
            return Err(wrong(format!(
                "shape {shape:?} with strides {strides:?} from {offset} on does not fit its storage of {held} numbers"
            )));
        }
        let mut values = gather(data, size, offset.unwrap_or_default(), &place.shape, &place.strides);
        if big_endian && size > 1 {
            values.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if needed > 0 {
            places.entry((&storage.key, place.offset, &place.shape, &place.strides)).or_default().push(dict.tensors.len());
        }
        dict.tensors.push((name.clone(), Tensor::new(dtype, place.shape.clone(), values)));
    }
    let name = |place: &usize| dict.tensors[*place].0.clone();
    dict.tied = places.values().filter(|places| places.len() > 1).map(|places| places.iter().map(name).collect()).collect();
    dict.format = Format::Pytorch;
    dict.nesting = found.nesting.clone();
    dict.beside = found.beside.iter().map(|(name, _)| name.clone()).collect();
    dict.sharing = found.sharing(content.pickled);
    dict.passed_over = found.passed_over.clone();
    Ok(dict)
}

/// The bytes of the file with the numbers of `dict` in the places of its tensors, which are those that were read of it.
///
/// Tensors that share numbers keep them where they are equal.
pub(super) fn scatter(bytes: &[u8], content: &Content<'_>, dict: &StateDict) -> Result<Vec<u8>, Fault> {
    let read = load(bytes, content)?;
    let &Content { pickled, found, big_endian, range } = content;
    let is_form = |((name, old), (other, new)): (&(String, Tensor), &(String, Tensor))| {
        name == other && old.shape() == new.shape() && old.dtype() == new.dtype()
    };
    if read.tensors.len() != dict.tensors.len() || !read.tensors.iter().zip(&dict.tensors).all(is_form) {
        return Err(Fault::new("holds other tensors than were read of it", "it has changed meanwhile; run again"));
    }
    let mut changed = bytes.to_vec();
    for ((_, place), (_, tensor)) in found.tensors.iter().zip(&dict.tensors) {
        let storage = &pickled.storages[place.storage];
        let size = tensor.dtype().size();
        let data = &mut changed[range(place.storage)?];
        let mut numbers = tensor.bytes().chunks_exact(size);
        each_place(place.offset + storage.offset, &place.shape, &place.strides, |at| {
            if let Some(number) = numbers.next() {
                let target = &mut data[at * size..(at + 1) * size];
                target.copy_from_slice(number);
                if big_endian {
                    target.reverse();
                }
            }
        });
    }
    let again = load(&changed, content)?;
    match again.tensors.iter().zip(&dict.tensors).find(|(is, should)| is.1.bytes() != should.1.bytes()) {
        None => Ok(changed),
        Some(((name, _), _)) => Err(Fault::new(
            format!("tensor `{name}` shares its numbers with another, which are no longer equal"),
            "write the tensors alone: end the name of the new file with `.safetensors`",
        )),
    }
}

/// Bytes that a storage takes.
pub(super) fn bytes_of(storage: &StoragePlace) -> Option<usize> {
    storage.count.checked_mul(storage.dtype.map_or(1, Dtype::size))
}

/// The tensors of a storage, for messages.
pub(super) fn tensors_of(found: &Found<'_>, pickled: &Pickled, key: &str) -> String {
    let mut names = found.tensors.iter().filter(|(_, place)| pickled.storages[place.storage].key == key).map(|(name, _)| name);
    match (names.next(), names.count()) {
        (Some(first), 0) => format!("tensor `{first}`"),
        (Some(first), others) => format!("tensor `{first}` and {others} more"),
        (None, _) => format!("storage `{key}`"),
    }
}
