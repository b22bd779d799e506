//! onebasin-training.
