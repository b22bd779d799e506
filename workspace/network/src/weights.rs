//! The numbers of one network, by parameter name.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn, Zip};

use crate::{NetworkError, Parameter, PermutationSpec};

/// One array of `f32` for each parameter of an architecture, in the layout `[out, in, height, width]`, contiguous in memory.
///
/// The numbers themselves are not judged: NaN and infinity may be held, saved and loaded, and matching and training refuse them.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    arrays: BTreeMap<String, ArrayD<f32>>,
}

impl Weights {
    /// Takes arrays whose names and shapes are exactly those of the spec.
    ///
    /// # Errors
    /// Names the first parameter that is missing, unknown or of another shape.
    pub fn new(spec: &PermutationSpec, arrays: BTreeMap<String, ArrayD<f32>>) -> Result<Weights, NetworkError> {
        let contiguous = |array: ArrayD<f32>| if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        let weights = Weights { arrays: arrays.into_iter().map(|(name, array)| (name, contiguous(array))).collect() };
        weights.fits(spec)?;
        Ok(weights)
    }

    /// Whether these are weights of this spec.
    ///
    /// # Errors
    /// As [`new`](Weights::new).
    pub fn fits(&self, spec: &PermutationSpec) -> Result<(), NetworkError> {
        let refuse = |name: &str, problem: String| Err(NetworkError::Parameter { name: name.to_owned(), problem });
        for Parameter { name, shape, .. } in &spec.parameters {
            match self.arrays.get(name) {
                None => return refuse(name, missing(shape)),
                Some(array) if array.shape() != shape => return refuse(name, misshapen(array.shape(), shape)),
                Some(_) => {}
            }
        }
        match self.arrays.keys().find(|name| spec.parameter(name).is_none()) {
            Some(name) => refuse(name, UNKNOWN.to_owned()),
            None => Ok(()),
        }
    }

    /// All zero.
    pub fn zeros(spec: &PermutationSpec) -> Weights {
        let arrays = spec.parameters.iter().map(|parameter| (parameter.name.clone(), ArrayD::zeros(IxDyn(&parameter.shape)))).collect();
        Weights { arrays }
    }

    /// Arrays that are known to fit, because they come from weights of the same spec.
    pub(crate) fn trusted(arrays: BTreeMap<String, ArrayD<f32>>) -> Weights {
        Weights { arrays }
    }

    /// The array of one parameter.
    ///
    /// # Panics
    /// If there is no such parameter: names come from the spec the weights were made with.
    pub fn get(&self, name: &str) -> &ArrayD<f32> {
        match self.arrays.get(name) {
            Some(array) => array,
            None => panic!("no parameter `{name}` in these weights"),
        }
    }

    /// The numbers of one parameter in row-major order.
    ///
    /// # Panics
    /// As [`get`](Weights::get).
    pub fn values(&self, name: &str) -> &[f32] {
        self.get(name).as_slice().expect("arrays are made contiguous when the weights are made")
    }

    /// Names and arrays, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArrayD<f32>)> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// The arrays by name.
    pub fn into_arrays(self) -> BTreeMap<String, ArrayD<f32>> {
        self.arrays
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.arrays.values().map(ArrayD::len).sum()
    }

    /// Whether there are no numbers at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `f` of every number.
    pub fn map(&self, f: impl Fn(f32) -> f32) -> Weights {
        Weights { arrays: self.arrays.iter().map(|(name, array)| (name.clone(), array.mapv(&f))).collect() }
    }

    /// `f` of every pair of numbers.
    ///
    /// # Panics
    /// If the two are not of one architecture.
    pub fn zip_map(&self, other: &Weights, f: impl Fn(f32, f32) -> f32) -> Weights {
        assert_eq!(self.arrays.len(), other.arrays.len(), "weights of different architectures cannot be combined");
        let combine = |(name, array): (&String, &ArrayD<f32>)| {
            (name.clone(), Zip::from(array).and(other.get(name)).map_collect(|&here, &there| f(here, there)))
        };
        Weights { arrays: self.arrays.iter().map(combine).collect() }
    }

    /// All numbers in one list, parameter after parameter in the order of their names.
    pub fn flat(&self) -> Vec<f32> {
        self.arrays.values().flat_map(|array| array.iter().copied()).collect()
    }

    /// Whether no number is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.arrays.values().all(|array| array.iter().all(|value| value.is_finite()))
    }
}

const UNKNOWN: &str = "not a parameter of this architecture";

fn missing(shape: &[usize]) -> String {
    format!("missing, expected an array of shape {shape:?}")
}

fn misshapen(came: &[usize], expected: &[usize]) -> String {
    format!("has shape {came:?}, expected {expected:?}")
}
