//! onebasin-datasets.
