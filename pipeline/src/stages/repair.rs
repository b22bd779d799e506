//! The stage that restores a merged model's statistics.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use onebasin_matching::{Alignment, to_frame};
use serde_json::json;

use super::files;
use super::mender::Mender;
use crate::spec::{self, Endpoints, Renormalise};
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Repairs a merged model and saves it, with the architecture it then has, as `weights.safetensors`.
pub struct Repair {
    id: StageId,
    inputs: Vec<StageId>,
    subject: Arc<Subject>,
    repair: spec::Repair,
    shares: Option<Vec<f64>>,
}

/// What a model was merged of.
pub struct Merged {
    /// The merged model.
    pub model: StageId,
    /// What brought its parents into one frame.
    pub alignment: StageId,
    /// Its parents.
    pub parents: Vec<StageId>,
    /// Each parent's share; all alike if `None`.
    pub shares: Option<Vec<f64>>,
}

impl Repair {
    /// The repaired form of a merged model.
    pub fn new(id: StageId, merged: Merged, subject: Arc<Subject>, repair: spec::Repair) -> Repair {
        let Merged { model, alignment, parents, shares } = merged;
        let (inputs, shares) = match endpoints(&repair) {
            None => (vec![model], None),
            Some(Endpoints::Aligned) => ([model, alignment].into_iter().chain(parents).collect(), shares),
            // The merged model stands for the first of its parents.
            Some(Endpoints::AsPublished) => (std::iter::once(model).chain(parents.into_iter().skip(1)).collect(), shares),
        };
        Repair { id, inputs, subject, repair, shares }
    }
}

/// Which models' statistics are the goal, if there is one.
fn endpoints(repair: &spec::Repair) -> Option<Endpoints> {
    match repair {
        spec::Repair::Repair(Renormalise { endpoints, .. }) => Some(*endpoints),
        spec::Repair::BatchNorm(_) => None,
    }
}

impl Stage for Repair {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "repair": self.repair,
            "shares": self.shares,
            "data": self.subject.data_recipe(),
            "device": self.subject.device,
        });
        Recipe { kind: "repair", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let (merged, others) = context.inputs.split_first().context("a repair without a model")?;
        let model = files::load(merged, graph)?;
        let dataset = context.images.of(&self.subject)?;
        let mender = Mender::new(context, &self.subject, &dataset, &self.repair)?;
        let mut ends = Vec::new();
        let mut total = mender.images();
        let mut survey = |model: &_, count: usize| -> Result<()> {
            total = (count + 1) * mender.images();
            ends.push(mender.statistics(model, ends.len() * mender.images(), total)?);
            Ok(())
        };
        match endpoints(&self.repair) {
            None => {}
            Some(Endpoints::Aligned) => {
                let (alignment, parents) = others.split_first().context("a repair without an alignment")?;
                let alignment = Alignment::load(&alignment.directory)?;
                ensure!(alignment.maps.len() == parents.len(), "an alignment of {} models for {}", alignment.maps.len(), parents.len());
                for (parent, maps) in parents.iter().zip(&alignment.maps) {
                    context.look()?;
                    survey(&to_frame(graph.spec(), &files::load(parent, graph)?, maps), parents.len())?;
                }
            }
            Some(Endpoints::AsPublished) => {
                survey(&model, others.len() + 1)?;
                for parent in others {
                    context.look()?;
                    survey(&files::load(parent, graph)?, others.len() + 1)?;
                }
            }
        }
        let shares = self.shares.clone().unwrap_or_else(|| vec![1.0 / ends.len().max(1) as f64; ends.len()]);
        let repaired = mender.mend(&model, &ends, &shares, ends.len() * mender.images(), total)?;
        files::save(context.out, &mender.graph().architecture, repaired)
    }
}
