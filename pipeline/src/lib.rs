//! From an experiment's TOML to models, tables and pictures: a DAG of stages over a content-addressed store.
//!
//! A stage's artifact is named by `BLAKE3(store format, kind, version, settings, fingerprints of the inputs)`, so what a run would do is
//! known before anything runs, and equal work is done once. The science is in the libraries; this package reads specs ([`spec`]), makes
//! plans ([`plan`]), runs them and reports. It is the only one that prints.

pub mod baseline;
pub mod checkpoint_file;
mod checksums;
pub mod cli;
pub mod commands;
pub mod comparison;
pub mod console;
pub mod cores;
pub mod cost;
pub mod dataset_cache;
mod demand;
mod devices;
mod drawing;
pub mod error_text;
pub mod events;
pub mod experiment;
pub mod explain;
pub mod function_check;
mod gaps;
pub mod identity;
pub mod image_limits;
pub mod input_file;
pub mod interrupt;
pub mod maps_file;
mod measurements;
mod moved;
pub mod network_match;
mod number;
mod own_models;
mod page;
mod paired_test;
pub mod plan;
mod provenance;
pub mod publish;
mod report;
pub mod reported;
pub mod run_record;
pub mod runner;
mod shell;
pub mod slurm;
pub mod spec;
pub mod stage;
mod stages;
mod statistics;
pub mod store;
pub mod table;
pub mod task;
mod training_images;
mod untrained;
pub mod version;
pub mod weight_file;
pub mod whole_file;
