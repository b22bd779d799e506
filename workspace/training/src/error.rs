/// What can go wrong while training or evaluating a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// The text names no kind of device.
    #[error("unknown device `{text}`, expected `cpu`, `ndarray`, `cuda[:N]` or `wgpu[:N]`\nhint: {hint}")]
    UnknownDevice {
        /// What was asked for.
        text: String,
        /// What to do about it.
        hint: String,
    },
    /// The device exists, but not in this build or not on this machine.
    #[error("device `{text}` is not available: {problem}\nhint: {hint}")]
    DeviceUnavailable {
        /// What was asked for.
        text: String,
        /// Why it cannot be had.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// A device has no buffer that is large enough.
    #[error("{what} needs {bytes} bytes in one buffer, expected at most {largest}, the largest of device `{device}`\nhint: {hint}")]
    BufferTooLarge {
        /// What should lie in it.
        what: String,
        /// The bytes it needs.
        bytes: u64,
        /// The most that the device has.
        largest: u64,
        /// The device.
        device: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A training option has a value that no training can have.
    #[error("`{key}` is `{value}`, expected {expected}\nhint: {hint}")]
    Option {
        /// The key, as in a spec: `optimizer.learning-rate`.
        key: &'static str,
        /// The value that came.
        value: String,
        /// Which values are possible.
        expected: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// Nothing says how long to train.
    #[error("`epochs` and `steps` are both missing, expected one of them or both\nhint: say how long to train, as in `epochs = 10`")]
    Endless,
    /// The data do not fit the network.
    #[error("the data do not fit the network: {what} is `{got}`, expected `{expected}`\nhint: {hint}")]
    Data {
        /// Which property differs.
        what: &'static str,
        /// What the data have.
        got: String,
        /// What the network needs.
        expected: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The loss is no longer a number.
    #[error(
        "training diverged: the loss is `{loss}` at step {step} (epoch {epoch})\nhint: lower `learning-rate`, lengthen the warm-up or set `gradient-clip`"
    )]
    Diverged {
        /// The loss that was seen.
        loss: f64,
        /// The step, counted from 0 over the whole training.
        step: usize,
        /// The epoch of that step, counted from 0.
        epoch: usize,
    },
    /// The watcher asked to stop.
    #[error("training stopped on request after {step} of {steps} steps")]
    Interrupted {
        /// Steps done.
        step: usize,
        /// Steps there would have been.
        steps: usize,
    },
    /// The watcher asked to stop a pass over images.
    #[error("stopped on request after {done} of {total} images")]
    Stopped {
        /// Images read.
        done: usize,
        /// Images there would have been.
        total: usize,
    },
    /// The statistics of a network's layers are not those of another's.
    #[error("statistics of a layer `{layer}`: {problem}\nhint: take them from the repairable form of the same architecture")]
    Statistics {
        /// The layer.
        layer: String,
        /// What came and what was expected.
        problem: String,
    },
    /// The graph uses an operation in a way this crate does not carry out.
    #[error("node `{node}` cannot be computed: {problem}\nhint: {hint}")]
    Unsupported {
        /// The node of the graph.
        node: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Stored predictions are not whole.
    #[error("the stored predictions cannot be used: {problem}\nhint: remove them and run again")]
    Predictions {
        /// What is wrong with them.
        problem: String,
    },
    /// A path between two networks cannot be what is asked for.
    #[error("the path between two networks: {problem}\nhint: a path has two ends and, between them, at least one bend")]
    Path {
        /// What is wrong with it.
        problem: String,
    },
    /// A snapshot is not one of this training, or not whole.
    #[error("the snapshot of the training cannot be used: {problem}\nhint: remove it; the training then starts anew")]
    Snapshot {
        /// What is wrong with it.
        problem: String,
    },
    /// The augmentation has a setting that makes no sense.
    #[error(transparent)]
    Augmentation(#[from] onebasin_datasets::DatasetError),
    /// The trained weights do not form a network.
    #[error("the weights do not fit the network")]
    Network(#[from] onebasin_network::NetworkError),
}

/// A training option `key` whose `value` no training can have.
pub(crate) fn impossible(key: &'static str, value: impl std::fmt::Display, expected: &'static str, hint: &'static str) -> TrainingError {
    TrainingError::Option { key, value: value.to_string(), expected, hint }
}
