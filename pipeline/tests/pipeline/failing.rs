//! What fails by whose fault: exit codes, methods that fail alone, and counts that agree.

use std::path::Path;

use serde_json::Value;

use super::command::{SPEC, folder, onebasin, texts};

#[cfg(unix)]
#[test]
fn a_folder_that_is_none_exits_with_2_whatever_it_is_for_and_whether_anything_runs() {
    let (folder, _) = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let run = |option: &str, place: &str| {
        let (code, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", option, place]));
        assert_eq!((code, out.as_str()), (2, ""), "{option}: {error}");
        assert!(error.contains("hint: choose another"), "{error}");
    };
    for option in ["--store", "--results", "--plots"] {
        run(option, "file");
    }
    assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml"])).0, 0);
    // All is at hand, and has nowhere to go.
    run("--results", "file");
    run("--plots", "file/below");
}

/// Ten square pictures and their labels, as IDX files.
fn write_idx(folder: &Path, side: u8, labels: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    let pixels = vec![7; labels.len() * usize::from(side) * usize::from(side)];
    let images = [&[0, 0, 8, 3, 0, 0, 0, labels.len() as u8, 0, 0, 0, side, 0, 0, 0, side][..], &pixels].concat();
    let labels = [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8][..], labels].concat();
    for split in ["train", "t10k"] {
        std::fs::write(folder.join(format!("{split}-images-idx3-ubyte")), &images).unwrap();
        std::fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), &labels).unwrap();
    }
}

#[test]
fn damaged_files_of_data_are_found_before_anything_runs_and_exit_with_2() {
    let (folder, spec) = folder();
    let text = SPEC.replace("format = \"glyphs\"\ntrain = 200\ntest = 50\nsize = 12", "format = \"idx\"\ndirectory = \"set\"\nclasses = 3");
    std::fs::write(&spec, text.replace("epochs = 1", "epochs = 1\nbatch = 5")).unwrap();
    let set = folder.path().join("set");
    let command = |command: &str| texts(&onebasin(folder.path(), &[command, "small.toml"]));
    write_idx(&set, 2, &[0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    let (code, out, _) = texts(&onebasin(folder.path(), &["data", "verify", "small.toml"]));
    assert!(code == 0 && out.contains("readable    few-glyphs  idx: 10 + 10 images, 3 classes, content "), "{out}");
    let labels = set.join("t10k-labels-idx1-ubyte");
    let whole = std::fs::read(&labels).unwrap();
    let change = |place: usize, to: u8| {
        let mut bytes = whole.clone();
        bytes[place] = to;
        bytes
    };
    for (what, bytes) in [("label", change(10, 9)), ("magic", change(2, 9)), ("count", change(7, 9)), ("length", whole[..12].to_vec())] {
        std::fs::write(&labels, bytes).unwrap();
        for name in ["plan", "run"] {
            let (code, out, error) = command(name);
            assert!((code, out.as_str()) == (2, "") && error.contains("t10k-labels-idx1-ubyte"), "{what}, {name}: {code} {out}{error}");
        }
        let (code, out, _) = texts(&onebasin(folder.path(), &["data", "verify", "small.toml"]));
        assert!(code == 2 && out.starts_with("UNREADABLE  few-glyphs  "), "{what}: {out}");
    }
    assert!(!folder.path().join(".store").exists(), "nothing ran");
    std::fs::write(&labels, whole).unwrap();
    let (code, _, error) = command("run");
    assert_eq!(code, 0, "{error}");
}

#[test]
fn images_that_are_not_those_of_their_name_are_told_and_no_figure_of_them_is_compared() {
    let (folder, spec) = folder();
    let (head, rest) = SPEC.split_once("[datasets.few-glyphs]").unwrap();
    let rest = rest.split_once("\n[").unwrap().1;
    let text = format!("{head}[{rest}").replace("few-glyphs", "mnist").replace("epochs = 1", "epochs = 1\nbatch = 5");
    let reported = "\n[reported]\nfile = \"figures.csv\"\nprofile = \"paper\"\n[profiles.paper]\n";
    std::fs::write(&spec, text + reported).unwrap();
    let head = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";
    let cell = "mnist,mlp,naive,2,accuracy,test,0.5,,1,a paper\n";
    std::fs::write(folder.path().join("figures.csv"), format!("{head}{cell}")).unwrap();
    write_idx(&folder.path().join("mnist"), 28, &[0, 1, 2, 0, 1, 2, 0, 1, 2, 9]);
    let said = "the images of `mnist` here are not those of the official files";
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert!(code == 0 && error.contains(&format!("warning: {said}\nhint: `onebasin data verify mnist`")), "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    assert!(code == 0 && error.contains("DEVIATES") && error.contains(said), "{error}");
    let table = std::fs::read_to_string(folder.path().join("results/small/table.md")).unwrap();
    assert!(table.contains(&format!("- {said}")) && !table.contains("comparable: off by"), "{table}");
    let (_, _, error) = texts(&onebasin(folder.path(), &["measure", "absent.pt", "--data", "mnist", "--data-folder", "."]));
    assert!(error.contains(said), "{error}");
    let (_, out, error) = texts(&onebasin(folder.path(), &["check", "small.toml"]));
    assert!(out.contains("other settings") && !out.contains("fine "), "{out}{error}");
}

/// Grey pictures in two class folders.
fn write_pictures(folder: &Path) {
    for (split, class) in [("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")] {
        let place = folder.join(split).join(class);
        std::fs::create_dir_all(&place).unwrap();
        for shade in 0..5 {
            image::GrayImage::from_pixel(6, 6, image::Luma([40 * shade])).save(place.join(format!("{shade}.png"))).unwrap();
        }
    }
}

#[test]
fn damaged_pictures_and_keys_that_do_not_fit_them_are_found_when_planned_and_exit_with_2() {
    let (folder, spec) = folder();
    let glyphs = "format = \"glyphs\"\ntrain = 200\ntest = 50\nsize = 12";
    let text = |keys: &str| {
        let set = format!("format = \"folder\"\ndirectory = \"set\"\n{keys}");
        SPEC.replace(glyphs, &set).replace("epochs = 1", "epochs = 1\nbatch = 5")
    };
    std::fs::write(&spec, text("")).unwrap();
    let set = folder.path().join("set");
    let command = |command: &[&str]| texts(&onebasin(folder.path(), &[command, &["small.toml"]].concat()));
    // Nothing is there: that keeps no plan from being shown.
    std::fs::create_dir_all(&set).unwrap();
    let (code, out, _) = command(&["plan"]);
    assert!(code == 2 || out.contains("needs-data"), "{out}");
    write_pictures(&set);
    assert_eq!((command(&["plan"]).0, command(&["data", "verify"]).0), (0, 0));
    let victim = set.join("test/b/3.png");
    let whole = std::fs::read(&victim).unwrap();
    let saved = |picture: image::DynamicImage| {
        picture.save(&victim).unwrap();
        std::fs::read(&victim).unwrap()
    };
    let colours = image::RgbImage::from_pixel(6, 6, image::Rgb([1, 2, 3]));
    let mut huge = whole.clone();
    huge[16..20].copy_from_slice(&[255; 4]);
    let damages = [
        ("size", saved(image::GrayImage::new(5, 6).into())),
        ("colours", saved(colours.into())),
        ("depth", saved(image::DynamicImage::new_luma16(6, 6))),
        ("transparent", saved(image::DynamicImage::new_rgba8(6, 6))),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("text", b"words".to_vec()),
        ("GIF", b"GIF89a\x01\x00\x01\x00".to_vec()),
        ("huge", huge),
        ("empty", Vec::new()),
    ];
    for (what, bytes) in damages {
        std::fs::write(&victim, bytes).unwrap();
        for name in ["plan", "run"] {
            let (code, out, error) = command(&[name]);
            assert_eq!((code, out.as_str()), (2, ""), "{what}, {name}: {error}");
            assert!(error.contains("few-glyphs") && error.contains("3.png"), "{what}, {name}: {error}");
        }
        let (code, out, _) = command(&["data", "verify"]);
        assert!(code == 2 && out.starts_with("UNREADABLE  few-glyphs  "), "{what}: {out}");
    }
    std::fs::write(&victim, &whole).unwrap();
    for keys in
        ["normalisation = { mean = [0.5, 0.5, 0.5], deviation = [0.5, 0.5, 0.5] }", "normalisation = { mean = [0.5], deviation = [0.0] }"]
    {
        std::fs::write(&spec, text(keys)).unwrap();
        let (code, _, error) = command(&["plan"]);
        assert!(code == 2 && error.contains("--> small.toml:7:1") && error.contains("key `normalisation`"), "{keys}: {error}");
    }
    for entry in ["train/a", "train/b", "test/a", "test/b"] {
        for shade in 0..5 {
            image::RgbImage::from_pixel(6, 6, image::Rgb([1, 2, shade])).save(set.join(entry).join(format!("{shade}.png"))).unwrap();
        }
    }
    std::fs::write(&spec, text("channels = 1")).unwrap();
    let (code, _, error) = command(&["plan"]);
    assert!(code == 2 && error.contains("few-glyphs") && error.contains("colours: expected grey"), "{error}");
    assert!(!folder.path().join(".store").exists(), "nothing ran");
}

#[cfg(unix)]
#[test]
fn names_that_steer_a_terminal_are_written_out() {
    let (folder, spec) = folder();
    let glyphs = "format = \"glyphs\"\ntrain = 200\ntest = 50\nsize = 12";
    std::fs::write(&spec, SPEC.replace(glyphs, "format = \"folder\"\ndirectory = \"set\"")).unwrap();
    write_pictures(&folder.path().join("set"));
    std::fs::create_dir(folder.path().join("set/test/\u{1b}[2Jx")).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert!(code == 2 && error.contains("\\u001b[2Jx") && !error.contains('\u{1b}'), "{error}");
    std::fs::remove_dir(folder.path().join("set/test/\u{1b}[2Jx")).unwrap();
    let (_, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--results", "a\u{1b}[2J"]));
    assert!(!(out + &error).contains('\u{1b}') && error.contains("a\\u001b[2J/small"), "{error}");
}

/// A method whose mean overflows.
const EXTRAPOLATED: &str = r#"
[[methods]]
name = "extrapolated"
matching = { by = "identity" }
merging = { by = "mean", coefficients = [1000000000000000.0, -999999999999999.0] }

[evaluation]
pairs = "none""#;

#[test]
fn a_method_that_fails_loses_its_own_rows_and_is_marked() {
    let (folder, spec) = folder();
    // Three layers of such weights are beyond f32.
    std::fs::write(&spec, SPEC.replace("[evaluation]", EXTRAPOLATED).replace("hidden = [8]", "hidden = [8, 8]")).unwrap();
    let (code, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--keep-going", "--json"]));
    assert_eq!(code, 1, "{error}");
    let stage = "predict/few-glyphs-mlp/extrapolated/replicate-0/2";
    let done: Value = serde_json::from_str(&out).unwrap();
    let cause = done[0]["causes"][stage].as_str().unwrap();
    assert!(cause.contains("hint: the models as trained may be fine") && !cause.contains("learning rate"), "{cause}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("results/small").join(name)).unwrap();
    let merged = read("merged.csv");
    assert!(merged.contains(",naive,") && merged.contains(",weights,") && !merged.contains(",extrapolated,"), "{merged}");
    let table = read("table.md");
    assert!(table.contains(&format!("- few-glyphs-mlp, extrapolated: `{stage}`")), "{table}");
    assert!(table.contains("\n| extrapolated | failed |") && table.contains("\n| naive "), "{table}");
    assert!(folder.path().join("plots/small").read_dir().unwrap().count() > 0);
    let (code, _, told) = texts(&onebasin(folder.path(), &["report", "small.toml"]));
    assert!(code == 0 && told.contains("warning: a stage failed on the way to `results/small`"), "{told}");
    assert!(read("report.html").contains(&format!("few-glyphs-mlp, extrapolated: {stage}")), "the page names what is not there");
    // The counts agree: the failed stage, and tables and pictures that need it.
    assert!(error.contains("SKIPPED           2 stages that need it") && error.contains("1 failed, 2 skipped"), "{error}");
}

#[test]
fn stages_that_share_their_work_are_counted_alike_by_plan_and_run() {
    let (folder, spec) = folder();
    let twin = "[[methods]]\nname = \"twin\"\nmatching = { by = \"identity\" }\n\n[evaluation]";
    std::fs::write(&spec, SPEC.replace("[evaluation]", twin)).unwrap();
    let (_, out, _) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    let planned = out.lines().last().unwrap().to_owned();
    let (_, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--json"]));
    let done: Value = serde_json::from_str(&out).unwrap();
    let (ran, shared, stages) = (&done[0]["ran"], &done[0]["shared"], &done[0]["stages"]);
    assert!(shared.as_u64() > Some(1) && done[0]["cached"] == 0, "{out}");
    assert_eq!(planned, format!("{stages} stages: 0 hit, {ran} would run, {shared} the same as others"));
    assert!(error.contains(&format!(": {ran} run, 0 cached, {shared} the same as others; ")), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_told_and_not_a_death_without_a_word() {
    let (folder, _) = folder();
    let script = format!("ulimit -f 0 && exec '{}' run small.toml", env!("CARGO_BIN_EXE_onebasin"));
    let ended = std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).env_clear().output().unwrap();
    let (code, _, error) = texts(&ended);
    assert!([1, 2].contains(&code) && error.contains("error: cannot write"), "{code}: {error}");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&["--version"][..], &["--help"], &["schema"]] {
        let ended = super::command::command(folder.path(), arguments).stdout(full()).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
    }
}
