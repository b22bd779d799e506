use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, anyhow};
use onebasin_matching::{Alignment, Matching, Problem, objective, to_frame};
use onebasin_network::{Weights, did_you_mean};
use onebasin_repro::Stream;
use serde_json::json;

use super::{check_inputs, outputs_of, read, read_maps, tell_assumptions};
use crate::cli::{MatchOptions, NetworkOptions};
use crate::commands::Failure;
use crate::console;
use crate::function_check::FunctionCheck;
use crate::interrupt;
use crate::weight_file::Network;

/// Networks in one frame.
pub struct Aligned {
    pub networks: Vec<Network>,
    pub alignment: Alignment,
    /// Each model in the frame.
    pub models: Vec<Weights>,
    /// The objective of the models as they came.
    pub before: f64,
    pub check: FunctionCheck,
    pub seconds: f64,
    /// The method, or the file the maps are from.
    pub method: String,
}

/// What `--method` says: a name, or a table as in a spec.
fn matching(text: &str) -> Result<Matching, Failure> {
    let table = if text.trim_start().starts_with('{') { format!("method = {text}") } else { format!("method = {{ by = \"{text}\" }}") };
    let wrong = |error: &dyn std::fmt::Display| {
        let hint = match did_you_mean(text, Matching::NAMES.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("use one of {}", Matching::NAMES.join(", ")),
        };
        Failure::Input(anyhow!("`--method {text}` is no matching: {error}\nhint: {hint}"))
    };
    let mut table: toml::Table = table.parse().map_err(|error| wrong(&error))?;
    let value = table.remove("method").expect("it was just written");
    let matching: Matching = value.try_into().map_err(|error: toml::de::Error| wrong(&error.message().to_owned()))?;
    matching.check().map_err(Failure::input)?;
    if matching.needs().is_some() || matching.needs_loss() {
        let hint = "name the files as `models` of a spec, whose pair says the data";
        return Err(Failure::Input(anyhow!("`--method {text}` looks at images, which files of weights do not have\nhint: {hint}")));
    }
    Ok(matching)
}

/// Reads the files, finds or reads their maps, and checks that each model computes in the frame what it did.
///
/// `None` where the first file does not give the outputs that are expected.
pub fn align(files: &[PathBuf], options: &MatchOptions, network: &NetworkOptions) -> Result<Option<Aligned>, Failure> {
    let matching = matching(&options.method)?;
    let (networks, fine) = read(files, network)?;
    if !fine {
        return Ok(None);
    }
    tell_assumptions(&networks[0], network);
    let graph = networks[0].graph.clone();
    let spec = graph.spec();
    let weights: Vec<&Weights> = networks.iter().map(|network| &network.weights).collect();
    let before = objective(spec, &weights);
    let begun = Instant::now();
    let (alignment, method) = match &options.maps {
        Some(path) => (read_maps(path, &graph, &weights)?, path.display().to_string()),
        None => {
            let problem = Problem::new(spec, weights.clone());
            let interrupted = || interrupt::install().load(Ordering::Relaxed);
            let stream = Stream::root(options.seed).child("match");
            let found = matching.matcher().align_unless(&interrupted, &problem, &stream);
            (found.context("cannot match the networks").map_err(Failure::Running)?, options.method.clone())
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let inputs = check_inputs(&graph, network)?;
    let mut check = FunctionCheck::new(inputs.len_of(ndarray::Axis(0)));
    let mut models = Vec::with_capacity(networks.len());
    for (network, maps) in networks.iter().zip(&alignment.maps) {
        let model = to_frame(spec, &network.weights, maps);
        let compared = check.add(&outputs_of(&graph, &network.weights, &inputs)?, &outputs_of(&graph, &model, &inputs)?);
        compared.with_context(|| format!("model `{}`", network.path.display())).map_err(Failure::Running)?;
        models.push(model);
    }
    // Soft maps change the function: there the difference is a result.
    if alignment.is_hard() && maps_keep_outputs(&alignment, spec.groups.len()) {
        check.ensure_preserved().map_err(Failure::Running)?;
    }
    Ok(Some(Aligned { networks, alignment, models, before, check, seconds, method }))
}

/// Whether class scores stay where they are.
fn maps_keep_outputs(alignment: &Alignment, groups: usize) -> bool {
    alignment.maps.iter().all(|maps| maps.len() == groups)
}

impl Aligned {
    /// What was found, for a program.
    pub fn summary(&self) -> serde_json::Value {
        let alignment = &self.alignment;
        json!({
            "files": self.networks.iter().map(|network| network.path.display().to_string()).collect::<Vec<_>>(),
            "network": self.networks[0].inferred.family,
            "method": self.method,
            "frame": alignment.frame,
            "objective-before": self.before,
            "objective": alignment.objective,
            "iterations": alignment.iterations,
            "outcome": alignment.outcome,
            "certificate": alignment.certificate,
            "function-check": self.check,
        })
    }

    /// What was found, for a person.
    pub fn text(&self) -> String {
        let alignment = &self.alignment;
        let certificate = alignment.certificate;
        let check = &self.check;
        let mut rows = vec![
            ["network".to_owned(), self.networks[0].inferred.family.clone()],
            ["method".to_owned(), self.method.clone()],
            ["objective".to_owned(), format!("{:.6} as they came, {:.6} matched", self.before, alignment.objective)],
        ];
        if alignment.iterations > 0 {
            let (gap, violation) = (certificate.duality_gap, certificate.worst_violation);
            rows.push(["iterations".to_owned(), format!("{}, {}", alignment.iterations, word(&alignment.outcome))]);
            rows.push(["assignments".to_owned(), format!("duality gap {gap:.1e}, worst violation {violation:.1e}: 0 proves the best")]);
        }
        let (error, images, scale) = (check.function_error, check.images, check.scale);
        rows.push([
            "function".to_owned(),
            format!("outputs differ by at most {error:.1e} on {images} inputs, for logits of up to {scale:.3}"),
        ]);
        console::columns(&rows).join("\n")
    }
}

/// A variant as a file spells it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
