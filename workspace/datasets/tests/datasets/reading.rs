use onebasin_datasets::{
    Finding, Geometry, Idx, SearchPaths, Source, digest, files, geometry, incomplete, is_official, known, known_names, open, to_unpack,
    verify, whereabouts,
};

use crate::house::{House, gzip, xz};

pub const NAMES: [&str; 4] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

pub fn images(count: u32, height: u32, width: u32, first: u8) -> Vec<u8> {
    let words = [0x0803, count, height, width];
    let pixels = (0..count * height * width).map(|index| first.wrapping_add(index as u8));
    words.iter().flat_map(|word| word.to_be_bytes()).chain(pixels).collect()
}

pub fn labels(labels: &[u8]) -> Vec<u8> {
    [&0x0801u32.to_be_bytes()[..], &(labels.len() as u32).to_be_bytes(), labels].concat()
}

/// A house with the four files in this folder below the root.
pub fn house_with(folder: &str) -> House {
    let house = House::new();
    put(&house, folder, &contents());
    house
}

fn put(house: &House, folder: &str, contents: &[Vec<u8>; 4]) {
    NAMES.iter().zip(contents).for_each(|(name, bytes)| house.write(&format!("{folder}/{name}"), bytes));
}

/// Three training and two test images of 2x3 pixels.
pub fn contents() -> [Vec<u8>; 4] {
    [images(3, 2, 3, 0), labels(&[2, 0, 1]), images(2, 2, 3, 100), labels(&[1, 2])]
}

pub fn source(directory: &str) -> Source {
    Source::Idx(Idx { classes: Some(3), ..Idx::in_directory(directory) })
}

#[test]
fn images_and_labels_are_read_in_order_plain_or_compressed() {
    let house = house_with("own");
    let plain = open(&source("own"), &house.search_paths()).unwrap();
    assert_eq!(plain.name, "own");
    assert_eq!((plain.train.shape, plain.train.classes), ((1, 2, 3), 3));
    assert_eq!(plain.train.labels, [2, 0, 1]);
    assert_eq!(plain.train.image(1), [6, 7, 8, 9, 10, 11]);
    assert_eq!(plain.test.image(1), [106, 107, 108, 109, 110, 111]);
    // The mean of 0..=17 is 8.5, its variance (18² - 1) / 12.
    assert!((plain.normalisation.mean[0] - 8.5 / 255.0).abs() < 1e-8);
    assert!((plain.normalisation.deviation[0] - (323.0f32 / 12.0).sqrt() / 255.0).abs() < 1e-8);

    let packed = House::new();
    NAMES.iter().zip(contents()).for_each(|(name, bytes)| packed.write(&format!("own/{name}.gz"), &gzip(&bytes)));
    assert_eq!(open(&source("own"), &packed.search_paths()).unwrap(), plain);
    assert_eq!(digest(&source("own"), &packed.search_paths()).unwrap(), digest(&source("own"), &house.search_paths()).unwrap());
    for delta in [false, true] {
        let packed = House::new();
        NAMES.iter().zip(contents()).for_each(|(name, bytes)| packed.write(&format!("own/{name}.xz"), &xz(&bytes, delta)));
        assert_eq!(open(&source("own"), &packed.search_paths()).unwrap(), plain);
        assert_eq!(digest(&source("own"), &packed.search_paths()).unwrap(), digest(&source("own"), &house.search_paths()).unwrap());
    }
}

#[test]
fn files_of_a_slow_format_are_to_be_unpacked_and_the_files_of_a_set_are_told() {
    let packed = House::new();
    NAMES.iter().zip(contents()).for_each(|(name, bytes)| packed.write(&format!("own/{name}.xz"), &xz(&bytes, false)));
    let places = packed.search_paths();
    let slow = to_unpack(&source("own"), &places);
    assert_eq!((slow.len(), &slow), (4, &files(&source("own"), &places).unwrap()));
    let plain = house_with("own");
    assert!(to_unpack(&source("own"), &plain.search_paths()).is_empty());
    assert!(files(&source("other"), &plain.search_paths()).is_err());
}

#[test]
fn a_known_set_of_which_files_are_missing_is_incomplete() {
    let (house, mnist) = (house_with("mnist"), known("mnist").unwrap());
    assert_eq!(incomplete(mnist, &house.search_paths()), None);
    assert_eq!(incomplete(mnist, &House::new().search_paths()), None);
    let some = House::new();
    NAMES[..3].iter().zip(contents()).for_each(|(name, bytes)| some.write(&format!("mnist/{name}"), &bytes));
    let (folder, count) = incomplete(mnist, &some.search_paths()).unwrap();
    assert!(folder.ends_with("mnist") && count == 3, "{} {count}", folder.display());
}

#[test]
fn the_digest_is_that_of_a_written_form_which_new_settings_do_not_change() {
    // Digests are part of stored recipes: this form is for good.
    let files = contents().map(|bytes| onebasin_repro::Fingerprint::of_bytes(&bytes));
    let form = serde_json::json!({ "classes": 3, "files": files, "format": "idx", "normalisation": null });
    assert_eq!(digest(&source("own"), &house_with("own").search_paths()).unwrap(), onebasin_repro::Fingerprint::of_json(&form));
    let written = serde_json::to_string(&source("own")).unwrap();
    assert!(!written.contains("transposed") && !written.contains("first-label"), "{written}");
}

#[test]
fn the_digest_follows_contents_and_settings() {
    let house = house_with("own");
    let name = |idx: Idx| digest(&Source::Idx(idx), &house.search_paths()).unwrap();
    let idx = Idx { classes: Some(3), ..Idx::in_directory("own") };
    let first = name(idx.clone());
    assert_ne!(first, name(Idx { classes: Some(4), ..idx.clone() }));
    let mut other = contents();
    other[0][20] ^= 1;
    put(&house, "own", &other);
    assert_ne!(name(idx), first);
}

#[test]
fn files_are_found_below_each_root_in_its_nested_folders_and_in_the_cache() {
    for folder in ["mnist", "mnist/MNIST/raw", "mnist/raw", "MNIST/raw", "raw", "."] {
        let house = House::new();
        put(&house, folder, &[images(1, 28, 28, 0), labels(&[2]), images(1, 28, 28, 5), labels(&[1])]);
        let mnist = Source::named("mnist").unwrap();
        assert_eq!(open(&mnist, &house.search_paths()).unwrap().train.len(), 1, "{folder}");
        let cached = SearchPaths::offline([house.path("nowhere")], house.root.path());
        assert_eq!(open(&mnist, &cached).unwrap().train.len(), 1, "{folder}");
        assert!(whereabouts(known("mnist").unwrap(), &house.search_paths()).is_some());
    }
    let house = house_with("own");
    let absolute = house.path("own").to_str().unwrap().to_owned();
    let elsewhere = SearchPaths::offline([], house.cache.path());
    assert_eq!(open(&source(&absolute), &elsewhere).unwrap().name, "own");
}

#[test]
fn an_earlier_root_wins_and_an_incomplete_folder_is_passed_over() {
    let (first, second) = (house_with("own"), House::new());
    let mut other = contents();
    other[1] = labels(&[0, 0, 0]);
    put(&second, "own", &other);
    let search_paths = |roots: [&House; 2]| SearchPaths::offline(roots.map(|house| house.root.path().to_owned()), first.cache.path());
    assert_eq!(open(&source("own"), &search_paths([&first, &second])).unwrap().train.labels, [2, 0, 1]);
    assert_eq!(open(&source("own"), &search_paths([&second, &first])).unwrap().train.labels, [0, 0, 0]);
    std::fs::remove_file(second.path(&format!("own/{}", NAMES[3]))).unwrap();
    assert_eq!(open(&source("own"), &search_paths([&second, &first])).unwrap().train.labels, [2, 0, 1]);
}

#[test]
fn a_missing_file_lists_every_place_and_how_to_get_it() {
    let house = House::new();
    house.write("mnist/train-images-idx3-ubyte.gz", b"");
    let text = house.error(&Source::named("mnist").unwrap());
    let part = format!("`{}`: no `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`", house.path("mnist").display());
    let cache = format!("`{}`", house.cache.path().join("mnist").display());
    let absent = text.lines().find(|line| line.contains("no such folder")).unwrap();
    assert!(absent.contains(&cache) && text.matches("no such folder").count() == 1, "{text}");
    for words in [&*part, "wanted: `train-images-idx3-ubyte`, ", "`onebasin data fetch mnist`", "`--data DIR`"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = house.error(&source("own"));
    assert!(text.contains("data set `own`") && text.contains("`train-images`"), "{text}");
}

#[test]
fn names_with_a_dot_for_a_dash_are_taken() {
    let (dotted, plain) = (House::new(), house_with("mnist"));
    NAMES.iter().zip(contents()).for_each(|(name, bytes)| dotted.write(&format!("mnist/{}", name.replace("-idx", ".idx")), &bytes));
    let own = Source::Idx(Idx { classes: Some(3), ..Idx::in_directory("mnist") });
    assert_eq!(open(&own, &dotted.search_paths()).unwrap(), open(&own, &plain.search_paths()).unwrap());
    assert!(whereabouts(known("mnist").unwrap(), &dotted.search_paths()).is_some());
    // Under the official name it comes first.
    let mut other = contents();
    other[1] = labels(&[0, 0, 0]);
    put(&dotted, "mnist", &other);
    assert_eq!(open(&own, &dotted.search_paths()).unwrap().train.labels, [0, 0, 0]);
}

#[test]
fn files_under_other_names_are_told_with_what_was_wanted() {
    let mnist = Source::named("mnist").unwrap();
    let lay = |files: &[&str]| {
        let house = House::new();
        files.iter().for_each(|file| house.write(file, b""));
        house
    };
    let house = lay(&["mnist/train_images_idx3_ubyte"]);
    let text = house.error(&mnist);
    assert!(text.contains("mnist/train_images_idx3_ubyte`, expected `train-images-idx3-ubyte`: rename it"), "{text}");
    let house = lay(&NAMES.map(|name| format!("mnist/{name}/{name}")).iter().map(String::as_str).collect::<Vec<_>>());
    let text = house.error(&mnist);
    assert!(text.matches("move it there").count() == 4, "{text}");
    let text = lay(&["mnist/mnist.npz"]).error(&mnist);
    assert!(text.contains("mnist.npz`, arrays of NumPy"), "{text}");
    let text = lay(&["Mnist/train-images-idx3-ubyte"]).error(&mnist);
    assert!(text.contains("Mnist`, expected `mnist`: rename it"), "{text}");
    let text = lay(&["mnist/notes.txt"]).error(&mnist);
    assert!(text.contains("none of the files; it holds `notes.txt`"), "{text}");
    let text = lay(&["cifar10/cifar-10-batches-py/data_batch_1"]).error(&Source::named("cifar10").unwrap());
    assert!(text.contains("cifar-10-batches-py`, the version for Python: the binary version is read"), "{text}");
}

#[test]
fn shape_and_classes_are_known_without_pixels() {
    let house = house_with("own");
    // The header is enough.
    house.write(&format!("own/{}", NAMES[0]), &images(3, 2, 3, 0)[..16]);
    assert_eq!(geometry(&source("own"), &house.search_paths()).unwrap(), Geometry { shape: (1, 2, 3), classes: 3 });
    let nowhere = SearchPaths::offline([], house.path("nowhere"));
    let said = Source::Idx(Idx { size: Some((9, 8)), classes: Some(7), ..Idx::in_directory("nowhere") });
    assert_eq!(geometry(&said, &nowhere).unwrap(), Geometry { shape: (1, 9, 8), classes: 7 });
    // A spec may take a known set apart from its constants.
    let unit = Source::Idx(Idx { size: Some((28, 28)), ..Idx::in_directory("mnist") });
    assert_eq!(geometry(&unit, &nowhere).unwrap(), Geometry { shape: (1, 28, 28), classes: 10 });
    for name in known_names() {
        let known = known(name).unwrap();
        let expected = Geometry { shape: known.shape, classes: known.classes };
        assert_eq!(geometry(&known.source(), &nowhere).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_size_other_than_the_one_said_is_an_error() {
    let house = house_with("own");
    let text = house.error(&Source::Idx(Idx { size: Some((2, 4)), classes: Some(3), ..Idx::in_directory("own") }));
    assert!(text.contains("expected 2x4, got 2x3") && text.contains("`size`"), "{text}");
    let text = house.error(&Source::Idx(Idx { classes: Some(1), ..Idx::in_directory("own") }));
    assert!(text.contains("`classes`") && text.contains("from 2 to 256"), "{text}");
}

#[test]
fn a_source_is_read_from_a_table_with_its_defaults_and_unknown_keys_are_errors() {
    let read = |text: &str| serde_json::from_str::<Source>(text);
    let Source::Idx(idx) = read(r#"{"format": "idx", "directory": "own", "classes": 3}"#).unwrap() else { panic!("another format") };
    assert_eq!(idx, Idx { classes: Some(3), ..Idx::in_directory("own") });
    for name in known_names() {
        let source = Source::named(name).unwrap();
        assert_eq!(read(&serde_json::to_string(&source).unwrap()).unwrap(), source, "{name}");
    }
    for (text, word) in [
        (r#"{"format": "idx", "directory": "own", "clases": 3}"#, "clases"),
        (r#"{"format": "idx"}"#, "directory"),
        (r#"{"format": "glyphs", "sizes": 3}"#, "sizes"),
        (r#"{"format": "hdf5"}"#, "glyphs"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn verifying_tells_official_different_damaged_and_missing_files_apart() {
    let house = House::new();
    house.write("mnist/train-images-idx3-ubyte", b"something else");
    house.write("mnist/train-labels-idx1-ubyte.gz", &gzip(b"something else")[..12]);
    house.write("mnist/t10k-labels-idx1-ubyte.xz", b"");
    let found = verify(known("mnist").unwrap(), &house.search_paths());
    assert_eq!(found.iter().map(|verified| verified.file).collect::<Vec<_>>(), NAMES);
    assert!(matches!(&found[0].finding, Finding::Different { expected, found } if expected.starts_with("ba891046") && found.len() == 64));
    assert!(matches!(&found[1].finding, Finding::Unreadable { reason } if reason.contains("compressed content")));
    assert_eq!(found[2].finding, Finding::Missing);
    assert!(matches!(&found[3].finding, Finding::Unreadable { reason } if reason.contains("one complete xz stream")));
    assert_eq!(found[0].path, Some(house.path("mnist/train-images-idx3-ubyte")));
    house.write("emnist-letters/gzip/emnist-letters-test-labels-idx1-ubyte", b"abc");
    let found = verify(known("emnist-letters").unwrap(), &house.search_paths());
    assert!(matches!(&found[3].finding, Finding::Unstated { found } if found.starts_with("ba7816bf")));
}

#[test]
fn other_images_under_the_name_of_a_known_set_are_told_from_its_own() {
    let house = House::new();
    put(&house, "mnist", &[images(3, 28, 28, 0), labels(&[2, 0, 1]), images(2, 28, 28, 100), labels(&[1, 2])]);
    let of = |source: &Source| is_official(source, &digest(source, &house.search_paths()).unwrap());
    assert_eq!(of(&Source::named("mnist").unwrap()), Some(false));
    // A set of one's own is what it is.
    put(&house, "own", &contents());
    let own: Source = serde_json::from_str(r#"{ "format": "idx", "directory": "own" }"#).unwrap();
    assert_eq!(of(&own), None);
}

#[test]
fn classes_that_are_not_said_are_counted_in_the_training_labels() {
    let inferred = Source::Idx(Idx::in_directory("own"));
    for pack in [|bytes: &[u8]| ("", bytes.to_vec()), |bytes: &[u8]| (".gz", gzip(bytes)), |bytes: &[u8]| (".xz", xz(bytes, false))] {
        let house = House::new();
        for (name, bytes) in NAMES.iter().zip(contents()) {
            let (ending, bytes) = pack(&bytes);
            house.write(&format!("own/{name}{ending}"), &bytes);
        }
        assert_eq!(geometry(&inferred, &house.search_paths()).unwrap().classes, 3);
        let read = open(&inferred, &house.search_paths()).unwrap();
        assert_eq!(read, open(&source("own"), &house.search_paths()).unwrap());
        assert_eq!(digest(&inferred, &house.search_paths()).unwrap(), read.digest);
    }
    // A set in the folder of a known one keeps that one's number, so that no plan needs files.
    let house = house_with("mnist");
    assert_eq!(open(&Source::Idx(Idx::in_directory("mnist")), &house.search_paths()).unwrap().train.classes, 10);
    let house = house_with("own");
    house.write(&format!("own/{}", NAMES[3]), &labels(&[1, 3]));
    let text = house.error(&inferred);
    assert!(text.contains("expected a label below 3, got 3") && text.contains("set key `classes` to at least 4"), "{text}");
    house.write(&format!("own/{}", NAMES[1]), &labels(&[0, 0, 0]));
    assert!(house.error(&inferred).contains("labels: expected at least two classes"));
}

#[test]
fn a_folder_beside_the_spec_is_found_after_those_below_the_roots() {
    let (roots, spec) = (House::new(), house_with("mine/own"));
    let search_paths = roots.search_paths().with_spec_folder(spec.path("mine"));
    assert_eq!(open(&source("own"), &search_paths).unwrap().train.labels, [2, 0, 1]);
    let mut other = contents();
    other[1] = labels(&[0, 0, 0]);
    put(&roots, "own", &other);
    assert_eq!(open(&source("own"), &search_paths).unwrap().train.labels, [0, 0, 0]);
    let text = open(&source("absent"), &search_paths).unwrap_err().to_string();
    assert!(text.contains(&format!("`{}`", spec.path("mine/absent").display())), "{text}");
}
