use crate::Dtype;

/// An array as stored: a type, a shape, and its numbers in row-major order, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    /// Takes the bytes of as many numbers as the shape says.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Tensor {
        assert_eq!(volume(&shape).and_then(|count| count.checked_mul(dtype.size())), Some(bytes.len()), "bytes of a tensor {shape:?}");
        Tensor { dtype, shape, bytes }
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its extents; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its numbers, row-major, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Its numbers, each to the nearest `f32`; `None` for types of 8 floating bits.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        self.dtype.widen(&self.bytes)
    }

    /// The same type and shape with other numbers, each to the nearest that the type has; `None` where it is not floating or has 8 bits.
    ///
    /// # Panics
    /// If there are more or fewer numbers than before.
    pub fn with_values(&self, values: &[f32]) -> Option<Tensor> {
        assert_eq!(values.len(), self.len(), "as many numbers as before");
        Some(Tensor { dtype: self.dtype, shape: self.shape.clone(), bytes: self.dtype.narrow(values)? })
    }
}

/// The product of extents, if it is a number.
pub(crate) fn volume(shape: &[usize]) -> Option<usize> {
    // An extent of 0 makes any other harmless, but none may overflow on the way.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent))
}

/// Gathers a strided view of a storage into row-major order.
///
/// `storage` holds the numbers, `offset` and `strides` count numbers. The caller has checked that the view lies inside: see [`reach`].
pub(crate) fn gather(storage: &[u8], size: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let count = volume(shape).expect("checked by the caller");
    let mut bytes = Vec::with_capacity(count * size);
    if count == 0 {
        return bytes;
    }
    if is_contiguous(shape, strides) {
        bytes.extend_from_slice(&storage[offset * size..(offset + count) * size]);
        return bytes;
    }
    each_place(offset, shape, strides, |place| bytes.extend_from_slice(&storage[place * size..(place + 1) * size]));
    bytes
}

/// The places of a strided view in row-major order. The caller has checked that it lies inside: see [`reach`].
pub(crate) fn each_place(offset: usize, shape: &[usize], strides: &[usize], mut visit: impl FnMut(usize)) {
    let count = volume(shape).expect("checked by the caller");
    let mut index = vec![0; shape.len()];
    let mut place = offset;
    for _ in 0..count {
        visit(place);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&extent, &stride)| {
        let fits = extent == 1 || stride == expected;
        expected *= extent;
        fits
    })
}

/// One more than the last number that a view touches; `None` where that is no number. Without any number, the offset.
pub(crate) fn reach(offset: usize, shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(offset);
    }
    let last = shape.iter().zip(strides).try_fold(offset, |last, (&extent, &stride)| last.checked_add((extent - 1).checked_mul(stride)?));
    last?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_gathered_in_row_major_order() {
        let storage: Vec<u8> = (0..12).collect();
        assert_eq!(gather(&storage, 1, 0, &[3, 4], &[4, 1]), storage);
        assert_eq!(gather(&storage, 1, 0, &[4, 3], &[1, 4]), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(gather(&storage, 1, 1, &[3], &[4]), [1, 5, 9]);
        assert_eq!(gather(&storage, 1, 7, &[2, 2], &[0, 1]), [7, 8, 7, 8]);
        assert_eq!(gather(&storage, 2, 5, &[], &[]), [10, 11]);
        assert_eq!(gather(&storage, 1, 0, &[0, 3], &[3, 1]), Vec::<u8>::new());
    }

    #[test]
    fn the_reach_of_a_view_never_overflows() {
        assert_eq!(reach(2, &[3, 4], &[4, 1]), Some(14));
        assert_eq!(reach(5, &[0, 4], &[usize::MAX, 1]), Some(5));
        assert_eq!(reach(1, &[usize::MAX], &[2]), None);
        assert_eq!(volume(&[1 << 40, 1 << 40]), None);
        assert_eq!(volume(&[1 << 40, 1 << 40, 0]), Some(0));
    }
}
