//! Models that are merged one after the other, as tasks come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::experiment::{Merging, Method};
use super::resolve::{Resolver, Result, path};

/// `w ← w₁; w ← merge(w, wₜ)` for each further model: the `sequential` of a method. A mean weighs the two by `(t - 1) / t` and `1 / t`.
/// Curves and fine-tuning see the images of the models so far, or as many of each as the spec replays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sequence {
    /// Whose units a merge has.
    #[serde(default)]
    pub onto: Onto,
}

/// Whose units a merge of a sequence has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Onto {
    /// Those of the models so far.
    #[default]
    Merged,
    /// Those of the next one.
    Next,
}

impl Resolver<'_> {
    /// Whether methods merge in a sequence only what can be.
    pub(super) fn sequences(&self, methods: &[Method]) -> Result<()> {
        for (index, method) in methods.iter().enumerate() {
            if method.sequential.is_none() {
                continue;
            }
            let here = path(["methods", &index.to_string(), "sequential"]);
            let problem = match &method.merging {
                Merging::Mean { coefficients: None, .. } | Merging::Curve(_) => None,
                Merging::Mean { .. } => Some("a sequence weighs its models itself: it takes no `coefficients`"),
                _ => Some("only means and curves are made one after the other"),
            };
            let matching = &method.matching;
            let problem = problem.or_else(|| {
                let looks = matching.needs().is_some() || matching.is_joint();
                looks.then_some("a merged model has no activations measured, and matchings of all models know no order")
            });
            let problem = problem.or_else(|| method.repair.is_some().then_some("what is merged in a sequence is not repaired"));
            if let Some(problem) = problem {
                return Err(self
                    .wrong(&here, problem)
                    .hint("leave `sequential` out, or match by weights and merge by \"mean\" or \"curve\""));
            }
        }
        match self.document.replay {
            Some(0) => {
                Err(self.wrong(&path(["replay"]), "`replay` should be at least 1").hint("leave it out to see all images of the models"))
            }
            Some(_) if methods.iter().all(|method| method.sequential.is_none()) => {
                let message = "`replay` is for methods with `sequential`, and there is none";
                Err(self.wrong(&path(["replay"]), message).hint("leave it out"))
            }
            Some(_) if !methods.iter().any(|method| method.sequential.is_some() && method.trains()) => {
                let message = "`replay` is for sequences that train, and none has a curve or `fine-tuning`";
                Err(self.wrong(&path(["replay"]), message).hint("leave it out"))
            }
            _ => Ok(()),
        }
    }
}
