use std::path::PathBuf;

use onebasin_transport::TransportError;

/// Why models could not be aligned, merged or measured.
#[derive(Debug, thiserror::Error)]
pub enum MatchingError {
    /// Nothing to match.
    #[error("matching needs at least 2 models, got {found}\nhint: raise `models`, or leave matching out for a single one")]
    TooFewModels {
        /// How many were given.
        found: usize,
    },
    /// A model is not of the problem's architecture.
    #[error("model {model} is not of this architecture: {problem}\nhint: all models of one matching must share one architecture")]
    OtherArchitecture {
        /// Index of the model.
        model: usize,
        /// The first difference.
        problem: String,
    },
    /// A model has other numbers of units, and the method knows permutations only.
    #[error(
        "model {model} has other widths than model 0, which this method cannot match\nhint: `by = \"ot-fusion\"` takes models of several widths"
    )]
    OtherWidth {
        /// Index of the model.
        model: usize,
    },
    /// A weight is NaN or infinite.
    #[error("model {model} holds a weight that is not finite in `{parameter}`\nhint: its training diverged; lower the learning rate")]
    NotFinite {
        /// Index of the model.
        model: usize,
        /// Name of the array.
        parameter: String,
    },
    /// An option of a matching has an impossible value.
    #[error("`{key}` is `{value}`, expected {expected}\nhint: {hint}")]
    Setting {
        /// Key as the spec writes it.
        key: &'static str,
        /// What came.
        value: String,
        /// What would do.
        expected: &'static str,
        /// What to write instead.
        hint: &'static str,
    },
    /// The reference is no model of the problem.
    #[error("`reference` is `{reference}`, but there are {models} models\nhint: models are counted from 0; the last is {}", .models - 1)]
    Reference {
        /// What came.
        reference: usize,
        /// How many models there are.
        models: usize,
    },
    /// A soft map where a permutation is needed.
    #[error(
        "the map of group `{group}` of model {model} is a plan, expected a permutation\nhint: a unit that goes to many slots has no match to be sure of; use `plan = \"exact\"`"
    )]
    Soft {
        /// Index of the model.
        model: usize,
        /// Name of the group of units.
        group: String,
    },
    /// Coefficients of a mean that do not fit the models.
    #[error("{problem}\nhint: give one finite coefficient for each model, with the sum 1")]
    Coefficients {
        /// What is wrong.
        problem: String,
    },
    /// Losses along a line that do not make a barrier.
    #[error("{problem}\nhint: a barrier needs one finite loss for each λ, the first at 0 and the last at 1")]
    Line {
        /// What is wrong.
        problem: String,
    },
    /// The solver refused a group's matrix, or found no plan.
    #[error("cannot solve the transport problem of group `{group}`")]
    Transport {
        /// Name of the group of units.
        group: String,
        /// What the solver says.
        #[source]
        source: TransportError,
    },
    /// A method that looks at activations got none.
    #[error("no moments of activations, which this method matches by\nhint: take them of these models, and put them into the problem")]
    NoMoments,
    /// Moments are not those of these models.
    #[error("moments of activations: {problem}\nhint: take them of these models, in this order")]
    Moments {
        /// What came and what was expected.
        problem: String,
    },
    /// A method that looks at the loss got none.
    #[error("no loss, which this method looks at\nhint: put one over the training images of these models into the problem")]
    NoLoss,
    /// The loss of a network could not be taken.
    #[error("cannot take the loss of a network")]
    Loss {
        /// What its owner says.
        #[source]
        source: crate::LossError,
    },
    /// The caller asked to stop.
    #[error("matching stopped on request")]
    Interrupted,
    /// A file could not be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A stored alignment is damaged.
    #[error("`{}` is not a stored alignment: {problem}\nhint: remove it and align again", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}
