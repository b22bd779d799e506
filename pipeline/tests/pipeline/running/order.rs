//! What runs, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use onebasin::runner::{self, MemoryLimit, Reason, Status};
use onebasin::stage::{Context, Progress, StageId};

use super::world::{World, diamond, fingerprint, mock, options, plan};

#[test]
fn stages_run_after_their_inputs_and_otherwise_in_the_order_of_the_plan() {
    let world = World::new();
    let plan = plan(diamond());
    let (outcome, record) = world.run(&plan);
    let expected = [
        "surveyed 4: 0 cached, 4 to run",
        "started a",
        "finished a",
        "started b",
        "finished b",
        "started c",
        "finished c",
        "started d",
        "finished d",
    ];
    assert_eq!(record.lines(), expected);
    assert_eq!((outcome.ran, outcome.cached, outcome.is_complete()), (4, 0, true));
    assert_eq!(world.text(&plan, "d"), "d(b(a()),c(a()))");
    assert!(world.unfinished().is_empty());
}

#[test]
fn the_stage_with_the_longest_chain_behind_it_goes_first() {
    let world = World::new();
    let stages = vec![mock("short", &[]), mock("long", &[]), mock("middle", &["long"]), mock("end", &["middle", "short"])];
    let (_, record) = world.run(&plan(stages));
    let started: Vec<String> = record.lines().into_iter().filter(|line| line.starts_with("started")).collect();
    assert_eq!(started, ["started long", "started short", "started middle", "started end"]);
}

#[test]
fn a_second_run_runs_nothing_and_looks_no_further_than_the_targets() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    let (outcome, record) = world.run(&plan);
    assert_eq!(record.lines(), ["surveyed 4: 4 cached, 0 to run", "cached a", "cached b", "cached c", "cached d"]);
    assert_eq!((outcome.ran, outcome.cached, outcome.is_complete()), (0, 4, true));
}

#[test]
fn what_only_a_hit_needs_is_neither_needed_nor_made() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    for id in ["a", "b", "c"] {
        std::fs::remove_dir_all(world.entry(&plan, id)).unwrap();
    }
    let (outcome, record) = world.run(&plan);
    assert_eq!((outcome.ran, record.count("started")), (0, 0));
    assert!(!world.entry(&plan, "a").exists());
    // With `d` gone too, everything is needed again.
    std::fs::remove_dir_all(world.entry(&plan, "d")).unwrap();
    assert_eq!(world.run(&plan).0.ran, 4);
}

#[test]
fn a_changed_setting_reruns_its_stage_and_the_dependents_alone() {
    let world = World::new();
    world.run(&plan(diamond()));
    let mut stages = diamond();
    stages[2] = mock("c", &["a"]).set("other");
    let changed = plan(stages);
    let (outcome, record) = world.run(&changed);
    let expected = ["surveyed 4: 2 cached, 2 to run", "cached a", "cached b", "started c", "finished c", "started d", "finished d"];
    assert_eq!(record.lines(), expected);
    assert_eq!((outcome.ran, outcome.cached), (2, 2));
    assert_eq!(world.text(&changed, "d"), "d(b(a()),other(a()))");
}

#[test]
fn a_survey_says_what_a_run_would_do() {
    let world = World::new();
    let whole = plan(diamond());
    assert!(runner::survey(&whole, &world.store, &[], false).unwrap().iter().all(|status| *status == Status::Run(Reason::Missing)));
    assert!(!world.store.root().exists(), "looking makes nothing");
    world.run(&whole);
    std::fs::remove_dir_all(world.entry(&whole, "d")).unwrap();
    std::fs::remove_dir_all(world.entry(&whole, "c")).unwrap();
    let found = runner::survey(&whole, &world.store, &[], false).unwrap();
    assert!(matches!(found[..], [Status::Hit(_), Status::Hit(_), Status::Run(Reason::Missing), Status::Run(Reason::Missing)]), "{found:?}");
    let found = runner::survey(&whole, &world.store, &[StageId::new("b")], false).unwrap();
    assert!(matches!(found[..], [Status::Unneeded, Status::Hit(_), Status::Unneeded, Status::Unneeded]), "{found:?}");
}

#[test]
fn only_what_the_targets_need_runs() {
    let world = World::new();
    let whole = plan(diamond());
    let (outcome, record) = world.run_with(&whole, |options| options.targets = vec![StageId::new("b")]);
    assert_eq!((outcome.ran, outcome.cached, outcome.not_asked), (2, 0, 2));
    assert_eq!(record.count("started c") + record.count("started d"), 0);
    let unknown = runner::RunOptions { targets: vec![StageId::new("e")], ..options() };
    let error = runner::run(&whole, &world.store, &unknown, &record).unwrap_err();
    assert_eq!(error.to_string(), "no stage is called `e`");
}

#[test]
fn equal_work_under_two_names_is_done_once() {
    let world = World::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = |id: &str| {
        let runs = runs.clone();
        mock(id, &[]).set("equal").first(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let both = plan(vec![count("one"), count("two"), mock("end", &["one", "two"])]);
    assert_eq!(fingerprint(&both, "one"), fingerprint(&both, "two"));
    let (outcome, record) = world.run_with(&both, |options| options.jobs = 2);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!((outcome.ran, outcome.cached, outcome.shared), (2, 0, 1));
    assert_eq!(record.count("shared two with one"), 1);
    assert_eq!(world.text(&both, "end"), "end(equal(),equal())");
    let entry = world.store.entries().into_iter().find(|entry| entry.stage.as_str() == "end").unwrap();
    let inputs: Vec<&str> = entry.inputs.iter().map(|input| input.stage.as_str()).collect();
    assert_eq!(inputs, ["one", "two"]);
}

/// Twenty stages in four layers, each reading three of the layer before.
fn layers() -> onebasin::plan::Plan {
    let mut stages = Vec::new();
    for layer in 0..4 {
        for place in 0..5 {
            let inputs: Vec<String> =
                if layer == 0 { Vec::new() } else { (0..3).map(|step| format!("{}-{}", layer - 1, (place + step) % 5)).collect() };
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            stages.push(mock(&format!("{layer}-{place}"), &inputs).first(|_| {
                std::thread::yield_now();
                Ok(())
            }));
        }
    }
    plan(stages)
}

#[test]
fn one_job_and_four_leave_the_same_store() {
    let (one, four) = (World::new(), World::new());
    assert_eq!(one.run(&layers()).0.ran, 20);
    assert_eq!(four.run_with(&layers(), |options| options.jobs = 4).0.ran, 20);
    assert_eq!(one.content(), four.content());
    assert_eq!(one.content().len(), 40);
}

#[test]
fn stages_share_the_cores_between_those_that_run() {
    for (cores, jobs, expected) in [(4, 1, 4), (4, 2, 2), (4, 3, 1), (2, 5, 1)] {
        let world = World::new();
        let all_run = Arc::new(Barrier::new(jobs));
        let stages = (0..jobs).map(|number| {
            let all_run = all_run.clone();
            mock(&number.to_string(), &[]).first(move |_| {
                anyhow::ensure!(rayon::current_num_threads() == expected, "{} threads", rayon::current_num_threads());
                all_run.wait();
                Ok(())
            })
        });
        let plan = plan(stages.collect());
        let (outcome, record) = world.run_with(&plan, |options| (options.cores, options.jobs) = (cores, jobs));
        assert!(outcome.is_complete(), "{:?}", record.lines());
        assert_eq!(world.store.receipt(&fingerprint(&plan, "0")).unwrap().threads, expected);
    }
}

#[test]
fn several_jobs_run_side_by_side() {
    let world = World::new();
    let meeting = Arc::new(std::sync::Barrier::new(3));
    let stages = ["a", "b", "c"].map(|id| {
        let meeting = meeting.clone();
        mock(id, &[]).first(move |_| {
            meeting.wait();
            Ok(())
        })
    });
    // Each waits for the two others: one after the other, this would never end.
    let (outcome, _) = world.run_with(&plan(stages.into()), |options| options.jobs = 3);
    assert_eq!(outcome.ran, 3);
}

#[test]
fn progress_is_passed_on() {
    let world = World::new();
    let stage = mock("a", &[]).first(|context| {
        (context.progress)(Progress::Share { done: 1, total: 2 });
        Ok(())
    });
    let (_, record) = world.run(&plan(vec![stage]));
    assert_eq!(record.lines()[2], "advanced a Share { done: 1, total: 2 }");
}

#[test]
fn the_last_stage_has_every_core_also_when_the_one_before_it_ends_in_its_middle() {
    let world = World::new();
    let both_run = Arc::new(Barrier::new(2));
    let (here, there) = (both_run.clone(), both_run);
    let short = mock("short", &[]).first(move |_| {
        there.wait();
        Ok(())
    });
    let threads = |context: &Context<'_>| context.compute(rayon::current_num_threads);
    let long = mock("long", &[]).first(move |context| {
        anyhow::ensure!(threads(context) == 2, "two stages share four cores");
        here.wait();
        let begun = Instant::now();
        while threads(context) != 4 {
            anyhow::ensure!(begun.elapsed().as_secs() < 60, "the other stage has ended, and its cores are not used");
            std::thread::yield_now();
        }
        Ok(())
    });
    let last = mock("last", &["short", "long"]).first(move |context| {
        anyhow::ensure!(rayon::current_num_threads() == 4 && threads(context) == 4, "a stage that begins alone has all");
        Ok(())
    });
    let (outcome, record) = world.run_with(&plan(vec![short, long, last]), |options| (options.jobs, options.cores) = (2, 4));
    assert!(outcome.is_complete(), "{:?}", record.lines());
}

#[test]
fn stages_that_do_not_fit_into_memory_together_run_one_after_the_other() {
    let world = World::new();
    let busy = Arc::new(AtomicUsize::new(0));
    let alone = |id: &'static str, inputs: &[&str]| {
        let busy = busy.clone();
        mock(id, inputs).first(move |_| {
            anyhow::ensure!(busy.fetch_add(1, Ordering::SeqCst) == 0, "another one runs");
            std::thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let plan = plan(vec![alone("a", &[]), alone("b", &[]), alone("c", &[]), alone("d", &["a", "b", "c"])]);
    let stages = ["a", "b", "c", "d"].map(|id| (StageId::new(id), if id == "d" { 9 } else { 2 }));
    let (outcome, record) = world.run_with(&plan, |options| {
        options.jobs = 3;
        options.memory = Some(MemoryLimit { bytes: Some(3), stages: Arc::new(stages.into()) });
    });
    assert!(outcome.is_complete(), "{:?}", record.lines());
}

#[test]
fn only_some_stages_run_and_those_whose_inputs_are_not_there_are_skipped() {
    let world = World::new();
    let plan = plan(diamond());
    let only = |ids: &[&str]| {
        let ids: Vec<StageId> = ids.iter().map(|id| StageId::new(*id)).collect();
        world.run_with(&plan, |options| (options.targets, options.only) = (ids.clone(), Some(ids.into_iter().collect())))
    };
    let (outcome, record) = only(&["b", "c"]);
    assert!(!outcome.is_complete() && outcome.ran == 0, "{:?}", record.lines());
    assert_eq!(outcome.skipped, [StageId::new("b"), StageId::new("c")]);
    assert_eq!(record.count("skipped b, c because of a"), 1, "{:?}", record.lines());
    assert_eq!(only(&["a"]).0.ran, 1);
    let (outcome, record) = only(&["b", "c"]);
    assert!(outcome.is_complete() && outcome.ran == 2, "{:?}", record.lines());
}
