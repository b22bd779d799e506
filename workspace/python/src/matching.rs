//! Networks of Python's dictionaries in one frame.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use ndarray::Array2;
use onebasin::maps_file;
use onebasin::network_match::{self, Matched, drawn_inputs};
use onebasin::weight_file::{ArchitectureFile, Hints, Named, inputs_of, no_parameter, tell, tell_like, weights};
use onebasin_checkpoints::shorten;
use onebasin_matching::{UnitMap, mean};
use onebasin_network::{Graph, Inferred, Operation, Shape, Stored, Weights};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::bytes::bytes;
use crate::failure;
use crate::interruptible::interruptible;

/// Name, type, shape, and numbers where the type is floating.
type Given = (String, String, Vec<usize>, Option<PyBuffer<f32>>);

/// Indices of tensors, and their numbers as `float32`, as the dictionary stores them.
type Changed<'py> = Vec<(usize, Bound<'py, PyByteArray>)>;

/// The map of a group by its name: units as `int64`, or the shape of a matrix of `float32`.
type Map<'py> = (String, Bound<'py, PyByteArray>, Option<(usize, usize)>);

/// Networks in one frame.
#[pyclass(frozen, module = "onebasin._onebasin")]
pub struct Match {
    graph: Arc<Graph>,
    /// Where the parameters of each network stand.
    inferred: Vec<Inferred>,
    matched: Matched,
}

/// Tensors under their short names.
fn stored(place: &str, tensors: &[Given]) -> PyResult<Vec<Stored>> {
    let names: Vec<&str> = tensors.iter().map(|(name, ..)| name.as_str()).collect();
    let names = shorten(&names).map_err(|fault| PyValueError::new_err(format!("`{place}`: {}\nhint: {}", fault.problem, fault.hint)))?;
    Ok(names.into_iter().zip(tensors).map(|(name, (_, _, shape, _))| Stored { name, shape: shape.clone() }).collect())
}

fn weights_of(py: Python<'_>, place: &str, inferred: &Inferred, graph: &Graph, tensors: &[Given]) -> Result<Weights> {
    weights(place, inferred, graph, |index| {
        let (name, dtype, _, array) = &tensors[index];
        let array = array.as_ref().ok_or_else(|| no_parameter(place, name, dtype))?;
        array.to_vec(py).with_context(|| format!("cannot read `{name}`"))
    })
}

/// Reads what stands in JSON as the tables that specs are made of.
fn table(json: &str) -> PyResult<toml::Table> {
    serde_json::from_str(json).map_err(failure::input)
}

#[pymethods]
impl Match {
    /// Finds the frame; `method` and `options` are as in a spec, `architecture` is JSON, or a file.
    #[new]
    #[pyo3(signature = (names, models, method, options, architecture, architecture_file, input, linear, inputs, seed))]
    #[expect(clippy::too_many_arguments, reason = "one call over the border")]
    fn new(
        py: Python<'_>,
        names: Vec<String>,
        models: Vec<Vec<Given>>,
        method: String,
        options: &str,
        architecture: Option<&str>,
        architecture_file: Option<PathBuf>,
        input: Option<[usize; 3]>,
        linear: bool,
        inputs: Option<PyBuffer<f32>>,
        seed: u64,
    ) -> PyResult<Match> {
        let matching = network_match::method(&method, table(options)?).map_err(failure::input)?;
        let architecture = match (architecture, architecture_file) {
            (Some(json), _) => Some(ArchitectureFile::of(table(json)?).context("the table is no architecture").map_err(failure::input)?),
            (None, Some(path)) => Some(ArchitectureFile::read(&path).map_err(failure::input)?),
            (None, None) => None,
        };
        let hints = Hints { key: None, architecture, input: input.map(Shape::from), linear };
        let listed = names.iter().zip(&models).map(|(name, model)| stored(name, model)).collect::<PyResult<Vec<_>>>()?;
        let named = |place: usize| Named { place: &names[place], tensors: &listed[place] };
        let (first, graph) = tell(named(0), true, None, &hints).map_err(failure::input)?;
        let mut inferred = vec![first];
        for place in 1..models.len() {
            inferred.push(tell_like(named(0), &graph, named(place), true, &hints).map_err(failure::input)?);
        }
        let networks = names.iter().zip(&models).zip(&inferred).map(|((name, model), inferred)| {
            let weights = weights_of(py, name, inferred, &graph, model).map_err(failure::input)?;
            Ok((name.clone(), weights))
        });
        let networks = networks.collect::<PyResult<Vec<(String, Weights)>>>()?;
        let inputs = match inputs {
            None => drawn_inputs(&graph),
            Some(array) => inputs_of(array.to_vec(py)?, array.shape(), graph.architecture.input, "inputs"),
        };
        let inputs = inputs.map_err(failure::input)?;
        let about = (inferred[0].family.clone(), method);
        let network = graph.clone();
        let found = interruptible(py, move |interrupted| {
            let networks: Vec<(String, &Weights)> = networks.iter().map(|(name, weights)| (name.clone(), weights)).collect();
            Matched::of(&network, &networks, about, &inputs, |weights| {
                network_match::seek(&network, weights, &matching, seed, &|| interrupted.load(Ordering::Relaxed))
            })
        })?;
        Ok(Match { graph, inferred, matched: found.map_err(failure::running)? })
    }

    /// For each model, the map of each group.
    fn permutations<'py>(&self, py: Python<'py>) -> PyResult<Vec<Vec<Map<'py>>>> {
        let groups = &self.matched.alignment.groups;
        let matrix = |plan: &Array2<f32>| {
            let values: Vec<f32> = plan.iter().copied().collect();
            Ok::<_, PyErr>((bytes(py, &values, f32::to_ne_bytes)?, Some(plan.dim())))
        };
        let map = |(name, map): (&String, &UnitMap)| {
            let (numbers, shape) = match map {
                UnitMap::Permutation(permutation) => (bytes(py, permutation.as_slice(), |unit: u32| i64::from(unit).to_ne_bytes())?, None),
                UnitMap::Plan(plan) => matrix(plan)?,
                UnitMap::Transport(transport) => matrix(&transport.incoming)?,
                UnitMap::Untied(_) => {
                    let problem = format!("the map of group `{name}` is a plan for each parameter, which has no one matrix");
                    return Err(PyValueError::new_err(format!("{problem}\nhint: leave `residual` out")));
                }
            };
            Ok((name.clone(), numbers, shape))
        };
        self.matched.alignment.maps.iter().map(|maps| groups.iter().zip(maps).map(map).collect()).collect()
    }

    /// What was found, as JSON.
    #[getter]
    fn summary(&self) -> String {
        self.matched.summary().to_string()
    }

    /// The network as data, as JSON.
    #[getter]
    fn architecture(&self) -> String {
        self.graph.architecture.to_json()
    }

    /// What names and shapes do not say and is taken to be so.
    #[getter]
    fn assumed(&self) -> Vec<String> {
        self.inferred[0].assumed.clone()
    }

    /// Seconds that finding the maps took.
    #[getter]
    fn seconds(&self) -> f64 {
        self.matched.seconds
    }

    /// Whether a mean has running statistics that its activations do not follow.
    #[getter]
    fn has_batch_norms(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(node.operation, Operation::Norm { mean: Some(_), .. }))
    }

    /// The parameters of a model in the frame.
    fn apply<'py>(&self, py: Python<'py>, model: usize) -> PyResult<Changed<'py>> {
        let count = self.matched.models.len();
        let weights = self.matched.models.get(model).ok_or_else(|| PyIndexError::new_err(format!("model {model} of {count}")))?;
        changed(py, &self.inferred[model], weights)
    }

    /// The parameters of the mean, in the form of the first model.
    #[pyo3(signature = (coefficients))]
    fn merge<'py>(&self, py: Python<'py>, coefficients: Option<Vec<f64>>) -> PyResult<Changed<'py>> {
        let models: Vec<&Weights> = self.matched.models.iter().collect();
        let merged = py.detach(|| mean(&models, coefficients.as_deref())).map_err(failure::input)?;
        if let Some((name, _)) = merged.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
            return Err(PyRuntimeError::new_err(format!("`{name}` of the merged network holds a number that is not finite")));
        }
        changed(py, &self.inferred[0], &merged)
    }

    /// Writes the permutations as `onebasin match --out` does.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        maps_file::write(&self.matched, self.graph.spec(), &path).map_err(failure::input)
    }
}

fn changed<'py>(py: Python<'py>, inferred: &Inferred, weights: &Weights) -> PyResult<Changed<'py>> {
    inferred.stored(weights).map(|(tensor, values)| Ok((tensor, bytes(py, &values, f32::to_ne_bytes)?))).collect()
}
