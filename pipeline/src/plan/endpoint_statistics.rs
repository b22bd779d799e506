//! The stages that measure activations of trained models for the repairs of whatever is merged of them.

use onebasin_network::Operation;

use super::PairPlanner;
use crate::spec::{Endpoints, Method, Renormalise, Repair};
use crate::stage::StageId;
use crate::stages::{ActivationStatistics, EndpointStatistics};

impl PairPlanner<'_, '_> {
    /// What the repair of a merge of models, given by index, compares it with.
    pub fn endpoint_statistics(&mut self, method: &Method, repair: &Repair, models: &[usize]) -> EndpointStatistics {
        match repair {
            Repair::Repair(Renormalise { endpoints, .. }) if self.has_convolutions() => match endpoints {
                // The merged model stands for the first of its parents.
                Endpoints::AsPublished => EndpointStatistics::Measured(self.activation_statistics(repair, &models[1..])),
                Endpoints::Aligned if method.matching.permutes() => {
                    EndpointStatistics::Measured(self.activation_statistics(repair, models))
                }
                Endpoints::Aligned => EndpointStatistics::Mixed(models.iter().map(|&model| self.model(model)).collect()),
            },
            Repair::Repair(_) | Repair::BatchNorm(_) => EndpointStatistics::Nothing,
        }
    }

    /// The activation statistics of some models, each planned once.
    fn activation_statistics(&mut self, repair: &Repair, models: &[usize]) -> Vec<StageId> {
        let statistics = |&model: &usize| {
            let id = self.id("statistics", None, &format!("{}{}", self.experiment().models[model].name, suffix(repair)));
            if self.is_new(&id) {
                self.add(ActivationStatistics::new(id.clone(), self.model(model), self.task(), repair));
            }
            id
        };
        models.iter().map(statistics).collect()
    }

    /// Whether there is anything to compare; a network that cannot be rewritten is reported by the repair.
    fn has_convolutions(&self) -> bool {
        let is_convolution = |operation: &Operation| matches!(operation, Operation::Conv { .. });
        self.pair().graph.repairable().is_ok_and(|graph| graph.nodes.iter().any(|node| is_convolution(&node.operation)))
    }
}

/// Distinguishes statistics over other images or in other batches: empty for all images in batches of 100.
fn suffix(repair: &Repair) -> String {
    let images = repair.images().map(|images| format!("/images-{images}"));
    let batch = (repair.batch() != 100).then(|| format!("/batch-{}", repair.batch()));
    [images, batch].into_iter().flatten().collect()
}
