//! The names of a data set and an architecture.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::columns;

/// A data set and an architecture, by their names in the spec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PairName {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub architecture: String,
}

impl PairName {
    /// The two names.
    pub fn new(dataset: impl Into<String>, architecture: impl Into<String>) -> PairName {
        PairName { dataset: dataset.into(), architecture: architecture.into() }
    }

    /// `<dataset>-<architecture>` for names of stages and files; joined by `+`, which no name holds, where another pair among `all` has
    /// the same text: `fashion` with `mnist-mlp` and `fashion-mnist` with `mlp`.
    pub fn slug<'a>(&self, all: impl IntoIterator<Item = &'a PairName>) -> String {
        let text = self.to_string();
        let shared = all.into_iter().any(|other| other != self && other.to_string() == text);
        if shared { format!("{}+{}", self.dataset, self.architecture) } else { text }
    }
}

impl fmt::Display for PairName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.dataset, self.architecture)
    }
}

columns!(PairName { dataset: String, architecture: String });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_whose_joined_names_are_equal_get_slugs_of_their_own() {
        let pairs = [PairName::new("fashion", "mnist-mlp"), PairName::new("fashion-mnist", "mlp"), PairName::new("mnist", "mlp")];
        let slugs: Vec<String> = pairs.iter().map(|pair| pair.slug(&pairs)).collect();
        assert_eq!(slugs, ["fashion+mnist-mlp", "fashion-mnist+mlp", "mnist-mlp"]);
    }
}
