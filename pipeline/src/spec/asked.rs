//! What a measurement reads of `[evaluation]`: its keys, checked against models, pairs and methods.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use figment::value::Value;
use onebasin_datasets::counts;
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::error::SpecError;
use super::experiment::{Merging, Method, Model, Pair};
use super::resolve::{Resolver, Result};
use crate::identity::Part;

/// The keys of `[evaluation]` that belong to one measurement, and what they mean.
pub trait EvaluationKeys: Sync {
    /// The keys.
    fn keys(&self) -> &'static [&'static str];

    /// The forms of their values, in the same order.
    fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<Schema>;

    /// What the spec asks for; `None` where it asks for nothing. Whoever gave it reads it back, by its type.
    ///
    /// # Errors
    /// The first fault, with its place.
    fn check(&self, asked: &Asked<'_>) -> Result<Option<Arc<dyn Any + Send + Sync>>>;

    /// What is needed beyond its own stages for what is asked for.
    fn needs(&self, request: &(dyn Any + Send + Sync)) -> Needs;
}

/// What measurements need of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Lines between models, so that `lambdas` matters.
    pub lines: bool,
    /// The logits of every class, kept with predictions.
    pub logits: bool,
}

impl Needs {
    /// What either needs.
    fn and(self, other: Needs) -> Needs {
        Needs { lines: self.lines || other.lines, logits: self.logits || other.logits }
    }
}

/// What a spec asks of each measurement, by its place in the list of measurements.
#[derive(Clone, Default)]
pub struct Requests(BTreeMap<usize, Arc<dyn Any + Send + Sync>>);

impl Requests {
    /// Asks every measurement of the list what the spec wants of it; and what all of that needs.
    pub(super) fn check(measurements: &[&dyn EvaluationKeys], asked: &Asked<'_>) -> Result<(Requests, Needs)> {
        let mut requests = BTreeMap::new();
        let mut needs = Needs::default();
        for (place, measurement) in measurements.iter().enumerate() {
            if let Some(request) = measurement.check(asked)? {
                needs = needs.and(measurement.needs(&*request));
                requests.insert(place, request);
            }
        }
        Ok((Requests(requests), needs))
    }

    /// What is asked of the measurement at a place of the list.
    pub fn of(&self, place: usize) -> Option<&(dyn Any + Send + Sync)> {
        self.0.get(&place).map(|request| &**request)
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Requests").field(&self.0.keys()).finish()
    }
}

/// The table `[evaluation]`, with what its values may refer to.
pub struct Asked<'a> {
    pub(super) resolver: &'a Resolver<'a>,
    /// The models of the spec.
    pub models: &'a [Model],
    /// The pairs of data set and architecture.
    pub pairs: &'a [Pair],
    /// The methods, each once.
    pub methods: &'a [Method],
}

impl Asked<'_> {
    /// The path of a key below `evaluation`; list indices are written as numbers.
    pub fn at<const N: usize>(&self, steps: [&str; N]) -> Vec<String> {
        std::iter::once("evaluation").chain(steps).map(str::to_owned).collect()
    }

    /// The value of a key, if it is given.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.resolver.layers.get(&self.at([key]))
    }

    /// The value at a path as a `T`.
    ///
    /// # Errors
    /// It is absent or not a `T`.
    pub fn read<T: DeserializeOwned>(&self, here: &[String]) -> Result<T> {
        self.resolver.layers.read_at(here)
    }

    /// The value of a key as a `T`, if it is given.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.value(key).map(|_| self.read(&self.at([key]))).transpose()
    }

    /// Whether a key is `true`.
    ///
    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn is_set(&self, key: &str) -> Result<bool> {
        Ok(self.optional(key)?.unwrap_or(false))
    }

    /// The splits that are measured.
    pub fn splits(&self) -> &[Part] {
        &self.resolver.evaluation.splits
    }

    /// The points on a line, its ends included.
    pub fn lambdas(&self) -> usize {
        self.resolver.evaluation.lambdas
    }

    /// The epochs after which models are measured too.
    pub fn epochs(&self) -> &[usize] {
        &self.resolver.evaluation.epochs
    }

    /// A fault of the value at a path.
    pub fn wrong(&self, here: &[String], message: impl Into<String>) -> SpecError {
        self.resolver.wrong(here, message)
    }

    /// A number that plans stay small with.
    ///
    /// # Errors
    /// It is outside of the range.
    pub fn within(&self, here: &[String], number: usize, range: RangeInclusive<usize>, hint: &str) -> Result<()> {
        self.resolver.within(here, number, range, hint)
    }

    /// Refuses more stages than a run gets through: so many for each draw of each method that merges weights, in each replicate of each
    /// pair.
    ///
    /// # Errors
    /// There would be too many.
    pub fn few_stages(&self, here: &[String], what: &str, of_method: usize) -> Result<()> {
        self.resolver.few_stages(here, what, of_method.saturating_mul(self.resolver.draws()), self.pairs.len())
    }

    /// Refuses more training images than a pair has, where that is known before images are read.
    ///
    /// # Errors
    /// There are fewer.
    pub fn enough_training_images(&self, here: &[String], images: usize) -> Result<()> {
        for pair in self.pairs {
            let there = counts(&pair.source, self.resolver.places).map(|counts| counts.train);
            if let Some(there) = there.filter(|&there| images > there) {
                let message = format!("`{}` is {images}, but `{}` has {there} training images", super::shown(here), pair.dataset);
                return Err(self.wrong(here, message).hint(format!("at most {there}")));
            }
        }
        Ok(())
    }

    /// The index of the model that the value at a path names.
    ///
    /// # Errors
    /// There is no such model.
    pub fn position(&self, here: &[String], name: &str) -> Result<usize> {
        self.resolver.position(here, name, self.models)
    }

    /// The indices of the models that the list at a path names, each once.
    ///
    /// # Errors
    /// There is no such model, or one is named twice.
    pub fn positions(&self, here: &[String], names: &[String]) -> Result<Vec<usize>> {
        self.resolver.positions(here, names, self.models)
    }

    /// How many models a method merges, in each of its merges but those of lists.
    pub fn counts(&self, method: &Method) -> BTreeSet<usize> {
        match (&method.models, &self.resolver.evaluation.merges) {
            (Some(models), _) => [models.len()].into(),
            (None, None) => [self.models.len()].into(),
            (None, Some(written)) => {
                let number = |value: &Value| value.deserialize::<usize>().ok();
                written.iter().filter_map(number).collect()
            }
        }
    }

    /// Refuses what is measured of the mean of all models where no method makes one, or one cannot.
    ///
    /// # Errors
    /// No method that merges weights takes all models, or one weighs another number of them.
    pub fn mean_of_all(&self, key: &str) -> Result<()> {
        self.several_models(key)?;
        let here = self.at([key]);
        let takes_all = |method: &&Method| method.merging.averages() && method.models.is_none() && method.sequential.is_none();
        let mut means = self.methods.iter().filter(takes_all).peekable();
        if means.peek().is_none() {
            let message = format!("`evaluation.{key}` looks at the mean of all models, but no method makes one");
            return Err(self
                .wrong(&here, message)
                .hint("add a method that merges by \"mean\", without `models` and `sequential`, or leave it out"));
        }
        let all = self.models.len();
        let narrow = means.find_map(|method| match &method.merging {
            Merging::Spherical if all != 2 => Some((method, 2)),
            Merging::Mean { coefficients: Some(factors), .. } if factors.len() != all => Some((method, factors.len())),
            _ => None,
        });
        if let Some((method, count)) = narrow {
            let message = format!("`evaluation.{key}` looks at the mean of all {all} models, but `{}` merges {count}", method.name);
            return Err(self.wrong(&here, message).hint(format!("name {count} `models` in the method, or leave `{key}` out")));
        }
        Ok(())
    }

    /// Refuses a comparison of models where there is one model.
    ///
    /// # Errors
    /// There are fewer than two models.
    pub fn several_models(&self, key: &str) -> Result<()> {
        if self.models.len() < 2 {
            let error = self.wrong(&self.at([key]), format!("`evaluation.{key}` compares models, but there is 1"));
            return Err(error.hint("raise `models`, or leave it out"));
        }
        Ok(())
    }
}
