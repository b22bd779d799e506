use burn::tensor::Tensor;

use super::buffers;
use super::flex::{FlexTensor, slice, tensor};
use super::images::positive;
use super::tape::{Saved, finish, operand};

/// `max(a + b, 0)`, or `a + b` without `relu`.
pub(crate) fn sum(a: Tensor<4>, b: Tensor<4>, relu: bool) -> Tensor<4> {
    let ((a, a_guard), (b, b_guard)) = (operand(a), operand(b));
    let shape = a.layout().shape().to_vec();
    let mut output = buffers::to_write(a);
    let pairs = output.iter_mut().zip(slice(&b));
    if relu {
        pairs.for_each(|(a, b)| *a = positive(*a + b));
    } else {
        pairs.for_each(|(a, b)| *a += b);
    }
    buffers::give_back(b);
    finish::<Kept, 2, 4>([a_guard, b_guard], tensor(output, shape), |output| Kept { output: relu.then(|| output.clone()) })
}

#[derive(Clone, Debug)]
struct Kept {
    output: Option<FlexTensor>,
}

impl Saved<2> for Kept {
    fn gradients(self, gradient: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let gradient = match self.output {
            Some(output) => {
                let mut values = buffers::to_write(gradient);
                values.iter_mut().zip(slice(&output)).for_each(|(value, output)| *value = if *output > 0.0 { *value } else { 0.0 });
                let gradient = tensor(values, output.layout().shape().to_vec());
                buffers::give_back(output);
                gradient
            }
            None => gradient,
        };
        [wanted[0].then(|| gradient.clone()), wanted[1].then_some(gradient)]
    }
}
