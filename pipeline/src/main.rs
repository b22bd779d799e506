//! onebasin.
fn main() {}
