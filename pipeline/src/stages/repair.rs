//! The stage that restores a merged model's statistics.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, UnitMaps, to_frame_with};
use onebasin_network::Weights;
use onebasin_training::Statistics;
use serde_json::json;

use super::files;
use super::repairer::Repairer;
use crate::demand;
use crate::identity::Part;
use crate::spec::{self, Endpoints};
use crate::stage::{Artifact, Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Repairs a merged model and saves it, with the architecture it then has, as `weights.safetensors`.
pub struct Repair {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    repair: spec::Repair,
    shares: Option<Vec<f64>>,
    positions: Option<Vec<usize>>,
    source: TargetSource,
}

/// What a model was merged of.
pub struct Merged {
    /// The merged model.
    pub model: StageId,
    /// What brought its parents into one frame.
    pub alignment: StageId,
    /// What its repair is to bring it near to.
    pub ends: EndpointStatistics,
    /// The places of its parents in the alignment, if that has others too.
    pub positions: Option<Vec<usize>>,
    /// Each parent's share; all alike if `None`.
    pub shares: Option<Vec<f64>>,
}

/// The models whose statistics a repair aims at.
pub enum EndpointStatistics {
    /// None: it restores batch norms alone, or there is no layer to repair.
    Nothing,
    /// Measured of the models as they were trained.
    Measured(Vec<StageId>),
    /// Of models that their maps mix rather than permute, so that statistics of them as trained do not help: each takes a pass in the frame.
    Mixed(Vec<StageId>),
}

/// How the goal of a repair is found, and what stands behind the merged model among its inputs.
#[derive(Clone, Copy)]
enum TargetSource {
    /// There is none.
    Nothing,
    /// The alignment, then statistics to be brought into the frame.
    Statistics,
    /// The alignment, then models to be brought into the frame and measured there.
    Passes,
    /// Statistics of all parents but the first, which the merged model stands for, taken as they are.
    AsPublished,
    /// Statistics of all parents, taken as they are.
    Unaligned,
}

impl Repair {
    /// The repaired form of a merged model.
    pub fn new(id: StageId, merged: Merged, task: Arc<Task>, repair: spec::Repair) -> Repair {
        let Merged { model, alignment, ends, positions, shares } = merged;
        let endpoints = repair.renormalises().map(|(options, _)| options.endpoints);
        let (source, alignment, ends) = match ends {
            EndpointStatistics::Nothing => (TargetSource::Nothing, None, Vec::new()),
            EndpointStatistics::Measured(ends) if endpoints == Some(Endpoints::AsPublished) => (TargetSource::AsPublished, None, ends),
            EndpointStatistics::Measured(ends) if endpoints == Some(Endpoints::Unaligned) => (TargetSource::Unaligned, None, ends),
            EndpointStatistics::Measured(ends) => (TargetSource::Statistics, Some(alignment), ends),
            EndpointStatistics::Mixed(ends) => (TargetSource::Passes, Some(alignment), ends),
        };
        let shares = if let TargetSource::Nothing = source { None } else { shares };
        let positions = if alignment.is_some() { positions } else { None };
        let inputs = [model].into_iter().chain(alignment).chain(ends).collect();
        Repair { id, inputs, task, repair, shares, positions, source }
    }
}

impl Stage for Repair {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "repairing", past: "REPAIRED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let mut settings = json!({
            "repair": self.repair,
            "shares": self.shares,
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        if let Some(positions) = &self.positions {
            settings["positions"] = json!(positions);
        }
        Recipe { kind: "repair", version: self.repair.version(), settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let networks = if matches!(self.source, TargetSource::Passes) { self.inputs.len() } else { 1 };
        demand::of_first(&self.task, Part::Train, self.repair.images(), networks, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let (merged, others) = context.inputs.split_first().context("a repair without a model")?;
        let model = files::load(merged, graph)?;
        let dataset = context.datasets.of(&self.task)?;
        let repairer = Repairer::new(context, &self.task, &dataset, &self.repair)?;
        let mut passes = Passes { repairer: &repairer, done: 0, total: repairer.images() };
        let ends = match self.source {
            TargetSource::Nothing => Vec::new(),
            TargetSource::Statistics => {
                let (maps, statistics) = aligned(others, self.positions.as_deref())?;
                statistics.iter().zip(&maps).map(|(statistics, maps)| repairer.in_frame(statistics, maps)).collect::<Result<_>>()?
            }
            TargetSource::Passes => {
                let (maps, parents) = aligned(others, self.positions.as_deref())?;
                passes.total += parents.len() * repairer.images();
                let alignment = Alignment::load(&others[0].directory)?;
                let own = files::own(&alignment, self.positions.as_deref(), parents, &self.task)?;
                let image = |parent, maps| anyhow::Ok(to_frame_with(graph.spec(), &files::load(parent, graph)?, maps, own.as_ref()));
                let ends = parents.iter().zip(&maps).map(|(parent, maps)| passes.measure(&image(parent, maps)?));
                ends.collect::<Result<Vec<_>>>()?
            }
            TargetSource::Unaligned => others.iter().map(files::load_statistics).collect::<Result<_>>()?,
            TargetSource::AsPublished => {
                passes.total += repairer.images();
                let first = passes.measure(&model)?;
                let rest = others.iter().map(files::load_statistics);
                std::iter::once(Ok(first)).chain(rest).collect::<Result<_>>()?
            }
        };
        let shares = self.shares.clone().unwrap_or_else(|| vec![1.0 / ends.len().max(1) as f64; ends.len()]);
        let repaired = repairer.repair(&model, &ends, &shares, passes.done, passes.total)?;
        files::save(context.out, &repairer.graph().architecture, repaired)
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
    repairer: &'a Repairer<'a>,
    done: usize,
    total: usize,
}

impl Passes<'_> {
    fn measure(&mut self, model: &Weights) -> Result<Statistics> {
        let statistics = self.repairer.statistics(model, self.done, self.total)?;
        self.done += self.repairer.images();
        Ok(statistics)
    }
}
