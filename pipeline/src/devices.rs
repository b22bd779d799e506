//! `--device`: one device, or a list of them.
//!
//! Kernels of two kinds of device round differently, so the plan says which kind a stage is of, and its recipe with it. The pairs and replicates of
//! an experiment are dealt out among the devices of the list in its order, each to the kind of its device, so that bytes depend on the list alone
//! and not on what happened to be free. Which of several devices of that kind a stage then runs on changes nothing.

use std::collections::BTreeSet;

use onebasin_training::{Device, TrainingError};

/// The kind of each device of a list: `cuda:1` computes what `cuda:0` does.
pub fn kinds(list: &str) -> Vec<&str> {
    list.split(',').map(|name| kind(name.trim())).collect()
}

fn kind(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// A list as it is written down beside results: the kinds alone, and one where all are the same.
pub fn written(list: &str) -> String {
    let kinds = kinds(list);
    match kinds.iter().all(|kind| *kind == kinds[0]) {
        true => kinds[0].to_owned(),
        false => kinds.join(","),
    }
}

/// The devices of a list, each once, as this build and machine have them.
///
/// # Errors
/// One of them is none, or is not here.
pub fn select(list: &str) -> Result<Vec<Device>, TrainingError> {
    let mut names = BTreeSet::new();
    let devices = list.split(',').map(|name| Device::select(name.trim())).collect::<Result<Vec<_>, _>>()?;
    Ok(devices.into_iter().filter(|device| names.insert(device.name())).collect())
}

/// As [`select`], those of the given kinds: a job of a cluster has no need of the others.
///
/// # Errors
/// One of them is none, or is not here.
pub fn select_kinds(list: &str, wanted: &BTreeSet<String>) -> Result<Vec<Device>, TrainingError> {
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| wanted.contains(kind(name))).collect();
    if names.is_empty() { select("cpu") } else { select(&names.join(",")) }
}

/// Looks whether every name of a list is one that some build has.
///
/// # Errors
/// One of them is none.
pub fn known(list: &str) -> Result<(), TrainingError> {
    list.split(',').map(str::trim).filter(|name| !Device::KINDS.contains(&kind(name))).try_for_each(|name| Device::select(name).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_as_its_kinds_and_a_kind_alone_as_itself() {
        assert_eq!(written("cuda:0,cuda:1"), "cuda");
        assert_eq!(written("cuda:0, cuda:1 ,cpu"), "cuda,cuda,cpu");
        assert_eq!(written("cpu"), "cpu");
    }

    #[test]
    fn a_device_that_is_named_twice_is_one_device() {
        let names = |list| select(list).unwrap().iter().map(Device::name).collect::<Vec<_>>();
        assert_eq!(names("cpu,cpu"), ["cpu"]);
    }

    #[test]
    fn a_name_that_is_none_is_an_error_wherever_it_stands() {
        for list in ["cpu,gpu", "gpu", "", "cpu,", ",cpu"] {
            assert!(select(list).is_err() && known(list).is_err(), "{list}");
        }
        assert!(known("cuda:0,wgpu,cpu").is_ok());
    }

    #[test]
    fn a_job_selects_the_kinds_of_its_stages() {
        let wanted = BTreeSet::from(["cpu".to_owned()]);
        assert_eq!(select_kinds("cuda:7,cpu", &wanted).unwrap().len(), 1);
        assert_eq!(select_kinds("cuda:7", &BTreeSet::new()).unwrap()[0].name(), "cpu");
    }
}
