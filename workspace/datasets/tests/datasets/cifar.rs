//! The binary version of CIFAR, made by hand.

use onebasin_datasets::{Cifar, CifarLabels, Geometry, Normalisation, Source, digest, geometry, open};

use crate::house::{House, gzip, xz};

/// Records with these label bytes; image `i` is filled with `first + i` in red, 100 more in green, 200 more in blue.
fn records(labels: &[&[u8]], first: u8) -> Vec<u8> {
    let image = |index: usize| [0u8, 100, 200].map(|channel| vec![channel.wrapping_add(first).wrapping_add(index as u8); 1024]).concat();
    labels.iter().enumerate().flat_map(|(index, labels)| [labels.to_vec(), image(index)].concat()).collect()
}

fn two_and_one() -> Cifar {
    Cifar { train: vec!["b.bin".into(), "a.bin".into()], test: vec!["c.bin".into()], ..Cifar::in_directory("own", CifarLabels::Single) }
}

fn house() -> House {
    let house = House::new();
    house.write("own/a.bin", &records(&[&[7]], 30));
    house.write("own/b.bin", &records(&[&[3], &[9]], 10));
    house.write("own/c.bin", &records(&[&[0]], 50));
    house
}

#[test]
fn files_are_read_in_the_order_said_plain_or_compressed() {
    let (source, house) = (Source::Cifar(two_and_one()), house());
    let plain = open(&source, &house.search_paths()).unwrap();
    assert_eq!((plain.name.as_str(), plain.train.shape, plain.train.classes), ("own", (3, 32, 32), 10));
    assert_eq!((plain.train.labels.as_slice(), plain.test.labels.as_slice()), (&[3, 9, 7][..], &[0][..]));
    assert_eq!(plain.train.image(1), [vec![11; 1024], vec![111; 1024], vec![211; 1024]].concat());
    assert_eq!(plain.train.image(2)[0], 30);
    // Red is 10, 11 and 30, each as often.
    assert!((plain.normalisation.mean[0] - 17.0 / 255.0).abs() < 1e-7, "{:?}", plain.normalisation);

    let packed = House::new();
    packed.write("own/a.bin.gz", &gzip(&records(&[&[7]], 30)));
    packed.write("own/b.bin.xz", &xz(&records(&[&[3], &[9]], 10), true));
    packed.write("own/c.bin.xz", &xz(&records(&[&[0]], 50), false));
    assert_eq!(open(&source, &packed.search_paths()).unwrap(), plain);
    assert_eq!(digest(&source, &packed.search_paths()).unwrap(), digest(&source, &house.search_paths()).unwrap());
}

#[test]
fn coarse_and_fine_labels_are_told_apart() {
    let house = House::new();
    house.write("hundred/cifar-100-binary/train.bin", &records(&[&[4, 99], &[19, 0]], 0));
    house.write("hundred/cifar-100-binary/test.bin.xz", &xz(&records(&[&[1, 2]], 0), true));
    let read = |labels| open(&Source::Cifar(Cifar::in_directory("hundred", labels)), &house.search_paths()).unwrap();
    let (fine, coarse) = (read(CifarLabels::Fine), read(CifarLabels::Coarse));
    assert_eq!((fine.train.labels.as_slice(), fine.train.classes), (&[99, 0][..], 100));
    assert_eq!((coarse.train.labels.as_slice(), coarse.train.classes), (&[4, 19][..], 20));
    assert_eq!((fine.test.labels[0], coarse.test.labels[0]), (2, 1));
    assert_eq!(fine.train.pixels, coarse.train.pixels);
    let name = |labels| digest(&Source::Cifar(Cifar::in_directory("hundred", labels)), &house.search_paths()).unwrap();
    assert_ne!(name(CifarLabels::Fine), name(CifarLabels::Coarse));
}

#[test]
fn the_digest_follows_contents_order_and_settings() {
    let house = house();
    let name = |cifar: Cifar| digest(&Source::Cifar(cifar), &house.search_paths()).unwrap();
    let first = name(two_and_one());
    let turned = Cifar { train: vec!["a.bin".into(), "b.bin".into()], ..two_and_one() };
    let moved = Cifar { train: vec!["b.bin".into()], test: vec!["a.bin".into(), "c.bin".into()], ..two_and_one() };
    let wider = Cifar { classes: Some(11), ..two_and_one() };
    let grey = Normalisation { mean: vec![0.5; 3], deviation: vec![0.25; 3] };
    let others = [turned, moved, wider, Cifar { normalisation: Some(grey), ..two_and_one() }].map(name);
    assert!(others.iter().all(|other| *other != first));
    assert_eq!(name(Cifar { classes: Some(10), ..two_and_one() }), first);
    house.write("own/c.bin", &records(&[&[0]], 51));
    assert_ne!(name(two_and_one()), first);
}

#[test]
fn a_damaged_file_is_named_with_what_was_expected() {
    let whole = records(&[&[3], &[9]], 10);
    let packed = xz(&whole, true);
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let cases: [(&str, Vec<u8>, [&str; 3]); 8] = [
        ("own/b.bin", whole[..whole.len() - 1].to_vec(), ["truncated file", "whole records of 3073 bytes", "1 records and 3072 bytes"]),
        ("own/b.bin", [&whole[..], &[1]].concat(), ["truncated file", "6147 bytes", "2 records and 1 bytes"]),
        ("own/b.bin", Vec::new(), ["content", "at least one image", "an empty file"]),
        ("own/b.bin", records(&[&[3, 4]], 0), ["truncated file", "fits CIFAR-100", "`fine`"]),
        ("own/b.bin", records(&[&[3], &[10]], 0), ["label 1", "expected a label below 10", "got 10"]),
        ("own/b.bin.xz", packed[..packed.len() - 20].to_vec(), ["compressed content", "one complete xz stream", "fetch it again"]),
        ("own/b.bin.xz", flipped, ["compressed content", "one complete xz stream", "damaged"]),
        ("own/b.bin.xz", b"no xz".to_vec(), ["compressed content", "one complete xz stream", "fetch it again"]),
    ];
    for (file, bytes, words) in cases {
        let house = house();
        std::fs::remove_file(house.path("own/b.bin")).unwrap();
        house.write(file, &bytes);
        let text = house.error(&Source::Cifar(two_and_one()));
        assert!(text.contains(&format!("`{}`", house.path(file).display())) && text.contains("\nhint: "), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
}

#[test]
fn an_official_set_with_another_number_of_images_is_not_taken_for_it() {
    let house = House::new();
    for batch in 1..=5 {
        house.write(&format!("cifar10/data_batch_{batch}.bin"), &records(&[&[1]], 0));
    }
    house.write("cifar10/test_batch.bin", &records(&[&[1]], 0));
    let text = house.error(&Source::named("cifar10").unwrap());
    assert!(text.contains("truncated file: expected 30730000 bytes, got 3073 bytes") && text.contains("10000 images"), "{text}");
}

#[test]
fn missing_files_say_where_they_were_looked_for_and_how_to_get_them() {
    let house = House::new();
    house.write("cifar100/cifar-100-binary/test.bin.xz", b"");
    let text = house.error(&Source::named("cifar100").unwrap());
    assert!(
        text.contains("cifar-100-binary`: no `train.bin`\n") && text.contains("wanted: `train.bin`, `test.bin`, each plain, .gz or .xz"),
        "{text}"
    );
    assert!(text.contains("`onebasin data fetch cifar100`") && text.contains("169 MB"), "{text}");
    let text = house.error(&Source::Cifar(two_and_one()));
    assert!(text.contains("`own`") && text.contains("`--data DIR`"), "{text}");
}

#[test]
fn keys_are_checked_and_shape_and_classes_need_no_file() {
    let house = House::new();
    let read = |text: &str| serde_json::from_str::<Source>(text);
    let source = read(r#"{"format": "cifar", "directory": "own", "labels": "fine", "train": ["train-first150.bin"]}"#).unwrap();
    assert_eq!(geometry(&source, &house.search_paths()).unwrap(), Geometry { shape: (3, 32, 32), classes: 100 });
    assert_eq!(read(&serde_json::to_string(&source).unwrap()).unwrap(), source);
    assert!(read(r#"{"format": "cifar", "directory": "own", "label": "fine"}"#).unwrap_err().to_string().contains("`label`"));
    assert!(read(r#"{"format": "cifar", "directory": "own", "labels": "exact"}"#).unwrap_err().to_string().contains("`coarse`"));
    let text = house.error(&Source::Cifar(Cifar { classes: Some(257), ..two_and_one() }));
    assert!(text.contains("`classes`") && text.contains("`257`"), "{text}");
    let one = Normalisation { mean: vec![0.5], deviation: vec![0.5] };
    let text = house.error(&Source::Cifar(Cifar { normalisation: Some(one), ..two_and_one() }));
    assert!(text.contains("3 means and 3 deviations") && text.contains("got 1 and 1"), "{text}");
}
