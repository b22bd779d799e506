//! Files that are damaged, or something else than their names say.

use onebasin_datasets::{Idx, Source, digest, open};

use crate::house::{House, gzip, xz};
use crate::reading::{NAMES, contents, house_with, images, labels, source};

#[test]
fn every_defect_of_a_file_says_where_what_was_expected_and_what_came() {
    let cut = |bytes: &[u8], length: usize| bytes[..length].to_vec();
    let [train, train_labels, ..] = contents();
    let mut magic = train.clone();
    magic[2] = 0x0d;
    let longer = [train.clone(), vec![1, 2]].concat();
    let cases: Vec<(usize, Vec<u8>, [&str; 3])> = vec![
        (0, cut(&train, 33), ["truncated file", "expected 34 bytes", "got 33 bytes"]),
        (0, cut(&train, 9), ["header", "expected 16 bytes", "got 9 bytes"]),
        (0, vec![], ["header", "expected 16 bytes", "got 0 bytes"]),
        (0, longer, ["trailing bytes", "expected 34 bytes", "got more"]),
        (0, magic, ["magic number", "0x00000803", "0x00000d03"]),
        (0, train_labels.clone(), ["header", "expected 16 bytes", "got 11 bytes"]),
        (1, train.clone(), ["magic number", "0x00000801", "images where labels are expected"]),
        (1, cut(&train_labels, 10), ["truncated file", "expected 11 bytes", "got 10 bytes"]),
        (1, labels(&[2, 0]), ["number of labels", "expected 3, as many as images in", "got 2"]),
        (1, labels(&[2, 0, 3]), ["label 2", "expected a label below 3", "set key `classes` to at least 4"]),
        (0, images(0, 2, 3, 0), ["header", "at least one image", "0 images of 2x3"]),
        (0, images(3, 0, 3, 0), ["header", "at least one pixel", "3 images of 0x3"]),
        // A header that announces more than any memory holds.
        (0, [&[0, 0, 8, 3][..], &[255; 12]].concat(), ["header", "at most 8192x8192 pixels", "got 4294967295x4294967295"]),
        (2, images(2, 3, 2, 0), ["size of the images", "expected 2x3, as in", "got 3x2"]),
    ];
    for (index, bytes, words) in cases {
        let house = house_with("own");
        house.write(&format!("own/{}", NAMES[index]), &bytes);
        let text = house.error(&source("own"));
        let path = house.path(&format!("own/{}", NAMES[index]));
        assert!(text.contains(&format!("`{}`", path.display())) && text.contains("\nhint: "), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
}

#[test]
fn a_damaged_compressed_file_is_named() {
    let packed = gzip(&images(3, 2, 3, 0));
    let trailing = [packed.clone(), b"rubbish".to_vec()].concat();
    for bytes in [packed[..packed.len() - 9].to_vec(), packed[..5].to_vec(), b"no gzip".to_vec(), trailing] {
        let house = house_with("own");
        std::fs::remove_file(house.path(&format!("own/{}", NAMES[0]))).unwrap();
        house.write(&format!("own/{}.gz", NAMES[0]), &bytes);
        for error in [open(&source("own"), &house.search_paths()).unwrap_err(), digest(&source("own"), &house.search_paths()).unwrap_err()]
        {
            let text = error.to_string();
            assert!(text.contains("compressed content") && text.contains(NAMES[0]) && text.contains("fetch it again"), "{text}");
        }
    }
}

#[test]
fn a_file_that_is_something_else_is_named_as_what_it_is_with_the_command_that_helps() {
    let page = b"<!DOCTYPE html><html><body>Forbidden</body></html>\n".to_vec();
    let zipped = gzip(&images(3, 28, 28, 0));
    for (name, bytes, words) in [
        (format!("{}.gz", NAMES[0]), page.clone(), ["expected one complete gzip stream, got a web page", "`onebasin data fetch mnist`"]),
        (format!("{}.xz", NAMES[0]), page.clone(), ["expected one complete xz stream, got a web page", "`onebasin data fetch mnist`"]),
        (NAMES[0].to_owned(), page, ["expected 0x00000803, images, got a web page", "`onebasin data fetch mnist`"]),
        (NAMES[0].to_owned(), zipped.clone(), ["got a gzip stream", "decompress it once, or end its name with `.gz`"]),
        (format!("{}.gz", NAMES[0]), gzip(&zipped), ["got a gzip stream", "decompress it once"]),
        (format!("{}.gz", NAMES[0]), zipped[..30].to_vec(), ["truncated or damaged; remove it", "`onebasin data fetch mnist`"]),
    ] {
        let house = house_with("mnist");
        std::fs::remove_file(house.path(&format!("mnist/{}", NAMES[0]))).unwrap();
        house.write(&format!("mnist/{name}"), &bytes);
        let source = Source::named("mnist").unwrap();
        for error in [open(&source, &house.search_paths()).unwrap_err(), digest(&source, &house.search_paths()).unwrap_err()] {
            let text = error.to_string();
            assert!(words.iter().all(|word| text.contains(word)) && text.contains(&name), "{words:?}: {text}");
        }
    }
    let house = House::new();
    for batch in 1..=5 {
        house.write(&format!("cifar10/data_batch_{batch}.bin"), b"<html>");
    }
    house.write("cifar10/test_batch.bin", b"<html>");
    let text = house.error(&Source::named("cifar10").unwrap());
    assert!(text.contains("expected 30730000 bytes, got a web page of 6 bytes") && text.contains("data fetch cifar10"), "{text}");
}

#[test]
fn a_compressed_file_that_holds_more_than_its_header_announces_is_not_read_to_its_end() {
    // Twenty megabytes in a few kilobytes.
    let long = [images(3, 2, 3, 0), vec![0; 20_000_000]].concat();
    for (ending, packed) in [("gz", gzip(&long)), ("xz", xz(&long, false))] {
        let house = house_with("own");
        std::fs::remove_file(house.path(&format!("own/{}", NAMES[0]))).unwrap();
        house.write(&format!("own/{}.{ending}", NAMES[0]), &packed);
        for error in [open(&source("own"), &house.search_paths()).unwrap_err(), digest(&source("own"), &house.search_paths()).unwrap_err()]
        {
            let text = error.to_string();
            assert!(text.contains("trailing bytes: expected 34 bytes, got more") && text.contains(NAMES[0]), "{text}");
        }
        let copies = house.cache.path().join("unpacked");
        let kept: Vec<_> = copies.read_dir().into_iter().flatten().collect();
        assert!(kept.is_empty(), "{kept:?}");
    }
    // A header that does not fit the size asked for is refused before the body is read.
    let house = house_with("own");
    let wide = [0x0803u32, 1, 6000, 6000].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    std::fs::remove_file(house.path(&format!("own/{}", NAMES[0]))).unwrap();
    house.write(&format!("own/{}.gz", NAMES[0]), &gzip(&wide));
    let text = house.error(&Source::Idx(Idx { size: Some((2, 3)), classes: Some(3), ..Idx::in_directory("own") }));
    assert!(text.contains("size of the images: expected 2x3, got 6000x6000"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let house = house_with("own");
    let path = house.path(&format!("own/{}", NAMES[1]));
    std::fs::remove_file(&path).unwrap();
    crate::house::pipe(&path);
    assert!(house.error(&source("own")).contains(&format!("no `{}`", NAMES[1])));
    // Nor in the cache.
    let house = house_with("own");
    crate::house::pipe(&house.cache.path().join("digests.json"));
    assert!(digest(&source("own"), &house.search_paths()).is_ok());
}
