use burn::tensor::Tensor;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Weights};

use crate::evaluate::{batch_size, map_batches, values};
use crate::forward::{Mode, Program};
use crate::inputs::Inputs;
use crate::score::{Evaluation, Tally};
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// Loss and accuracy over a whole split at the points `(1 - λ) a + λ b` of the straight line between two networks.
///
/// The same values as evaluating each interpolated network, within rounding, for less: up to its first activation a network is linear in
/// its weights, so the first layer is computed once for each end and its outputs are interpolated. Cost: `lambdas` forward passes
/// without the first layer, and two of the first layer.
///
/// # Errors
/// When the data do not fit the network.
pub fn evaluate_line(
    graph: &Graph,
    a: &Weights,
    b: &Weights,
    lambdas: &[f64],
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Vec<Evaluation>, TrainingError> {
    let inputs = Inputs::new(graph, data, normalisation)?;
    let program = Program::new(graph, device)?.one_thread();
    let burn = device.burn();
    let (from, to) = (Tensors::new(graph, a, &burn), Tensors::new(graph, b, &burn));
    let head = program.head();
    let done = head.map_or_else(Vec::new, |head| program.parameters_of(head));
    let parts = map_batches(data.labels.len(), batch_size(graph, device), device, |range| {
        let images = inputs.gather(range.clone(), &burn);
        let ends =
            head.map(|head| (head, program.run_to_head(head, &from, images.clone()), program.run_to_head(head, &to, images.clone())));
        let logits = |&lambda: &f64| {
            let tensors = from.between(&to, lambda, &done);
            match &ends {
                Some((head, a, b)) => program.run_from_head(*head, a.between(b, lambda), &tensors).logits,
                None => program.run(&tensors, images.clone(), Mode::Infer).logits,
            }
        };
        let tally = |logits: &[f32]| {
            let mut tally = Tally::default();
            tally.add(logits, &data.labels[range.clone()]);
            tally
        };
        // Reading waits for a device that computes on its own, so all networks are read there at once.
        match device.is_host() || lambdas.is_empty() {
            true => lambdas.iter().map(|lambda| tally(&values(logits(lambda)))).collect::<Vec<_>>(),
            false => {
                let all = values(Tensor::cat(lambdas.iter().map(logits).collect(), 0));
                all.chunks_exact(all.len() / lambdas.len()).map(tally).collect()
            }
        }
    });
    let total = |place: usize| parts.iter().map(|part: &Vec<Tally>| part[place]).fold(Tally::default(), Tally::join).evaluation();
    Ok((0..lambdas.len()).map(total).collect())
}
