//! The spec for ImageNet on a folder of small pictures: what someone who has the files would run, only smaller.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};

use super::place::Place;
use super::rows::Rows;

/// Pictures of four classes: a bright square in another corner each, with its own shade.
fn pictures(folder: &Path) {
    for (split, count) in [("train", 24u8), ("test", 8)] {
        for class in 0..4u32 {
            let here = folder.join(split).join(format!("n0{class}"));
            fs::create_dir_all(&here).unwrap();
            for number in 0..count {
                let (left, top) = (16 * (class % 2), 16 * (class / 2));
                let picture = RgbImage::from_fn(32, 32, |x, y| {
                    let inside = (left..left + 16).contains(&x) && (top..top + 16).contains(&y);
                    let noise = ((x * 7 + y * 13 + u32::from(number) * 29) % 40) as u8;
                    Rgb([if inside { 180 } else { 30 } + noise, 60 + noise, 20 * class as u8 + noise])
                });
                picture.save(here.join(format!("{number}.png"))).unwrap();
            }
        }
    }
}

#[test]
fn imagenet_as_its_spec_has_it_runs_on_a_small_folder_of_pictures() {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let spec = fs::read_to_string(experiments.join("git-rebasin-imagenet.toml")).unwrap();
    let mut spec = spec.replace("name = \"git-rebasin-imagenet\"", "name = \"smoke\"");
    // As many pictures as there are, as large as they are, and smaller networks yet.
    let changes = [
        ("size = [224, 224]", "size = [32, 32]"),
        ("images = 50_000", "images = 96"),
        ("images = 500", "images = 96"),
        ("resnet50.width = 8", "resnet50.width = 4"),
        ("batch = 50,", "batch = 8,"),
        ("lambdas = 5 ", "lambdas = 3 "),
    ];
    for (from, to) in changes {
        assert!(spec.contains(from), "{from}");
        spec = spec.replace(from, to);
    }
    let place = Place::with(&spec);
    let reported = place.path().join("reported");
    fs::create_dir(&reported).unwrap();
    fs::copy(experiments.join("reported/git-rebasin-imagenet.csv"), reported.join("git-rebasin-imagenet.csv")).unwrap();
    pictures(&place.path().join("imagenet"));
    place.complete(&["--profile", "cpu"]);
    let merged = Rows::read(&place, "merged.csv");
    assert_eq!(merged.rows.len(), 4, "{:?}", merged.rows);
    assert!(merged.rows.iter().all(|row| merged.text(row, "dataset") == "imagenet" && merged.number(row, "loss").is_finite()));
    // Batch norms are estimated anew at every point of the line, its ends included, as its text says.
    let lines = Rows::read(&place, "barriers.csv");
    assert_eq!(lines.rows.len(), 4 * 3);
    assert!(lines.rows.iter().all(|row| lines.number(row, "loss").is_finite()));
    // Published figures stand beside, and count for nothing at such settings.
    let table = fs::read_to_string(place.result("table.md")).unwrap();
    assert!(table.contains("architecture width 4 instead of 64") && table.contains("Git Re-Basin (arXiv 2209.04836)"), "{table}");
}
