//! From the store to the folders for people.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use onebasin::plan::Plan;
use onebasin::publish::{publish, targets};

use super::world::{World, mock, names, plan};

/// A plan that ends like every experiment.
fn experiment(figure: &'static str) -> Plan {
    let tabulate =
        mock("tabulate", &["train/x, y"]).set(figure).first(move |context| Ok(fs::write(context.out.join("models.csv"), figure)?));
    let draw = mock("plot", &["tabulate"]).first(|context| Ok(fs::write(context.out.join("barriers.svg"), "<svg/>")?));
    plan(vec![mock("train/x, y", &[]), tabulate, draw])
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn only_files_whose_bytes_differ_are_written() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results/x"), world.folder.path().join("plots/x"));
    let first = experiment("1");
    world.run_with(&first, |options| options.targets = targets());
    let published = publish(&first, &world.store, &results, &plots, None).unwrap();
    assert_eq!(published.written.len(), 7);
    assert_eq!(names(&results), ["SHA256SUMS", "machine.json", "models.csv", "text", "timings.csv"]);
    assert_eq!(names(&plots), ["barriers.svg", "text"]);
    let before = modified(&plots.join("barriers.svg"));
    assert_eq!(publish(&first, &world.store, &results, &plots, None).unwrap().written, Vec::<std::path::PathBuf>::new());
    let second = experiment("2");
    world.run(&second);
    let published = publish(&second, &world.store, &results, &plots, None).unwrap();
    assert!(published.written.contains(&results.join("models.csv")) && !published.written.contains(&plots.join("barriers.svg")));
    assert_eq!(modified(&plots.join("barriers.svg")), before);
    assert_eq!(fs::read_to_string(results.join("models.csv")).unwrap(), "2");
}

#[test]
fn timings_list_every_stage_at_hand_and_quote_their_names() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results"), world.folder.path().join("plots"));
    let plan = experiment("1");
    world.run(&plan);
    publish(&plan, &world.store, &results, &plots, None).unwrap();
    let text = fs::read_to_string(results.join("timings.csv")).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "stage,kind,seconds,threads,device,fingerprint,work");
    assert!(rows[1].starts_with("\"train/x, y\",mock,0.") && rows[1].contains(",2,cpu,"), "{}", rows[1]);
    assert_eq!(rows.len(), 4);
}

#[test]
fn seconds_are_drawn_from_the_receipts_and_not_again_while_those_stay() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results"), world.folder.path().join("plots"));
    let ids = [2, 3, 4].map(|models| format!("align/x-y/c2m3/replicate-0/{models}"));
    let inputs = ids.each_ref().map(String::as_str);
    let models = "dataset,architecture,replicate,model,split,loss,accuracy,stage\nx,y,0,a,test,1,0.5,s\n";
    let tabulate = mock("tabulate", &inputs).first(move |context| Ok(fs::write(context.out.join("models.csv"), models)?));
    let matching = |id: &&str| {
        mock(id, &[]).first(|context| {
            context.work.set(1.5).unwrap();
            Ok(())
        })
    };
    let mut stages: Vec<_> = inputs.iter().map(matching).collect();
    stages.extend([tabulate, mock("plot", &["tabulate"])]);
    let plan = plan(stages);
    world.run(&plan);
    publish(&plan, &world.store, &results, &plots, None).unwrap();
    assert_eq!(names(&plots), ["seconds-x-y.png", "seconds-x-y.svg", "text"]);
    let again = publish(&plan, &world.store, &results, &plots, None).unwrap();
    assert!(again.written.is_empty() && again.stale.is_empty(), "{again:?}");
    let timings = fs::read_to_string(results.join("timings.csv")).unwrap();
    assert_eq!(timings.lines().filter(|row| row.ends_with(",1.5")).count(), 3, "{timings}");
    assert!(!world.entry(&plan, "plot").join("seconds-x-y.svg").exists(), "times are in no artifact");
}

#[test]
fn files_of_earlier_runs_stay_and_are_named_but_tables_that_would_be_read_as_this_runs_go() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results"), world.folder.path().join("plots"));
    fs::create_dir_all(&plots).unwrap();
    fs::create_dir_all(&results).unwrap();
    fs::write(plots.join("old.svg"), "old").unwrap();
    for name in ["own.csv", "rounds.csv", "untrained.csv", "report.html"] {
        fs::write(results.join(name), "old").unwrap();
    }
    let plan = experiment("1");
    world.run(&plan);
    let published = publish(&plan, &world.store, &results, &plots, None).unwrap();
    // A page of earlier tables is as old as they are.
    assert_eq!(published.stale, [results.join("own.csv"), results.join("report.html"), plots.join("old.svg")]);
    assert!(plots.join("old.svg").exists() && results.join("own.csv").exists());
    // Tables that commands find by their names would be read as this run's.
    assert_eq!(published.removed, [results.join("untrained.csv"), results.join("rounds.csv")]);
    assert!(!results.join("untrained.csv").exists() && !results.join("rounds.csv").exists());
    let again = publish(&plan, &world.store, &results, &plots, None).unwrap();
    assert!(again.removed.is_empty() && !again.stale.contains(&results.join("report.html")), "{again:?}");
}

#[test]
fn tables_and_pictures_may_lie_in_one_folder() {
    let world = World::new();
    let folder = world.folder.path().join("all");
    let tabulate = mock("tabulate", &[]).first(|context| Ok(fs::write(context.out.join("lead.csv"), "method\n")?));
    let draw = mock("plot", &["tabulate"]).first(|context| Ok(fs::write(context.out.join("table.svg"), "<svg/>")?));
    let plan = plan(vec![tabulate, draw]);
    world.run(&plan);
    for _ in 0..2 {
        let published = publish(&plan, &world.store, &folder, &folder, None).unwrap();
        assert!(published.removed.is_empty() && published.stale.is_empty(), "{published:?}");
        assert!(folder.join("lead.csv").exists() && folder.join("table.svg").exists());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_a_hint_and_nothing_is_published_before_the_run_is_whole() {
    let world = World::new();
    let file = world.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let plan = experiment("1");
    let error = publish(&plan, &world.store, &file.join("results"), &file.join("plots"), None).unwrap_err();
    assert_eq!(error.to_string(), "stage `tabulate` has not run");
    world.run(&plan);
    let error = publish(&plan, &world.store, &file.join("results"), &file.join("plots"), None).unwrap_err();
    assert!(
        error.to_string().contains("cannot write `") && error.to_string().contains("hint: choose another folder with `--results DIR`"),
        "{error}"
    );
}

#[test]
fn two_runs_that_publish_into_the_same_folders_leave_the_files_of_one() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results"), world.folder.path().join("plots"));
    let plans = [["1", "one"], ["2", "two"]].map(|[figure, picture]| {
        let tabulate = mock("tabulate", &[]).set(figure).first(move |context| {
            let mut paths = (0..20).map(|index| context.out.join(format!("{index}.csv")));
            Ok(paths.try_for_each(|path| fs::write(path, figure))?)
        });
        let draw = mock("plot", &["tabulate"]).first(move |context| Ok(fs::write(context.out.join("picture.svg"), picture)?));
        plan(vec![tabulate, draw])
    });
    plans.iter().for_each(|plan| drop(world.run(plan)));
    for _ in 0..10 {
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for plan in &plans {
                scope.spawn(|| {
                    together.wait();
                    publish(plan, &world.store, &results, &plots, None).unwrap();
                });
            }
        });
        let figure = fs::read_to_string(results.join("0.csv")).unwrap();
        let picture = if figure == "1" { "one" } else { "two" };
        assert_eq!(fs::read_to_string(plots.join("picture.svg")).unwrap(), picture);
        assert!((0..20).all(|index| fs::read_to_string(results.join(format!("{index}.csv"))).unwrap() == figure));
        assert!(!names(&results).iter().chain(&names(&plots)).any(|name| name.starts_with('.')));
    }
}

#[test]
fn a_name_that_leads_out_of_its_entry_is_not_published() {
    let world = World::new();
    let (results, plots) = (world.folder.path().join("results/x"), world.folder.path().join("plots/x"));
    let plan = experiment("1");
    world.run(&plan);
    let entry = world.entry(&plan, "tabulate");
    let receipt = fs::read_to_string(entry.join("receipt.json")).unwrap();
    for name in ["../evil.csv", "/evil.csv", "a/../../evil.csv", "a//evil.csv"] {
        super::damage::overwrite(&entry.join("receipt.json"), &receipt.replace("\"models.csv\"", &format!("\"{name}\"")));
        let error = publish(&plan, &world.store, &results, &plots, None).unwrap_err().to_string();
        assert!(error.contains("invalid receipt") && error.contains(name), "{error}");
    }
    assert!(!world.folder.path().join("results/evil.csv").exists());
}
