//! The stages that measure activations of trained models for the repairs of whatever is merged of them.

use onebasin_network::RepairedLayers;

use super::PairPlanner;
use crate::spec::{Endpoints, Method, Renormalise, Repair};
use crate::stage::StageId;
use crate::stages::{ActivationStatistics, EndpointStatistics};

impl PairPlanner<'_, '_> {
    /// What the repair of a merge of models, given by index, compares it with.
    pub fn endpoint_statistics(&mut self, method: &Method, repair: &Repair, models: &[usize]) -> EndpointStatistics {
        let Some((options, _)) = repair.renormalises().filter(|(options, _)| self.has_layers(options)) else {
            return EndpointStatistics::Nothing;
        };
        match options.endpoints {
            // The merged model stands for the first of its parents.
            Endpoints::AsPublished => EndpointStatistics::Measured(self.activation_statistics(repair, &models[1..])),
            Endpoints::Unaligned => EndpointStatistics::Measured(self.activation_statistics(repair, models)),
            Endpoints::Aligned if method.matching.permutes() => EndpointStatistics::Measured(self.activation_statistics(repair, models)),
            Endpoints::Aligned => EndpointStatistics::Mixed(models.iter().map(|&model| self.model(model)).collect()),
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
    fn has_layers(&self, options: &Renormalise) -> bool {
        self.pair().graph.repairable(options.layers).is_ok_and(|graph| !options.layers.places(&graph).is_empty())
    }
}

/// Distinguishes statistics of other layers, over other images or in other batches: empty for convolutions and all images in batches of 100.
fn suffix(repair: &Repair) -> String {
    let layers = match repair.renormalises().map(|(options, _)| options.layers) {
        None | Some(RepairedLayers::Convolutions) => None,
        Some(RepairedLayers::Hidden) => Some("/hidden".to_owned()),
        Some(RepairedLayers::All) => Some("/all-layers".to_owned()),
    };
    let images = repair.images().map(|images| format!("/images-{images}"));
    let batch = (repair.batch() != 100).then(|| format!("/batch-{}", repair.batch()));
    [layers, images, batch].into_iter().flatten().collect()
}
