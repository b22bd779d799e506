//! Tests of the whole package, through its library and through its command.

mod checking;
mod checksums;
mod command;
mod committed_networks;
mod comparing;
mod controls;
mod devices;
mod documents;
mod end_to_end;
mod failing;
mod git_rebasin;
mod keeping;
mod layers;
mod licences;
mod merging_networks;
mod networks;
mod planned_repairs;
mod plans;
mod provenance;
mod reporting;
mod running;
mod schema;
mod settings;
#[cfg(unix)]
mod slurm;
mod spec_errors;
mod spec_keys;
mod sweeps;
mod targets;
mod telling;
mod untrained;
mod warnings;
