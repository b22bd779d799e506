//! Networks of one architecture in one frame, and the proof that nothing was broken: what `onebasin match` and the Python package share.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::{Array2, Array4, Axis};
use onebasin_matching::{Alignment, Interrupted, Matching, Problem, UnitMap, UnitMaps, objective, to_frame};
use onebasin_network::{Graph, Permutation, Weights, did_you_mean};
use onebasin_repro::{Fingerprint, Stream};
use onebasin_training::{Device, outputs};
use serde_json::{Value, json};

use crate::function_check::FunctionCheck;

/// Networks in one frame.
pub struct Matched {
    /// The files, or what else the networks are called.
    pub names: Vec<String>,
    /// What tells their weights from others.
    pub digests: Vec<String>,
    /// What network it is.
    pub family: String,
    /// The method, or the file the maps are from.
    pub method: String,
    /// The maps.
    pub alignment: Alignment,
    /// The first model whose class scores are in another order in the frame, or are mixed there.
    pub moved_outputs: Option<String>,
    /// Each model in the frame.
    pub models: Vec<Weights>,
    /// The objective of the models as they came.
    pub before: f64,
    /// What the models compute in the frame beside what they did.
    pub check: FunctionCheck,
    /// What finding the maps took.
    pub seconds: f64,
}

/// A matching that looks at weights alone, of a name or of a table as in a spec.
///
/// # Errors
/// When there is none of the name, a key is wrong, or the method looks at images.
pub fn method(said: &str, options: toml::Table) -> Result<Matching> {
    let by = options.get("by").and_then(toml::Value::as_str).unwrap_or(said).to_owned();
    let wrong = |error: &dyn std::fmt::Display| {
        let hint = match did_you_mean(&by, Matching::NAMES.iter().copied()) {
            Some(name) if name != by => format!("did you mean `{name}`?"),
            Some(_) => "experiments/spec.md has the keys of each matching".to_owned(),
            None => format!("use one of {}", Matching::NAMES.join(", ")),
        };
        anyhow!("method `{said}` is no matching: {error}\nhint: {hint}")
    };
    let matching: Matching = toml::Value::Table(options).try_into().map_err(|error: toml::de::Error| wrong(&error.message().to_owned()))?;
    matching.check()?;
    if matching.needs().is_some() || matching.needs_loss() {
        let hint = "name the files as `models` of a spec, whose pair says the data";
        bail!("method `{said}` looks at images, which weights alone do not have\nhint: {hint}");
    }
    Ok(matching)
}

/// What `--method` says: a name, or a table as in a spec.
///
/// # Errors
/// As [`method`].
pub fn method_of_text(text: &str) -> Result<Matching> {
    let table = if text.trim_start().starts_with('{') { format!("method = {text}") } else { format!("method = {{ by = \"{text}\" }}") };
    match table.parse::<toml::Table>().map(|mut table| table.remove("method")) {
        Ok(Some(toml::Value::Table(options))) => method(text, options),
        Ok(_) => bail!("method `{text}` is no table\nhint: write `{{ by = \"c2m3\" }}`"),
        Err(error) => bail!("method `{text}` is no matching: {}\nhint: use one of {}", error.message(), Matching::NAMES.join(", ")),
    }
}

/// Seeks the maps of models into one frame.
///
/// # Errors
/// When a model does not fit, or `interrupted` says to stop.
pub fn seek(graph: &Graph, weights: &[&Weights], matching: &Matching, seed: u64, interrupted: Interrupted<'_>) -> Result<Alignment> {
    let problem = Problem::new(graph.spec(), weights.to_vec());
    let stream = Stream::root(seed).child("match");
    matching.matcher().align_unless(interrupted, &problem, &stream).context("cannot match the networks")
}

impl Matched {
    /// Brings models into a frame, which `alignment` finds, and checks on inputs that each computes there what it did.
    ///
    /// # Errors
    /// Those of `alignment`; when a model computes something else in the frame, though all maps are permutations.
    pub fn of(
        graph: &Graph,
        networks: &[(String, &Weights)],
        (family, method): (String, String),
        inputs: &Array4<f32>,
        alignment: impl FnOnce(&[&Weights]) -> Result<Alignment>,
    ) -> Result<Matched> {
        let spec = graph.spec();
        let weights: Vec<&Weights> = networks.iter().map(|(_, weights)| *weights).collect();
        let before = objective(spec, &weights);
        let begun = Instant::now();
        let alignment = alignment(&weights)?;
        let seconds = begun.elapsed().as_secs_f64();
        let mut check = FunctionCheck::new(inputs.len_of(Axis(0)));
        let mut models = Vec::with_capacity(networks.len());
        for ((name, weights), maps) in networks.iter().zip(&alignment.maps) {
            let model = to_frame(spec, weights, maps);
            let compared = check.add(&outputs_of(graph, weights, inputs)?, &outputs_of(graph, &model, inputs)?);
            compared.with_context(|| format!("model `{name}`"))?;
            models.push(model);
        }
        // Soft maps change the function, and so do moved class scores: there the difference is a result.
        if alignment.is_hard() && alignment.maps.iter().all(|maps| maps.len() == spec.groups.len()) {
            check.ensure_preserved()?;
        }
        let moves = |map: &UnitMap| !matches!(map, UnitMap::Permutation(order) if *order == Permutation::identity(order.as_slice().len()));
        let is_moved = |maps: &UnitMaps| maps.iter().skip(spec.groups.len()).any(moves);
        let moved_outputs = networks.iter().zip(&alignment.maps).find(|(_, maps)| is_moved(maps)).map(|((name, _), _)| name.clone());
        let names = networks.iter().map(|(name, _)| name.clone()).collect();
        let digests = weights.iter().map(|weights| digest(weights)).collect();
        Ok(Matched { names, digests, family, method, alignment, moved_outputs, models, before, check, seconds })
    }

    /// What was found, for a program.
    pub fn summary(&self) -> Value {
        let alignment = &self.alignment;
        json!({
            "files": self.names,
            "network": self.family,
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
}

/// What tells weights from others, whatever file they came in.
pub fn digest(weights: &Weights) -> String {
    let numbers = weights.iter().flat_map(|(_, array)| array.iter().flat_map(|value| value.to_le_bytes()));
    Fingerprint::of_bytes(&numbers.collect::<Vec<u8>>()).short()
}

/// Inputs to check functions on: a few of independent numbers with mean 0 and variance 1.
///
/// # Errors
/// When the shape holds no numbers.
pub fn drawn_inputs(graph: &Graph) -> Result<Array4<f32>> {
    let shape = graph.architecture.input;
    ensure!(shape.volume() > 0, "inputs of shape {shape} hold no numbers");
    // As many as some seconds allow.
    let count = (20_000_000_000 / graph.flops().max(1)).clamp(2, 64) as usize;
    let length = count * shape.volume();
    let order = Stream::root(0).child("check-inputs").shuffled(length);
    let half_width = 3.0_f32.sqrt();
    let values = order.iter().map(|&rank| half_width * (2.0 * (rank as f32 + 0.5) / length as f32 - 1.0)).collect();
    Ok(Array4::from_shape_vec((count, shape.channels, shape.height, shape.width), values)?)
}

/// The outputs of weights of a network on inputs.
///
/// # Errors
/// When the inputs are of another shape.
pub fn outputs_of(graph: &Graph, weights: &Weights, inputs: &Array4<f32>) -> Result<Array2<f32>> {
    Ok(outputs(graph, weights, inputs.view(), &Device::select("cpu")?)?)
}
