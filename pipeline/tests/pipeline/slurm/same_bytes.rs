//! Jobs make what a run here makes.

use super::fakes::{Fake, tables};
use crate::command::{onebasin, texts};

#[test]
fn stages_of_seconds_are_one_job_whose_bytes_are_those_of_a_run_here() {
    let fake = Fake::new();
    let (code, error) = fake.run();
    assert_eq!(code, 0, "{error}");
    assert_eq!(fake.jobs(), 1, "{error}");
    let here = ["run", "small.toml", "--store", "here/store", "--results", "here/results", "--plots", "here/plots"];
    let (code, _, error) = texts(&onebasin(fake.folder.path(), &here));
    assert_eq!(code, 0, "{error}");
    let found = fake.tables();
    assert!(found.len() > 4);
    assert_eq!(found, tables(&fake.folder.path().join("here/results/small")));
    let (code, error) = fake.run();
    assert_eq!((code, fake.jobs()), (0, 1), "all is at hand: {error}");
}

#[test]
fn many_jobs_wait_for_each_other_and_trainings_are_an_array_with_settings_of_their_own() {
    let kinds = "target = \"1us\"\ncpus = 2\n[executor.slurm.kinds.train]\npartition = \"long\"\nmemory = \"2G\"\n";
    let fake = Fake::with(&format!("\n[executor.slurm]\npoll = \"20ms\"\n{kinds}"));
    let (code, error) = fake.run();
    assert_eq!(code, 0, "{error}");
    assert!(fake.jobs() > 3, "{error}");
    let scripts: Vec<String> = (1..=fake.jobs()).map(|job| fake.read(&format!("script-{job}"))).collect();
    let (trainings, others): (Vec<&String>, Vec<&String>) = scripts.iter().partition(|script| script.contains("partition=long"));
    let [script] = trainings[..] else { panic!("{trainings:?}") };
    for line in ["--partition=long", "--mem=2048M", "--cpus-per-task=2", "--array=0-1"] {
        assert!(script.contains(&format!("#SBATCH {line}\n")), "{line}: {script}");
    }
    assert!(others.iter().any(|script| script.contains("#SBATCH --dependency=afterany:10")), "{others:?}");
    assert!(error.contains("SUBMITTED"), "{error}");
}

#[test]
fn a_dry_run_prints_the_scripts_and_submits_nothing() {
    let fake = Fake::new();
    let (code, out, error) =
        fake.onebasin(&["run", "small.toml", "--executor", "slurm", "--dry-run", "--set", "executor.slurm.account=us"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("#SBATCH --account=us\n") && out.contains(" stages ") && out.contains("train/few-glyphs-mlp"), "{out}");
    assert!(error.contains("ESTIMATE"), "{error}");
    assert_eq!(fake.jobs(), 0);
    assert!(!fake.folder.path().join(".store").exists());
    // A wrong usage is told before a spec is read and its data unpacked.
    let (code, _, error) = fake.onebasin(&["run", "absent.toml", "--dry-run"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("it goes with `--executor slurm`; `onebasin plan SPEC` says") && !error.contains("absent.toml"), "{error}");
}

#[test]
fn settings_of_the_site_stand_below_those_of_the_spec_and_none_of_them_enters_the_results() {
    let fake = Fake::new();
    std::fs::write(fake.folder.path().join("site.toml"), "[executor.slurm]\npartition = \"site\"\npoll = \"9s\"\n").unwrap();
    let run = ["run", "small.toml", "--executor", "slurm", "--executor-file", "site.toml", "--set", "executor.slurm.qos=fast"];
    let (code, _, error) = fake.onebasin(&run);
    assert_eq!(code, 0, "{error}");
    let script = fake.read("script-1");
    assert!(script.contains("#SBATCH --partition=site\n") && script.contains("#SBATCH --qos=fast\n"), "{script}");
    assert!(fake.folder.path().join("results/small/run.json").exists(), "no folder of its own");
    assert!(!String::from_utf8_lossy(&fake.tables()["run.json"]).contains("executor"));
    std::fs::write(fake.folder.path().join("site.toml"), "[executor.slurm]\npartitions = \"site\"\n").unwrap();
    let (code, _, error) = fake.onebasin(&[&run[..], &["--set", "seed=7"]].concat());
    assert!(code == 2 && error.contains("partitions") && error.contains("site.toml"), "{error}");
}

#[test]
fn a_run_that_takes_longer_than_its_budget_is_refused_with_what_would_fit() {
    let fake = Fake::with("\n[profiles.longer]\ntrainings.adam.epochs = 50000000\n");
    let (code, _, error) = fake.onebasin(&["run", "small.toml", "--profile", "longer", "--budget", "1m"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("more than the budget of 60 s") && error.contains("--set trainings.adam.epochs="), "{error}");
    let (code, _, error) = fake.onebasin(&["plan", "small.toml"]);
    assert!(code == 0 && error.contains("ESTIMATE"), "{error}");
}
