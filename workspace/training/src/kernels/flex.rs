use burn::backend::{BackendTypes, Flex};
use burn::tensor::TensorData;
use ndarray::{ArrayView2, ArrayViewMut2};

/// burn's tensor on the CPU.
pub(crate) type FlexTensor = <Flex as BackendTypes>::FloatTensorPrimitive;

/// A tensor over `values`, taken without a copy.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The same tensor with its values side by side in memory; a copy only when they are not.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// The values of a tensor that went through [`contiguous`] or was made here.
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("made contiguous before it was kept")
}

pub(super) fn matrix(tensor: &FlexTensor) -> ArrayView2<'_, f32> {
    let shape = tensor.layout().shape();
    ArrayView2::from_shape((shape[0], shape[1]), slice(tensor)).expect("as many values as the shape says")
}

pub(super) fn matrix_of(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values).expect("as many values as the shape says")
}
