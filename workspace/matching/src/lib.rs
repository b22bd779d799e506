//! onebasin-matching.
