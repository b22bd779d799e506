//! The stages that survey trained models for the repairs of whatever is merged of them.

use onebasin_network::Operation;

use super::Block;
use crate::spec::{Endpoints, Method, Renormalise, Repair};
use crate::stage::StageId;
use crate::stages::{Ends, Survey};

impl Block<'_, '_> {
    /// What the repair of a merge of models, given by index, compares it with.
    pub(super) fn ends(&mut self, method: &Method, repair: &Repair, models: &[usize]) -> Ends {
        match repair {
            Repair::Repair(Renormalise { endpoints, .. }) if self.has_convolutions() => match endpoints {
                // The merged model stands for the first of its parents.
                Endpoints::AsPublished => Ends::Surveyed(self.surveys(repair, &models[1..])),
                Endpoints::Aligned if method.matching.permutes() => Ends::Surveyed(self.surveys(repair, models)),
                Endpoints::Aligned => Ends::Mixed(models.iter().map(|&model| self.trained(model)).collect()),
            },
            Repair::Repair(_) | Repair::BatchNorm(_) => Ends::Nothing,
        }
    }

    /// The surveys of some models, each planned once.
    fn surveys(&mut self, repair: &Repair, models: &[usize]) -> Vec<StageId> {
        let survey = |&model: &usize| {
            let id = self.id("survey", None, &format!("{}{}", self.draft.experiment.models[model].name, suffix(repair)));
            if self.draft.shared.insert(id.clone()) {
                let trained = self.trained(model);
                self.push(Survey::new(id.clone(), trained, self.subject.clone(), repair));
            }
            id
        };
        models.iter().map(survey).collect()
    }

    fn trained(&self, model: usize) -> StageId {
        self.train(&self.draft.experiment.models[model].name)
    }

    /// Whether there is anything to compare; a network that cannot be rewritten is reported by the repair.
    fn has_convolutions(&self) -> bool {
        let is_convolution = |operation: &Operation| matches!(operation, Operation::Conv { .. });
        self.subject.graph.repairable().is_ok_and(|graph| graph.nodes.iter().any(|node| is_convolution(&node.operation)))
    }
}

/// What tells the survey of a model over some images in some batches from another: nothing for all images in batches of 100.
fn suffix(repair: &Repair) -> String {
    let images = repair.images().map(|images| format!("/images-{images}"));
    let batch = (repair.batch() != 100).then(|| format!("/batch-{}", repair.batch()));
    [images, batch].into_iter().flatten().collect()
}
