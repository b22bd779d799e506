//! What own operations share: their way onto burn's tape and off it.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

use super::flex::{FlexTensor, contiguous};

const ON_CPU: &str = "fused kernels are chosen for the `cpu` device only";

/// What an operation with `N` inputs keeps for its gradient, and how it makes it.
pub(super) trait Saved<const N: usize>: Clone + Debug + Send + 'static {
    /// The gradients with respect to the inputs that are wanted, from the gradient of the output (values side by side).
    fn gradients(self, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N];
}

/// An input: its values side by side, and its place on the tape if there is one.
pub(super) fn operand<const D: usize>(tensor: Tensor<D>) -> (FlexTensor, Option<NodeGuard>) {
    if tensor.is_autodiff() {
        let (value, guard) = tensor.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU).into_parts();
        (contiguous(value), Some(guard))
    } else {
        (contiguous(tensor.try_into_primitive::<Flex>().expect(ON_CPU)), None)
    }
}

/// The output as a tensor: on the tape when all inputs are, with what `saved` keeps if any of them wants a gradient.
pub(super) fn finish<S: Saved<N>, const N: usize, const D: usize>(
    guards: [Option<NodeGuard>; N],
    output: FlexTensor,
    saved: impl FnOnce(&FlexTensor) -> S,
) -> Tensor<D> {
    let guards: Vec<NodeGuard> = guards.into_iter().flatten().collect();
    let Ok(guards) = <[NodeGuard; N]>::try_from(guards) else {
        return Tensor::from_primitive::<Flex>(output);
    };
    let prepared = OnTape(std::marker::PhantomData::<fn() -> S>).prepare::<NoCheckpointing>(guards).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(saved(&output), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

struct OnTape<S>(std::marker::PhantomData<fn() -> S>);

impl<S> Debug for OnTape<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(std::any::type_name::<S>())
    }
}

impl<S: Saved<N>, const N: usize> Backward<Flex, N> for OnTape<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        for (node, gradient) in ops.parents.into_iter().zip(ops.state.gradients(gradient, wanted)) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}
