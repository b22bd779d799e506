use std::ops::ControlFlow;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::Graph;
use onebasin_repro::Stream;

use crate::{Device, Progress, Trained, Training, TrainingError, TrainingRun};

/// Trains a network from fresh weights to the last step: a [`TrainingRun`] without interruption.
///
/// `watch` is called at least after every epoch, and may stop the training.
///
/// # Errors
/// When the options are impossible, the data do not fit the network, the loss stops being a number, or `watch` breaks off.
pub fn fit(
    graph: &Graph,
    data: &Split,
    normalisation: &Normalisation,
    training: &Training,
    stream: &Stream,
    device: &Device,
    watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Trained, TrainingError> {
    let mut run = TrainingRun::new(graph, data, normalisation, training, stream, device)?;
    while !run.is_done() {
        let progress = run.advance()?;
        if watch(&progress).is_break() && !run.is_done() {
            return Err(TrainingError::Interrupted { step: progress.step, steps: progress.steps });
        }
    }
    run.finish()
}
