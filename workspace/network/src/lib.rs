//! onebasin-network.
