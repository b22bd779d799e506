//! Every picture, drawn from a few made-up rows and compared with the one before: `tests/golden/pictures`. Where a picture is meant to change,
//! `INSTA_UPDATE=always cargo test --release --locked -p onebasin --lib picture_tests` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use super::draw::{draw_all, draw_timings};
use super::picture_results::write_results;
use crate::drawing::Canvas;
use crate::measurements::{self, AnyMeasurement, MergedRow};
use crate::table::Row;

/// Every file that was drawn, by its name.
pub type Files = BTreeMap<String, Vec<u8>>;

pub fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// All pictures, drawn once for all tests.
static DRAWN: LazyLock<Files> = LazyLock::new(|| {
    let (results, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_results(results.path());
    draw_all(results.path(), out.path()).unwrap();
    draw_timings(results.path(), out.path()).unwrap();
    files(out.path())
});

fn svg(stem: &str) -> &'static str {
    let bytes = DRAWN.get(&format!("{stem}.svg")).unwrap_or_else(|| panic!("`{stem}.svg` was not drawn, only {:?}", DRAWN.keys()));
    std::str::from_utf8(bytes).unwrap()
}

/// The elements of an SVG, one to a line, without the white lines of a mesh, which nobody sees on white.
fn elements(svg: &str) -> String {
    let seen = svg.lines().filter(|line| !(line.starts_with("<line ") && line.contains("stroke=\"#FFFFFF\"")));
    seen.map(|line| format!("{line}\n")).collect()
}

/// Declares the pictures that are expected, with a test for each.
macro_rules! pictures {
    ($($test:ident: $stem:literal,)*) => {
        const EXPECTED: &[&str] = &[$($stem),*];

        $(
            #[test]
            fn $test() {
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path("../../tests/golden/pictures");
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                settings.bind(|| insta::assert_snapshot!($stem, elements(svg($stem))));
            }
        )*
    };
}

pictures! {
    barriers_look_as_before: "barriers-glyphs-mlp",
    accuracies_of_classes_look_as_before: "class-accuracy-glyphs-mlp",
    cycles_look_as_before: "cycles-glyphs-mlp",
    epochs_look_as_before: "epochs-glyphs-mlp",
    features_look_as_before: "features-glyphs-mlp",
    iterates_look_as_before: "iterates-glyphs-mlp",
    layers_look_as_before: "layers-glyphs-mlp",
    curves_between_models_look_as_before: "paths-glyphs-mlp",
    planes_of_curves_look_as_before: "curve-plane-glyphs-mlp",
    tasks_over_time_look_as_before: "tasks-glyphs-mlp",
    learning_curves_look_as_before: "learning-curves-glyphs-mlp",
    margins_look_as_before: "margins-glyphs-mlp",
    similarities_of_matrices_look_as_before: "matrices-glyphs-mlp",
    merged_models_of_several_numbers_look_as_before: "merged-glyphs-mlp",
    merged_models_of_one_number_look_as_before: "merged-glyphs-wide",
    norms_look_as_before: "norms-glyphs-mlp",
    objectives_look_as_before: "objectives-glyphs-mlp",
    pairs_of_models_look_as_before: "pairwise-glyphs",
    the_plane_looks_as_before: "plane-glyphs-mlp",
    reliability_looks_as_before: "reliability-glyphs-mlp",
    rounds_look_as_before: "rounds-glyphs-mlp",
    seconds_by_the_number_of_models_look_as_before: "seconds-glyphs-mlp",
    seconds_by_width_look_as_before: "seconds-widths-glyphs",
    draws_of_a_matching_look_as_before: "seeds-glyphs-mlp",
    similarities_look_as_before: "similarity-glyphs-mlp",
    steps_look_as_before: "steps-glyphs-mlp",
    subsets_look_as_before: "subsets-glyphs-mlp",
    the_overview_looks_as_before: "table",
    variances_of_outputs_look_as_before: "variances-glyphs-mlp",
    widths_look_as_before: "widths-glyphs",
}

#[test]
fn every_picture_is_expected_and_every_expected_picture_is_drawn() {
    let mut expected: Vec<String> = EXPECTED.iter().flat_map(|stem| [format!("{stem}.png"), format!("{stem}.svg")]).collect();
    expected.sort();
    assert_eq!(DRAWN.keys().cloned().collect::<Vec<_>>(), expected, "a new picture needs its line in `pictures!`");
}

#[test]
fn every_measurement_finds_something_to_draw_but_classes_leads_best_points_and_the_scores_which_the_report_draws() {
    let results = tempfile::tempdir().unwrap();
    write_results(results.path());
    let draws = |measurement: &dyn AnyMeasurement| {
        let out = tempfile::tempdir().unwrap();
        measurement.draw(&Canvas::new(results.path(), out.path()).unwrap()).unwrap();
        !files(out.path()).is_empty()
    };
    let silent: Vec<usize> = (0..measurements::ALL.len()).filter(|&place| !draws(measurements::ALL[place])).collect();
    assert_eq!(silent, [0, 1, 3, 6, 17], "a new measurement needs rows in these tests: places in `measurements::ALL`");
}

#[test]
fn no_picture_has_a_place_that_is_no_number() {
    for stem in EXPECTED {
        let wrong = |line: &&str| ["NaN", "inf", &i32::MIN.to_string(), &i32::MAX.to_string()].iter().any(|text| line.contains(text));
        let wrong: Vec<&str> = svg(stem).lines().filter(|line| line.starts_with('<')).filter(wrong).collect();
        assert!(wrong.is_empty(), "{stem}: {wrong:#?}");
    }
}

#[test]
fn every_png_has_the_size_of_its_svg_and_more_than_one_colour() {
    for stem in EXPECTED {
        let png = image::load_from_memory(&DRAWN[&format!("{stem}.png")]).unwrap().to_rgb8();
        let size = format!("<svg width=\"{}\" height=\"{}\"", png.width(), png.height());
        assert!(svg(stem).starts_with(&size), "{stem}: {size}");
        assert!(png.pixels().any(|pixel| pixel != png.get_pixel(0, 0)), "{stem} has one colour");
    }
}

#[test]
fn a_column_that_is_absent_is_named_with_its_picture_and_file() {
    let (results, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_results(results.path());
    fs::write(results.path().join(MergedRow::FILE), "dataset,architecture\n").unwrap();
    let error = format!("{:#}", draw_all(results.path(), out.path()).unwrap_err());
    assert!(error.contains("pictures of merged models") && error.contains("merged.csv` has no column `method`"), "{error}");
}
