//! From a spec to an experiment and to its plan, with every measurement there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use onebasin_datasets::SearchPaths;

use crate::devices;
use crate::measurements;
use crate::own_models;
use crate::plan::{Plan, PlanBuilder};
use crate::report::{ArchitectureRow, Known, Plot, Tabulate, method_rows, off_lines};
use crate::spec::{self, Experiment, Lost, MOST_STAGES, Overrides, Pair, SpecError};
use crate::stage::{Stage, StageId};
use crate::task::Task;

/// Reads a spec with what is laid over it, and checks it together with each of its profiles.
///
/// # Errors
/// The first fault found, with its place.
pub fn load(path: &Path, overrides: &Overrides, places: &SearchPaths) -> Result<Experiment, SpecError> {
    spec::load(path, overrides, places, &measurements::evaluation_keys())
}

/// As [`load`], of a text at hand; `path` names it in errors and is what its relative paths start from.
///
/// # Errors
/// The first fault found, with its place.
pub fn parse(text: &str, path: &Path, overrides: &Overrides, places: &SearchPaths) -> Result<Experiment, SpecError> {
    spec::parse(text, path, overrides, places, &measurements::evaluation_keys())
}

/// The JSON schema of a spec.
pub fn schema() -> serde_json::Value {
    spec::schema(&measurements::evaluation_keys())
}

/// The plan of an experiment, from the content digests of its data sets (by their names in the spec) and the
/// devices that networks run on, as `--device` lists them.
///
/// # Errors
/// A data set without a digest.
pub fn plan(experiment: &Experiment, digests: &BTreeMap<String, String>, device: &str) -> anyhow::Result<Plan> {
    let kinds = devices::kinds(device);
    let mut dealt = kinds.iter().cycle();
    let mut builder = PlanBuilder::new(experiment);
    for pair in &experiment.pairs {
        let digest = digests.get(&pair.dataset).ok_or_else(|| anyhow::anyhow!("no digest of data set `{}`", pair.dataset))?;
        let task = |kind: &str| Task {
            source: pair.source.clone(),
            digest: digest.clone(),
            normalisation: pair.normalisation.clone(),
            trained: pair.trained.clone(),
            graph: pair.graph.clone(),
            others: match pair.widths.is_empty() {
                true => Vec::new(),
                false => pair.widths.values().map(|width| &width.graph).chain([&pair.graph]).cloned().collect(),
            },
            device: kind.to_owned(),
            measured: experiment.evaluation.images,
            validation: experiment.held_out(pair),
        };
        let tasks: BTreeMap<&str, Arc<Task>> = kinds.iter().map(|&kind| (kind, Arc::new(task(kind)))).collect();
        for replicate in 0..experiment.replicates {
            anyhow::ensure!(
                !builder.is_full(),
                "`{}` has more than {MOST_STAGES} stages\nhint: lower `models`, `replicates` or `matching-seeds`, or measure fewer lines: \
                 `evaluation.pairs = \"none\"`",
                experiment.name
            );
            let kind = dealt.next().copied().unwrap_or("cpu");
            measurements::plan(&mut builder.pair(pair, tasks[kind].clone(), replicate));
        }
    }
    let (mut stages, mut recorded) = builder.finish();
    let slugs: BTreeMap<_, _> = experiment.pairs.iter().map(|pair| (pair.name(), experiment.slug(pair))).collect();
    let takes = |stage: &StageId, lost: &Lost| {
        let is_of_pair = slugs.get(&lost.pair).map(String::as_str) == stage.pair_slug();
        stage.as_str() == lost.stage || (lost.method.is_some() && is_of_pair && stage.method() == lost.method.as_deref())
    };
    recorded.retain(|recorded| !experiment.lost.iter().any(|lost| takes(&recorded.stage, lost)));
    let known = Known {
        title: experiment.name.clone(),
        architectures: experiment.pairs.iter().map(ArchitectureRow::new).collect(),
        methods: method_rows(experiment),
        comparison: experiment.comparison.clone(),
        barriers: experiment.barriers(),
        lost: experiment.lost.clone(),
        origin: experiment.origin.text(),
        images: experiment.evaluation.images,
        batch_norms: experiment.pairs.iter().filter(|pair| pair.has_batch_norms()).map(Pair::name).collect(),
        interpolation: experiment.evaluation.interpolation,
        own_models: own_models::own_models(experiment),
        off_lines: off_lines::off_lines(experiment),
        splits: experiment.evaluation.parts.clone(),
    };
    let tabulate = Tabulate::new(recorded, known);
    let plot = Plot::new(tabulate.id().clone());
    stages.push(Arc::new(tabulate));
    stages.push(Arc::new(plot));
    Plan::of(stages)
}
