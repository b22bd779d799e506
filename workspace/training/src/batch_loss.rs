use burn::tensor::Device as BurnDevice;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Weights};

use crate::error::impossible;
use crate::evaluate::values;
use crate::forward::{Mode, Program};
use crate::inputs::Inputs;
use crate::kernels::cross_entropy;
use crate::options::{ENOUGH_FOR_BATCH_NORMS, has_lone_batch_norm};
use crate::score::Tally;
use crate::tensors::{AnyTensor, Tensors};
use crate::training_run::is_learned;
use crate::{Device, TrainingError};

/// The mean cross-entropy of any network of a graph on chosen images of a split, and its gradient, as a training takes it: batch norms use the
/// statistics of the batch, images are not augmented.
///
/// On the CPU neither depends on the number of threads.
pub struct BatchLoss<'a> {
    graph: &'a Graph,
    inputs: Inputs<'a>,
    program: Program<'a>,
    device: &'a Device,
    tape: BurnDevice,
    learned: Vec<bool>,
}

impl<'a> BatchLoss<'a> {
    /// # Errors
    /// When the data do not fit the network.
    pub fn new(
        graph: &'a Graph,
        data: &'a Split,
        normalisation: &Normalisation,
        device: &'a Device,
    ) -> Result<BatchLoss<'a>, TrainingError> {
        Ok(BatchLoss {
            graph,
            inputs: Inputs::new(graph, data, normalisation)?,
            program: Program::new(graph, device)?,
            device,
            tape: device.burn().autodiff(),
            learned: graph.spec().parameters.iter().map(|parameter| is_learned(parameter.role)).collect(),
        })
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.inputs.data.labels.len()
    }

    /// The loss on the images with these indices, in nats, and its gradient; running statistics have zeros.
    ///
    /// # Errors
    /// When it is one image, and a batch norm sees one value of a channel in it.
    ///
    /// # Panics
    /// When there is no image with one of the indices.
    pub fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), TrainingError> {
        self.check(images)?;
        let pixels = self.inputs.gather(images.iter().map(|&index| index as usize), &self.tape);
        let tensors = Tensors::new(self.graph, weights, &self.device.burn());
        let on_tape = |(tensor, learned): (&AnyTensor, &bool)| if *learned { tensor.tracked() } else { tensor.constant() };
        let leaves = Tensors(tensors.0.iter().zip(&self.learned).map(on_tape).collect());
        let pass = self.program.run(&leaves, pixels, Mode::Train);
        let loss = cross_entropy(pass.logits, &self.labels(images), self.device.kernels());
        let mut gradients = loss.backward();
        let slope = |(place, tensor): (usize, &AnyTensor)| {
            let taken = self.learned[place].then(|| leaves.0[place].take_gradient(&mut gradients)).flatten();
            taken.unwrap_or_else(|| tensor.zeros_like())
        };
        let slopes = Tensors(tensors.0.iter().enumerate().map(slope).collect()).into_weights(self.graph)?;
        let loss = loss.inner().into_data().try_into_vec::<f32>().expect("losses are f32");
        Ok((loss.into_iter().map(f64::from).sum(), slopes))
    }

    /// The loss on the images with these indices, in nats.
    ///
    /// # Errors
    /// As [`BatchLoss::gradient`].
    ///
    /// # Panics
    /// When there is no image with one of the indices.
    pub fn value(&self, weights: &Weights, images: &[u32]) -> Result<f64, TrainingError> {
        self.check(images)?;
        let burn = self.device.burn();
        let pixels = self.inputs.gather(images.iter().map(|&index| index as usize), &burn);
        let pass = self.program.run(&Tensors::new(self.graph, weights, &burn), pixels, Mode::Train);
        let mut tally = Tally::default();
        tally.add(&values(pass.logits), &self.labels(images));
        Ok(tally.evaluation().loss)
    }

    /// Batch norms take the statistics of the batch.
    fn check(&self, images: &[u32]) -> Result<(), TrainingError> {
        if images.len() == 1 && has_lone_batch_norm(self.graph) {
            return Err(impossible("batch", 1, ENOUGH_FOR_BATCH_NORMS, "100 is usual; or take `norm = \"layer\"`"));
        }
        Ok(())
    }

    fn labels(&self, images: &[u32]) -> Vec<u8> {
        images.iter().map(|&index| self.inputs.data.labels[index as usize]).collect()
    }
}
