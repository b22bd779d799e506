//! The loss on the training images of a pair, for matchings that look at it.

use std::fmt;

use anyhow::Result;
use onebasin_datasets::Dataset;
use onebasin_matching::{Loss, LossError};
use onebasin_network::Weights;
use onebasin_training::{BatchLoss, free_buffers};

use crate::dataset_cache;
use crate::stage::{Context, Progress};
use crate::task::Task;

/// Cross-entropy over the training images, as they are; on as many threads as the stage has by the time it is asked.
pub struct TrainingLoss<'a> {
    loss: BatchLoss<'a>,
    context: &'a Context<'a>,
}

impl<'a> TrainingLoss<'a> {
    /// # Errors
    /// When the images do not fit the network.
    pub fn new(context: &'a Context<'a>, task: &'a Task, dataset: &'a Dataset) -> Result<TrainingLoss<'a>> {
        let normalisation = dataset_cache::normalisation(task, dataset);
        Ok(TrainingLoss { loss: BatchLoss::new(&task.graph, &dataset.train, normalisation, context.device)?, context })
    }
}

impl Drop for TrainingLoss<'_> {
    fn drop(&mut self) {
        self.context.threads.everywhere(free_buffers);
    }
}

impl fmt::Debug for TrainingLoss<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TrainingLoss").field("images", &self.loss.images()).finish_non_exhaustive()
    }
}

impl Loss for TrainingLoss<'_> {
    fn images(&self) -> usize {
        self.loss.images()
    }

    fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), LossError> {
        Ok(self.context.compute(|| self.loss.gradient(weights, images))?)
    }

    fn value(&self, weights: &Weights, images: &[u32]) -> Result<f64, LossError> {
        Ok(self.context.compute(|| self.loss.value(weights, images))?)
    }

    fn progress(&self, done: usize, total: usize) {
        (self.context.progress)(Progress::Share { done, total });
    }
}
