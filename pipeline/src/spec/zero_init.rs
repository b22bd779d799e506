//! Residual bodies that are to begin at 0, in networks that have none which could.

use std::collections::BTreeMap;

use onebasin_training::has_closing_norm;

use super::experiment::{Model, Pair};
use super::resolve::{Resolver, Result, path};

impl Resolver<'_> {
    /// Refuses `zero-init-residual` where no network that the training is of has a norm at the end of a residual body: it would change nothing,
    /// and two recipes that differ in it would be one.
    pub(super) fn zero_inits(&self, models: &[Model], pairs: &[Pair]) -> Result<()> {
        let mut found: BTreeMap<String, bool> = BTreeMap::new();
        for (pair, written) in pairs.iter().zip(&self.document.pairs) {
            let is_trained = |model: &Model| model.checkpoint.is_none() && !pair.checkpoints.contains_key(&model.name);
            for (index, model) in models.iter().enumerate().filter(|(_, model)| is_trained(model)) {
                let training = model.training.as_ref().unwrap_or(&pair.training);
                let name = self.model_training(index).or_else(|| written.training.clone());
                if let Some(name) = name.filter(|_| training.zero_init_residual) {
                    *found.entry(name).or_default() |= has_closing_norm(&pair.trained);
                }
            }
        }
        let Some((name, _)) = found.iter().find(|(_, found)| !**found) else { return Ok(()) };
        let here = path(["trainings", name, "zero-init-residual"]);
        let message = format!("`{}` is true, but no network trained so has a residual body that ends in a norm", super::shown(&here));
        Err(self.wrong(&here, message).hint("leave it out, or give a ResNet `norm = \"layer\"` or `\"batch\"`"))
    }
}
