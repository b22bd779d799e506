use std::collections::BTreeMap;
use std::ops::Range;

use super::find::Found;
use crate::error::Fault;
use crate::pickle::{Pickled, StorageId, StoragePlace, TensorPlace};
use crate::tensor::{gather, reach, volume};
use crate::{Dtype, Format, StateDict, Tensor};

/// Expanded tensors may make a file larger in memory than on the disk, but not by more than this.
const LARGEST_EXPANSION: usize = 8;

/// Bytes that any file may take in memory.
const SMALL: usize = 1 << 20;

/// Storage, offset, shape and strides: what tied tensors have in common.
type View<'a> = (&'a str, usize, &'a [usize], &'a [usize]);

/// Turns places into tensors. `range` says where in `bytes` the numbers of a storage lie; their count has been checked.
pub(super) fn load(
    bytes: &[u8],
    pickled: &Pickled,
    found: &Found<'_>,
    big_endian: bool,
    range: &dyn Fn(StorageId) -> Result<Range<usize>, Fault>,
) -> Result<StateDict, Fault> {
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
    dict.passed_over = found.passed_over.clone();
    Ok(dict)
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
