//! What a checked spec asks for that a person may not have meant: known causes of bad or empty figures.

use onebasin_network::Role;

use super::{Experiment, Merging, Pair};

impl Pair {
    /// Whether its networks have batch norms, whose running statistics a mean of weights does not have.
    pub fn has_batch_norms(&self) -> bool {
        self.graph.spec().parameters.iter().any(|parameter| parameter.role == Role::RunningMean)
    }
}

impl Experiment {
    /// One text for each, in the order of the spec; none where nothing is to be said.
    pub fn warnings(&self) -> Vec<String> {
        let bare: Vec<String> = self
            .methods
            .iter()
            .filter(|method| method.repair.is_none() && method.merging != Merging::Ensemble && method.name.is_first())
            .map(|method| format!("`{}`", method.name.name))
            .collect();
        let mut warnings = Vec::new();
        for (place, pair) in self.pairs.iter().enumerate() {
            if pair.has_batch_norms() && !bare.is_empty() {
                warnings.push(format!(
                    "`{}` has batch norms, and {} {} it without new running statistics\nhint: a method with \
                     `repair = {{ kind = \"batch-norm\" }}` estimates them anew",
                    pair.architecture,
                    bare.join(", "),
                    if bare.len() == 1 { "merges" } else { "merge" }
                ));
            }
            let is_first = self.pairs[..place].iter().all(|earlier| earlier.dataset != pair.dataset);
            let empty: Vec<String> =
                pair.classes.iter().filter(|class| class.test == 0).map(|class| format!("`{}`", class.folder)).collect();
            if is_first && !empty.is_empty() {
                warnings.push(format!(
                    "data set `{}` has no test pictures of {} of {} classes: {}\nhint: no figure on test says anything about them",
                    pair.dataset,
                    empty.len(),
                    pair.classes.len(),
                    empty.join(", ")
                ));
            }
        }
        warnings
    }
}
