//! What can be wrong with an architecture, a permutation, weights or a checkpoint.

use std::path::PathBuf;

/// The errors of this crate. Every text says what came, what was expected and where; a last line `hint:` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A list of indices is no bijection.
    #[error("the {length} indices are not a permutation: {problem}")]
    NotAPermutation {
        /// How many indices were given.
        length: usize,
        /// The first index that is out of range or comes twice.
        problem: String,
    },
    /// The keys of a family do not describe a network.
    #[error("{problem}\nhint: {hint}")]
    Family {
        /// What is wrong with which key.
        problem: String,
        /// What to write instead.
        hint: String,
    },
    /// A layer cannot stand where it stands.
    #[error("layer `{layer}`: {problem}\nhint: {hint}")]
    Layer {
        /// The layer's name, given or counted.
        layer: String,
        /// What came and what was expected.
        problem: String,
        /// What to change.
        hint: String,
    },
    /// The layers are fine one by one but not together.
    #[error("{problem}\nhint: {hint}")]
    Architecture {
        /// What came and what was expected.
        problem: String,
        /// What to change.
        hint: String,
    },
    /// Arrays do not fit the parameters of an architecture.
    #[error("parameter `{name}`: {problem}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What came and what was expected.
        problem: String,
    },
    /// A file is not a checkpoint of this program, or a damaged one.
    #[error("checkpoint `{}`: {problem}\nhint: {hint}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
        /// What the file's content said no to, if anything did.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Moments of activations are of another network, or damaged.
    #[error("moments of activations: {problem}\nhint: take them anew, of models of this network")]
    Moments {
        /// What came and what was expected.
        problem: String,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}
