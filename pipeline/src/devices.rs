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
pub fn select(list: &str) -> anyhow::Result<Vec<Device>> {
    let mut names = BTreeSet::new();
    Ok(each(list, Device::select)?.into_iter().filter(|device| names.insert(device.name())).collect())
}

/// As [`select`], those of the given kinds: a job of a cluster has no need of the others.
///
/// # Errors
/// One of them is none, or is not here.
pub fn select_kinds(list: &str, wanted: &BTreeSet<String>) -> anyhow::Result<Vec<Device>> {
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| wanted.contains(kind(name))).collect();
    if names.is_empty() { select("cpu") } else { select(&names.join(",")) }
}

/// Looks whether every name of a list is one that some build has. Touches no device.
///
/// # Errors
/// One of them is none.
pub fn known(list: &str) -> anyhow::Result<()> {
    each(list, Device::check_name).map(drop)
}

/// What `of` says of each device of a list. An error tells which of them it is about.
fn each<T>(list: &str, of: impl Fn(&str) -> Result<T, TrainingError>) -> anyhow::Result<Vec<T>> {
    let several = list.contains(',');
    let one = |(place, name): (usize, &str)| {
        of(name.trim()).map_err(|error| {
            let is_unknown = matches!(error, TrainingError::UnknownDevice { .. });
            let error = anyhow::Error::new(error);
            let error = if several { error.context(format!("device {} of the list `{list}` cannot be used", place + 1)) } else { error };
            if is_unknown { error.context("hint: several devices are separated by commas, as in `cuda:0,cuda:1`") } else { error }
        })
    };
    list.split(',').enumerate().map(one).collect()
}

/// The kinds of a list that are not among those `used`, each once, in the order of the list.
pub fn idle(list: &str, used: impl IntoIterator<Item = String>) -> Vec<&str> {
    let kinds = kinds(list);
    // One alone has every stage, without a look at a long plan.
    if kinds.len() < 2 {
        return Vec::new();
    }
    let mut seen: BTreeSet<String> = used.into_iter().collect();
    kinds.into_iter().filter(|kind| seen.insert((*kind).to_owned())).collect()
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
        for list in ["cpu,gpu", "gpu", "", "cpu,", ",cpu", "wgpu:", "wgpu:a", "wgpu:-1", "cuda:x", "cpu:1", "cpu,cuda:x"] {
            assert!(select(list).is_err() && known(list).is_err(), "{list}");
        }
        assert!(known("cuda:0, wgpu ,cpu,cpu").is_ok());
    }

    #[test]
    fn an_error_tells_the_place_in_the_list_and_what_a_list_looks_like() {
        let message = format!("{:#}", known("cpu,,wgpu").unwrap_err());
        let expected = "hint: several devices are separated by commas, as in `cuda:0,cuda:1`: device 2 of the list `cpu,,wgpu` cannot be used: \
                        unknown device ``, expected `cpu`, `ndarray`, `cuda[:N]` or `wgpu[:N]`\n\
                        hint: the name is empty; `cpu` works everywhere";
        assert_eq!(message, expected);
        let message = format!("{:#}", known("gpu").unwrap_err());
        assert!(message.contains("separated by commas, as in `cuda:0,cuda:1`: unknown device `gpu`, expected"), "{message}");
    }

    #[test]
    fn a_job_selects_the_kinds_of_its_stages() {
        let wanted = BTreeSet::from(["cpu".to_owned()]);
        assert_eq!(select_kinds("cuda:7,cpu", &wanted).unwrap().len(), 1);
        assert_eq!(select_kinds("cuda:7", &BTreeSet::new()).unwrap()[0].name(), "cpu");
    }

    #[test]
    fn a_kind_without_a_stage_is_told_once() {
        let used = || ["cuda".to_owned()];
        assert_eq!(idle("cuda:0,cpu,cuda:1,wgpu,cpu", used()), ["cpu", "wgpu"]);
        assert!(idle("cuda:0,cuda:1", used()).is_empty() && idle("cpu", used()).is_empty());
    }
}
