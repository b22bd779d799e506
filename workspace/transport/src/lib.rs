//! onebasin-transport.
