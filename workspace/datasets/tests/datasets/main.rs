//! What other crates and people rely on: reading, drawing, finding, fetching and verifying.

mod fetching;
mod generating;
mod official;
mod reading;
mod server;
