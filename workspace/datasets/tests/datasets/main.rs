//! What other crates and people rely on: reading, drawing, finding, fetching and verifying.

mod augmenting;
mod cifar;
mod damaged_files;
mod digests;
mod fetching;
mod generating;
mod house;
mod letters;
mod official;
mod pictures;
mod reading;
mod server;
mod unpacking;
