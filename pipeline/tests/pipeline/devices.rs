//! `--device`: which names and lists are taken, and where a device has to be there.

use crate::command::{folder, onebasin, texts};

#[test]
fn every_command_refuses_a_device_that_is_none() {
    let (folder, _) = folder();
    let stage = "train/few-glyphs-mlp/replicate-0/a";
    let commands = [
        vec!["run", "small.toml"],
        vec!["plan", "small.toml"],
        vec!["explain", "small.toml", stage],
        vec!["verify", "small.toml", stage],
        vec!["status", "small.toml"],
        vec!["report", "small.toml"],
    ];
    for command in commands {
        for device in ["gpu", "wgpu:", "wgpu:a", "wgpu:-1", "cuda:x", "cpu:1", "", "cpu,"] {
            let arguments = [&command[..], &["--device", device]].concat();
            let (code, out, error) = texts(&onebasin(folder.path(), &arguments));
            assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
            assert!(error.contains("expected `cpu`, `ndarray`, `cuda[:N]` or `wgpu[:N]`"), "{arguments:?}: {error}");
            assert!(error.contains("hint: several devices are separated by commas"), "{arguments:?}: {error}");
        }
    }
}

#[test]
fn a_device_has_to_be_there_only_where_a_stage_is_to_run_and_one_without_a_stage_is_told() {
    let (folder, _) = folder();
    let run = |device: &str, more: &[&str]| {
        let arguments = [&["run", "small.toml", "--device", device], more].concat();
        texts(&onebasin(folder.path(), &arguments))
    };
    // No machine has so many, with the feature or without.
    let list = "cpu, cuda:4096";
    let (code, _, error) = run(list, &[]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("device 2 of the list `cpu, cuda:4096` cannot be used"), "{error}");
    assert!(!error.contains("no stage runs on"), "nothing is told of a run that is none: {error}");
    let (code, _, error) = run("cpu", &[]);
    assert_eq!(code, 0, "{error}");
    assert!(!error.contains("no stage runs on"), "{error}");
    let (code, _, error) = run(list, &[]);
    assert_eq!(code, 0, "one pair and one replicate are of the first device, and all is done: {error}");
    assert!(error.contains("no stage runs on `cuda`"), "{error}");
    let (code, _, error) = run(list, &["--force", "train/few-glyphs-mlp/replicate-0/a"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("`cuda:4096` is not available"), "{error}");
}

#[test]
fn memory_counts_the_images_that_stay_on_a_device_once_for_each_training() {
    let (folder, _) = folder();
    let memory = |device: &str, more: &[&str]| {
        let arguments = [&["plan", "small.toml", "--json", "--device", device, "--set", "datasets.few-glyphs.train=50000"], more].concat();
        let (code, out, error) = texts(&onebasin(folder.path(), &arguments));
        assert_eq!(code, 0, "{error}");
        let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
        plan["estimate"]["memory"].as_u64().unwrap()
    };
    assert!(memory("wgpu", &[]) > memory("cpu", &[]));
    // Disturbed ones go there by batch.
    let disturbed = ["--set", "trainings.adam.augmentation={ kind = \"flip\" }"];
    assert_eq!(memory("wgpu", &disturbed), memory("cpu", &disturbed));
}
