use std::cell::RefCell;
use std::collections::HashMap;

/// The buffers of one length.
#[derive(Default)]
struct Shelf {
    free: Vec<Vec<f32>>,
    /// How many were made here: no more than that were ever in use at once, so no more are kept.
    made: usize,
}

thread_local! {
    /// By length; only lengths that were asked for.
    static FREE: RefCell<HashMap<usize, Shelf>> = RefCell::new(HashMap::new());
}

/// Below this many values an allocator hands memory back as fast as this store does.
const WORTH_KEEPING: usize = 1 << 13;

/// `length` values of whatever an earlier use left there, for a caller that overwrites all of them.
///
/// The gradients of a step are as large as its weights: fresh memory for them would be cleared twice, by the system and by `vec!`.
pub(crate) fn take(length: usize) -> Vec<f32> {
    if length < WORTH_KEEPING {
        return vec![0.0; length];
    }
    let kept = FREE.with_borrow_mut(|free| {
        let shelf = free.entry(length).or_default();
        let kept = shelf.free.pop();
        shelf.made += usize::from(kept.is_none());
        kept
    });
    kept.unwrap_or_else(|| vec![0.0; length])
}

/// Keeps a buffer for a later [`take`] on this thread, if there was one of its length.
pub(crate) fn keep(buffer: Vec<f32>) {
    if buffer.len() >= WORTH_KEEPING {
        FREE.with_borrow_mut(|free| {
            if let Some(shelf) = free.get_mut(&buffer.len())
                && shelf.free.len() < shelf.made
            {
                shelf.free.push(buffer);
            }
        });
    }
}

/// Keeps the memory of a tensor that nobody else holds.
pub(crate) fn give_back(tensor: super::FlexTensor) {
    let length = tensor.layout().num_elements();
    if length >= WORTH_KEEPING
        && tensor.is_unique()
        && let Ok(buffer) = tensor.into_data().try_into_vec::<f32>()
    {
        keep(buffer);
    }
}

/// The values of a tensor to be written over: its own memory when nobody else holds it, a copy otherwise.
pub(crate) fn to_write(tensor: super::FlexTensor) -> Vec<f32> {
    let whole = size_of_val(super::slice(&tensor)) == tensor.bytes().len();
    if !whole || !tensor.is_unique() {
        let mut copy = take(tensor.layout().num_elements());
        copy.copy_from_slice(super::slice(&tensor));
        return copy;
    }
    tensor.into_data().try_into_vec::<f32>().expect("every tensor of this crate holds f32")
}

/// Frees the memory that trainings keep on this thread for their next step. The thread that ends a training does so by itself; others that
/// took steps of it may.
pub fn free_buffers() {
    FREE.with_borrow_mut(|free| free.clear());
}
