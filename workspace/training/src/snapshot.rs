use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::{CurvePoint, TrainingError};

/// The one metadata key. A second one would be written in an order that changes.
const KEY: &str = "onebasin.training";

/// A training between two steps, to the last bit: weights, what the optimiser remembers, the place in the data, the learning curve.
///
/// The order of images, the augmentation and the rate are functions of the step, so nothing of them is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub(crate) step: usize,
    /// Sum and number of the losses of this epoch.
    pub(crate) epoch_losses: (f64, usize),
    pub(crate) curve: Vec<CurvePoint>,
    pub(crate) curve_pending: (f64, usize),
    /// The parameters, in the order of the network's specification.
    pub(crate) tensors: Vec<Vec<f32>>,
    /// First and second moments of each.
    pub(crate) moments: Vec<[Option<Vec<f32>>; 2]>,
}

/// What is no tensor. Sums are kept as their bits: text would have to be read back exactly.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Of which training this is; the caller's to choose.
    of: String,
    step: usize,
    epoch_losses: (u64, usize),
    curve: Vec<(usize, [u64; 3])>,
    curve_pending: (u64, usize),
    parameters: usize,
}

impl Snapshot {
    /// Steps done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// A safetensors file: tensors `weight.I`, `first.I` and `second.I` for each parameter `I`, the rest as JSON in its metadata. `of` names
    /// the training, so that a snapshot is never taken for one of another.
    ///
    /// # Errors
    /// When the format cannot hold it, which only more than 2^64 bytes could bring about.
    pub fn to_bytes(&self, of: &str) -> Result<Vec<u8>, TrainingError> {
        let point = |point: &CurvePoint| (point.step, [point.epoch, point.loss, point.rate].map(f64::to_bits));
        let header = Header {
            of: of.to_owned(),
            step: self.step,
            epoch_losses: (self.epoch_losses.0.to_bits(), self.epoch_losses.1),
            curve: self.curve.iter().map(point).collect(),
            curve_pending: (self.curve_pending.0.to_bits(), self.curve_pending.1),
            parameters: self.tensors.len(),
        };
        let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
        for (place, (weights, moments)) in self.tensors.iter().zip(&self.moments).enumerate() {
            let named = [("weight", Some(weights)), ("first", moments[0].as_ref()), ("second", moments[1].as_ref())];
            let bytes = |values: &Vec<f32>| values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.extend(named.into_iter().filter_map(|(kind, values)| Some((format!("{kind}.{place}"), bytes(values?)))));
        }
        let refused = |error: safetensors::SafeTensorError| unusable(error.to_string());
        let mut views = Vec::with_capacity(tensors.len());
        for (name, bytes) in &tensors {
            views.push((name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map_err(refused)?));
        }
        let json = serde_json::to_string(&header).map_err(|error| unusable(error.to_string()))?;
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)]))).map_err(refused)
    }

    /// Reads what [`Snapshot::to_bytes`] wrote for the same training.
    ///
    /// # Errors
    /// When the bytes are not whole, or of another training.
    pub fn from_bytes(bytes: &[u8], of: &str) -> Result<Snapshot, TrainingError> {
        let refused = |error: safetensors::SafeTensorError| unusable(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(refused)?;
        let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let json = json.ok_or_else(|| unusable(format!("its metadata has no `{KEY}`")))?;
        let header: Header = serde_json::from_str(json).map_err(|error| unusable(error.to_string()))?;
        if header.of != of {
            return Err(unusable(format!("it is of `{}`, expected `{of}`", header.of)));
        }
        let file = SafeTensors::deserialize(bytes).map_err(refused)?;
        let mut tensors: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(unusable(format!("`{name}` is of type {:?}, expected F32", view.dtype())));
            }
            let values = view.data().chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
            tensors.insert(name, values);
        }
        // Every parameter has a tensor, so a count that the file cannot have made is refused before anything is made of it.
        if header.parameters > tensors.len() {
            return Err(unusable(format!("it has {} tensors for {} parameters", tensors.len(), header.parameters)));
        }
        let mut take = |kind: &str, place: usize| tensors.remove(&format!("{kind}.{place}"));
        let mut weights = Vec::with_capacity(header.parameters);
        let mut moments = Vec::with_capacity(header.parameters);
        for place in 0..header.parameters {
            weights.push(take("weight", place).ok_or_else(|| unusable(format!("it has no `weight.{place}`")))?);
            moments.push([take("first", place), take("second", place)]);
        }
        let point = |(step, [epoch, loss, rate]): (usize, [u64; 3])| CurvePoint {
            step,
            epoch: f64::from_bits(epoch),
            loss: f64::from_bits(loss),
            rate: f64::from_bits(rate),
        };
        Ok(Snapshot {
            step: header.step,
            epoch_losses: (f64::from_bits(header.epoch_losses.0), header.epoch_losses.1),
            curve: header.curve.into_iter().map(point).collect(),
            curve_pending: (f64::from_bits(header.curve_pending.0), header.curve_pending.1),
            tensors: weights,
            moments,
        })
    }
}

fn unusable(problem: String) -> TrainingError {
    TrainingError::Snapshot { problem }
}
