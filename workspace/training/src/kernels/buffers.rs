use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    /// By length; only lengths that were asked for.
    static FREE: RefCell<HashMap<usize, Vec<Vec<f32>>>> = RefCell::new(HashMap::new());
}

/// Below this many values an allocator hands memory back as fast as this store does.
const WORTH_KEEPING: usize = 1 << 13;

/// Buffers kept of one length: a step holds no more of them at once in a plain chain of layers.
const KEPT: usize = 8;

/// `length` values of whatever an earlier use left there, for a caller that overwrites all of them.
///
/// The gradients of a step are as large as its weights: fresh memory for them would be cleared twice, by the system and by `vec!`.
pub(crate) fn take(length: usize) -> Vec<f32> {
    let kept = if length < WORTH_KEEPING { None } else { FREE.with_borrow_mut(|free| free.entry(length).or_default().pop()) };
    kept.unwrap_or_else(|| vec![0.0; length])
}

/// Keeps the memory of a tensor that nobody else holds for a later [`take`] on this thread, if there was one of its length.
pub(crate) fn give_back(tensor: super::FlexTensor) {
    let length = tensor.layout().num_elements();
    if length < WORTH_KEEPING || !tensor.is_unique() {
        return;
    }
    FREE.with_borrow_mut(|free| {
        if let Some(kept) = free.get_mut(&length)
            && kept.len() < KEPT
            && let Ok(buffer) = tensor.into_data().try_into_vec::<f32>()
        {
            kept.push(buffer);
        }
    });
}

/// Frees what this thread keeps, at the end of a training.
pub(crate) fn clear() {
    FREE.with_borrow_mut(|free| free.clear());
}
