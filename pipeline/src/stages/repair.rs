//! The stage that restores a merged model's statistics.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_matching::{Alignment, UnitMaps, to_frame};
use onebasin_network::Weights;
use onebasin_training::Statistics;
use serde_json::json;

use super::files;
use super::mender::Mender;
use crate::spec::{self, Endpoints};
use crate::stage::{Artifact, Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Repairs a merged model and saves it, with the architecture it then has, as `weights.safetensors`.
pub struct Repair {
    id: StageId,
    inputs: Vec<StageId>,
    subject: Arc<Subject>,
    repair: spec::Repair,
    shares: Option<Vec<f64>>,
    positions: Option<Vec<usize>>,
    way: Way,
}

/// What a model was merged of.
pub struct Merged {
    /// The merged model.
    pub model: StageId,
    /// What brought its parents into one frame.
    pub alignment: StageId,
    /// What its repair is to bring it near to.
    pub ends: Ends,
    /// The places of its parents in the alignment, if that has others too.
    pub positions: Option<Vec<usize>>,
    /// Each parent's share; all alike if `None`.
    pub shares: Option<Vec<f64>>,
}

/// The models whose statistics a repair aims at.
pub enum Ends {
    /// None: it restores batch norms alone, or there is no convolution.
    Nothing,
    /// Their surveys.
    Surveyed(Vec<StageId>),
    /// Models that their maps mix rather than permute, so that surveys of them as trained do not help: each takes a pass in the frame.
    Mixed(Vec<StageId>),
}

/// How the goal of a repair is found, and what stands behind the merged model among its inputs.
#[derive(Clone, Copy)]
enum Way {
    /// There is none.
    Nothing,
    /// The alignment, then surveys to be brought into the frame.
    Surveys,
    /// The alignment, then models to be brought into the frame and surveyed.
    Passes,
    /// Surveys of all parents but the first, which the merged model stands for, taken as they are.
    AsPublished,
}

impl Repair {
    /// The repaired form of a merged model.
    pub fn new(id: StageId, merged: Merged, subject: Arc<Subject>, repair: spec::Repair) -> Repair {
        let Merged { model, alignment, ends, positions, shares } = merged;
        let published = matches!(&repair, spec::Repair::Repair(options) if options.endpoints == Endpoints::AsPublished);
        let (way, alignment, ends) = match ends {
            Ends::Nothing => (Way::Nothing, None, Vec::new()),
            Ends::Surveyed(ends) if published => (Way::AsPublished, None, ends),
            Ends::Surveyed(ends) => (Way::Surveys, Some(alignment), ends),
            Ends::Mixed(ends) => (Way::Passes, Some(alignment), ends),
        };
        let shares = if let Way::Nothing = way { None } else { shares };
        let positions = if alignment.is_some() { positions } else { None };
        let inputs = [model].into_iter().chain(alignment).chain(ends).collect();
        Repair { id, inputs, subject, repair, shares, positions, way }
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
        let mut settings = json!({
            "repair": self.repair,
            "shares": self.shares,
            "data": self.subject.data_recipe(),
            "device": self.subject.device,
        });
        if let Some(positions) = &self.positions {
            settings["positions"] = json!(positions);
        }
        Recipe { kind: "repair", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let (merged, others) = context.inputs.split_first().context("a repair without a model")?;
        let model = files::load(merged, graph)?;
        let dataset = context.images.of(&self.subject)?;
        let mender = Mender::new(context, &self.subject, &dataset, &self.repair)?;
        let mut passes = Passes { mender: &mender, done: 0, total: mender.images() };
        let ends = match self.way {
            Way::Nothing => Vec::new(),
            Way::Surveys => {
                let (maps, surveys) = aligned(others, self.positions.as_deref())?;
                surveys.iter().zip(&maps).map(|(survey, maps)| mender.in_frame(survey, maps)).collect::<Result<_>>()?
            }
            Way::Passes => {
                let (maps, parents) = aligned(others, self.positions.as_deref())?;
                passes.total += parents.len() * mender.images();
                let image = |parent, maps| anyhow::Ok(to_frame(graph.spec(), &files::load(parent, graph)?, maps));
                let ends = parents.iter().zip(&maps).map(|(parent, maps)| passes.survey(&image(parent, maps)?));
                ends.collect::<Result<Vec<_>>>()?
            }
            Way::AsPublished => {
                passes.total += mender.images();
                let first = passes.survey(&model)?;
                let rest = others.iter().map(files::load_statistics);
                std::iter::once(Ok(first)).chain(rest).collect::<Result<_>>()?
            }
        };
        let shares = self.shares.clone().unwrap_or_else(|| vec![1.0 / ends.len().max(1) as f64; ends.len()]);
        let repaired = mender.mend(&model, &ends, &shares, passes.done, passes.total)?;
        files::save(context.out, &mender.graph().architecture, repaired)
    }
}

/// The alignment that comes first, and what comes behind it, one for each of its models.
fn aligned<'a>(inputs: &'a [Artifact], positions: Option<&[usize]>) -> Result<(Vec<UnitMaps>, &'a [Artifact])> {
    let (alignment, ends) = inputs.split_first().context("a repair without an alignment")?;
    let alignment = Alignment::load(&alignment.directory)?;
    Ok((files::maps(&alignment, positions, ends.len())?, ends))
}

/// Passes one after the other, for their progress.
struct Passes<'a> {
    mender: &'a Mender<'a>,
    done: usize,
    total: usize,
}

impl Passes<'_> {
    fn survey(&mut self, model: &Weights) -> Result<Statistics> {
        let statistics = self.mender.statistics(model, self.done, self.total)?;
        self.done += self.mender.images();
        Ok(statistics)
    }
}
