//! Weights and their architecture in one file.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Architecture, Graph, NetworkError, Weights};

/// The one metadata key, whose value is the architecture as JSON. A second key would be written in an order that changes.
const KEY: &str = "onebasin.architecture";

/// A network at rest: a safetensors file of `F32` tensors under the parameters' names, in the layout `[out, in, height, width]`, with
/// the architecture in its metadata.
///
/// NaN and infinity are stored and loaded like other numbers: a diverged training can be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What the network computes.
    pub architecture: Architecture,
    /// Its numbers.
    pub weights: Weights,
}

impl Checkpoint {
    /// Writes the file whole or not at all: beside its place under another name, then renamed over what is there. Equal content gives
    /// equal bytes.
    ///
    /// # Errors
    /// If the architecture is impossible, the weights are not of it, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NetworkError> {
        // Never leave a file that `load` would refuse.
        self.weights.fits(Graph::build(&self.architecture)?.spec())?;
        write_whole(path, &self.to_bytes(path)?)
    }

    /// Reads a file that [`save`](Checkpoint::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is no safetensors file or a damaged one, carries no architecture, or its tensors are not exactly
    /// the architecture's in name, shape and type.
    pub fn load(path: &Path) -> Result<Checkpoint, NetworkError> {
        let bytes = fs::read(path).map_err(|source| NetworkError::File { path: path.to_owned(), action: "read", source })?;
        Checkpoint::from_bytes(&bytes, path)
    }

    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, NetworkError> {
        let refused = |error| broken(path, "cannot be put into the safetensors format", error);
        let values: Vec<(&str, &[usize], Vec<u8>)> =
            (self.weights.iter()).map(|(name, array)| (name, array.shape(), little_endian(self.weights.values(name)))).collect();
        let mut views = Vec::with_capacity(values.len());
        for (name, shape, bytes) in &values {
            views.push((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).map_err(refused)?));
        }
        let metadata = HashMap::from([(KEY.to_owned(), self.architecture.to_json())]);
        safetensors::serialize(views, Some(metadata)).map_err(refused)
    }

    fn from_bytes(bytes: &[u8], path: &Path) -> Result<Checkpoint, NetworkError> {
        let partial = |error| broken(path, "not a whole safetensors file", error);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(partial)?;
        let Some(json) = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY)) else {
            return Err(NetworkError::Checkpoint {
                path: path.to_owned(),
                problem: format!("its metadata has no `{KEY}`"),
                hint: "this safetensors file was written by another program; the architecture must travel with the weights".to_owned(),
                source: None,
            });
        };
        let impossible = |error| broken(path, "its architecture cannot be built", error);
        let architecture = Architecture::from_json(json).map_err(impossible)?;
        let graph = Graph::build(&architecture).map_err(impossible)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(partial)?;
        let foreign = |error| broken(path, "its tensors are not those of its architecture", error);
        let mut arrays = BTreeMap::new();
        for (name, view) in tensors.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(foreign(NetworkError::Parameter { name, problem: format!("is of type {:?}, expected F32", view.dtype()) }));
            }
            let values = view.data().chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
            let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values);
            arrays.insert(name, array.map_err(|error| broken(path, "a tensor's shape and length differ", error))?);
        }
        let weights = Weights::new(graph.spec(), arrays).map_err(foreign)?;
        Ok(Checkpoint { architecture, weights })
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * values.len());
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

fn broken(path: &Path, problem: &str, source: impl Error + Send + Sync + 'static) -> NetworkError {
    NetworkError::Checkpoint {
        path: path.to_owned(),
        problem: problem.to_owned(),
        hint: "the file is damaged or no checkpoint of this program; delete it and make it again".to_owned(),
        source: Some(Box::new(source)),
    }
}

/// Writes beside the place and renames, so that no reader ever sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), NetworkError> {
    let beside = beside(path);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let outcome = written.and_then(|()| fs::rename(&beside, path));
    outcome.map_err(|source| {
        // The first error is the one to report; a leftover that cannot be removed either is no news.
        let _ = fs::remove_file(&beside);
        NetworkError::File { path: path.to_owned(), action: "write", source }
    })
}

/// A name no other writer has, in this process or another.
fn beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map_or_else(|| "checkpoint".into(), |name| name.to_string_lossy());
    path.with_file_name(format!(".{name}.{}.{}.partial", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)))
}
