//! From an experiment's TOML to models, tables and pictures: a DAG of stages over a content-addressed store.
//!
//! A stage's artifact is named by `BLAKE3(store format, kind, version, settings, fingerprints of the inputs)`, so what a run would do is
//! known before anything runs, and equal work is done once. The science is in the libraries; this package reads specs ([`spec`]), makes
//! plans ([`plan`]), runs them and reports. It is the only one that prints.

pub mod baseline;
pub mod cli;
pub mod commands;
pub mod console;
pub mod error_text;
pub mod events;
pub mod explain;
mod hexagon;
pub mod images;
pub mod interrupt;
pub mod plan;
pub mod publish;
pub mod report;
pub mod runner;
pub mod spec;
pub mod stage;
pub mod stages;
pub mod store;
pub mod subject;
pub mod version;
pub mod whole_file;
