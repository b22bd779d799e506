/// Splits `order` into batches of `batch` indices; the last one may be shorter.
///
/// ```
/// let order = [3, 0, 2, 1, 4];
/// let batches: Vec<_> = onebasin_datasets::batches(&order, 2).collect();
/// assert_eq!(batches, [&[3, 0][..], &[2, 1], &[4]]);
/// ```
///
/// A `batch` of zero counts as one.
pub fn batches(order: &[u32], batch: usize) -> impl ExactSizeIterator<Item = &[u32]> {
    order.chunks(batch.max(1))
}
