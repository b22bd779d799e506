//! How stages repair models: merged ones, and those on a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use onebasin_datasets::{Dataset, Split};
use onebasin_matching::{UnitMaps, permutations};
use onebasin_network::{Graph, Weights, repairable_weights};
use onebasin_training::{Sample, Statistics, repair, reset_batch_norms, statistics, unit_correlations};

use super::files;
use crate::dataset_cache;
use crate::spec::Repair;
use crate::stage::{Artifact, Context, Progress};
use crate::task::Task;

/// Repairs models of one task by the first images of its training split.
pub(crate) struct Repairer<'a> {
    context: &'a Context<'a>,
    task: &'a Task,
    dataset: &'a Dataset,
    repair: &'a Repair,
    split: Cow<'a, Split>,
    /// What repaired models are of.
    graph: Graph,
}

impl<'a> Repairer<'a> {
    /// # Errors
    /// When there are not as many training images as the repair shall see.
    pub fn new(context: &'a Context<'a>, task: &'a Task, dataset: &'a Dataset, repair: &'a Repair) -> Result<Repairer<'a>> {
        let there = dataset.train.len();
        let split = match repair.images() {
            Some(images) if images < there => Cow::Owned(dataset.train.select(&(0..images as u32).collect::<Vec<_>>())),
            Some(images) => {
                ensure!(
                    images == there,
                    "`repair.images` is `{images}`, but there are {there} training images\nhint: leave it out to take all"
                );
                Cow::Borrowed(&dataset.train)
            }
            None => Cow::Borrowed(&dataset.train),
        };
        let graph = match repair.renormalises() {
            Some((options, _)) => task.graph.repairable(options.layers)?,
            None => task.graph.clone(),
        };
        Ok(Repairer { context, task, dataset, repair, split, graph })
    }

    /// What repaired models are of.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Images that a pass reads.
    pub fn images(&self) -> usize {
        self.split.len()
    }

    /// The statistics of a model as it was trained, brought into the frame that `maps` lead to.
    pub fn in_frame(&self, statistics: &Artifact, maps: &UnitMaps) -> Result<Statistics> {
        let maps = permutations(maps).context("the statistics of a model that is mixed rather than permuted cannot be rearranged")?;
        Ok(files::load_statistics(statistics)?.permuted(&self.task.graph, &self.graph, &maps)?)
    }

    /// The statistics of an end point, by a pass. `done` images of `total` are read already, in progress.
    pub fn statistics(&self, model: &Weights, done: usize, total: usize) -> Result<Statistics> {
        let Some((options, _)) = self.repair.renormalises() else { return Ok(Statistics::default()) };
        let model = repairable_weights(model, self.graph.spec())?;
        Ok(statistics(&self.graph, options.layers, &model, &self.sample(), &mut |here| self.watch(done + here, total))?)
    }

    /// How far the outputs of each layer's units follow those of models in the same frame, by layers.
    pub fn correlations(&self, model: &Weights, ends: &[Weights], done: usize, total: usize) -> Result<BTreeMap<String, f64>> {
        let Some((options, _)) = self.repair.renormalises() else { return Ok(BTreeMap::new()) };
        let ends = ends.iter().map(|end| repairable_weights(end, self.graph.spec())).collect::<Result<Vec<Weights>, _>>()?;
        let networks = (&repairable_weights(model, self.graph.spec())?, ends.iter().collect::<Vec<_>>());
        let mut watch = |here| self.watch(done + here, total);
        Ok(unit_correlations(&self.graph, options.layers, (networks.0, &networks.1), &self.sample(), &mut watch)?)
    }

    /// The repaired form of a model between models of some statistics. Without any, there are no such layers, or batch norms alone are
    /// to be reset.
    pub fn repair(&self, model: &Weights, ends: &[Statistics], shares: &[f64], done: usize, total: usize) -> Result<Weights> {
        let mut watch = |here| self.watch(done + here, total);
        let Some((options, restores)) = self.repair.renormalises() else {
            return Ok(reset_batch_norms(&self.graph, model, &self.sample(), &mut watch)?);
        };
        let ends: Vec<&Statistics> = ends.iter().collect();
        let goal = if ends.is_empty() { Statistics::default() } else { Statistics::mixture(&ends, shares, options.spread)? };
        let model = repairable_weights(model, self.graph.spec())?;
        Ok(repair(&self.graph, options.layers, &model, &goal, restores, &self.sample(), &mut watch)?)
    }

    fn sample(&self) -> Sample<'_> {
        Sample {
            data: &self.split,
            normalisation: dataset_cache::normalisation(self.task, self.dataset),
            batch: self.repair.batch(),
            device: self.context.device,
        }
    }

    fn watch(&self, done: usize, total: usize) -> ControlFlow<()> {
        (self.context.progress)(Progress::Share { done, total });
        if self.context.interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
