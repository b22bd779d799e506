//! IDX files as EMNIST's letters come: transposed, with labels from 1.

use onebasin_datasets::{Geometry, Idx, Source, digest, geometry, known, open};

use crate::house::{House, gzip};

fn files(labels: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    // Two rows of three as stored: 1 2 3 / 4 5 6, and ten more.
    let images = [header(&[0x0803, 2, 2, 3]), vec![1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]].concat();
    let labels = [header(&[0x0801, 2]), labels.to_vec()].concat();
    [
        ("train-images-idx3-ubyte", images.clone()),
        ("train-labels-idx1-ubyte", labels.clone()),
        ("t10k-images-idx3-ubyte", images),
        ("t10k-labels-idx1-ubyte", labels),
    ]
}

fn house(labels: &[u8]) -> House {
    let house = House::new();
    files(labels).iter().for_each(|(name, bytes)| house.write(&format!("own/{name}"), bytes));
    house
}

fn letters() -> Idx {
    Idx { transposed: true, first_label: 1, classes: Some(27), ..Idx::in_directory("own") }
}

#[test]
fn images_stored_by_columns_are_turned_upright() {
    let house = house(&[1, 26]);
    let source = Source::Idx(letters());
    let read = open(&source, &house.search_paths()).unwrap();
    assert_eq!((read.train.shape, read.train.classes), ((1, 3, 2), 27));
    assert_eq!(read.train.image(0), [1, 4, 2, 5, 3, 6]);
    assert_eq!(read.test.image(1), [11, 14, 12, 15, 13, 16]);
    assert_eq!(read.train.labels, [1, 26]);
    assert_eq!(geometry(&source, &house.search_paths()).unwrap(), Geometry { shape: (1, 3, 2), classes: 27 });
    let lying = Source::Idx(Idx { transposed: false, ..letters() });
    assert_ne!(digest(&source, &house.search_paths()).unwrap(), digest(&lying, &house.search_paths()).unwrap());
    let text = house.error(&Source::Idx(Idx { size: Some((2, 3)), ..letters() }));
    assert!(text.contains("expected 2x3, got 3x2"), "{text}");
}

#[test]
fn a_label_of_no_letter_is_an_error() {
    for (labels, words) in [([1, 0], ["label 1", "a label of at least 1", "got 0"]), ([27, 1], ["label 0", "a label below 27", "got 27"])] {
        let text = house(&labels).error(&Source::Idx(letters()));
        assert!(words.iter().all(|word| text.contains(word)) && text.contains("train-labels"), "{text}");
    }
    let text = house(&[1, 2]).error(&Source::Idx(Idx { first_label: 30, ..letters() }));
    assert!(text.contains("`first-label`") && text.contains("below `classes`, 27"), "{text}");
}

#[test]
fn the_known_set_is_transposed_with_labels_from_1_on_27_outputs() {
    let Source::Idx(idx) = Source::named("emnist-letters").unwrap() else { panic!("another format") };
    assert!(idx.transposed && idx.first_label == 1 && idx.classes == Some(27) && idx.size == Some((28, 28)));
    let house = House::new();
    let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    for (file, index) in known("emnist-letters").unwrap().files.iter().zip(0..) {
        // One image of 28x28, its second stored byte set, or its label.
        let bytes = match index % 2 {
            0 => [header(&[0x0803, 1, 28, 28]), vec![0, 200], vec![0; 782]].concat(),
            _ => [header(&[0x0801, 1]), vec![26]].concat(),
        };
        house.write(&format!("emnist-letters/gzip/{}.gz", file.name), &gzip(&bytes));
    }
    let letters = open(&Source::named("emnist-letters").unwrap(), &house.search_paths()).unwrap();
    assert_eq!((letters.train.image(0)[1], letters.train.image(0)[28]), (0, 200));
    assert_eq!((letters.test.labels[0], letters.test.classes), (26, 27));
    let text = House::new().error(&Source::named("emnist-letters").unwrap());
    assert!(text.contains("`onebasin data fetch emnist-letters`") && text.contains("562 MB"), "{text}");
}
