//! Folders of pictures.

use std::path::Path;

use onebasin_datasets::{Class, DatasetError, Folder, Geometry, Normalisation, Source, classes, digest, geometry, open};
use png::{BitDepth, ColorType};

use crate::house::{House, gzip};

/// Twenty more in red from column to column, in green from row to row; 8 rows of 16.
const SLOPE: &[u8] = include_bytes!("pictures/slope.jpg");
/// The same colours, half as many of them stored, in several passes.
const PROGRESSIVE: &[u8] = include_bytes!("pictures/progressive.jpg");
const GREY: &[u8] = include_bytes!("pictures/grey.jpg");
/// Four inks.
const PRINT: &[u8] = include_bytes!("pictures/print.jpg");

fn png(width: u32, height: u32, colours: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colours);
    encoder.set_depth(depth);
    if colours == ColorType::Indexed {
        encoder.set_palette(vec![10, 20, 30, 40, 50, 60]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Two pixels side by side.
fn rgb(data: [u8; 6]) -> Vec<u8> {
    png(2, 1, ColorType::Rgb, BitDepth::Eight, &data)
}

fn grey(data: [u8; 2]) -> Vec<u8> {
    png(2, 1, ColorType::Grayscale, BitDepth::Eight, &data)
}

/// Two classes; `train` has three pictures, `test` one.
fn house() -> House {
    let house = House::new();
    house.write("own/train/dog/10.png", &rgb([1, 2, 3, 4, 5, 6]));
    house.write("own/train/cat/2.PNG", &rgb([21, 22, 23, 24, 25, 26]));
    house.write("own/train/cat/10.png", &rgb([11, 12, 13, 14, 15, 16]));
    house.write("own/test/dog/1.png", &rgb([31, 32, 33, 34, 35, 36]));
    house.write("own/train/.hidden", b"");
    house.write("own/train/cat/.thumbnail", b"");
    house.write("own/train/README", b"words");
    house
}

fn own() -> Folder {
    Folder::in_directory("own")
}

fn error(house: &House, folder: Folder) -> String {
    house.error(&Source::Folder(folder))
}

#[test]
fn classes_and_files_come_in_the_order_of_their_names() {
    let house = house();
    let source = Source::Folder(own());
    assert_eq!(geometry(&source, &house.search_paths()).unwrap(), Geometry { shape: (3, 1, 2), classes: 2 });
    let read = open(&source, &house.search_paths()).unwrap();
    assert_eq!((read.name.as_str(), read.train.shape, read.train.classes), ("own", (3, 1, 2), 2));
    // cat/10, cat/2, dog/10: bytes decide, not numbers.
    assert_eq!(read.train.labels, [0, 0, 1]);
    assert_eq!(read.train.pixels, [11, 14, 12, 15, 13, 16, 21, 24, 22, 25, 23, 26, 1, 4, 2, 5, 3, 6]);
    assert_eq!((read.test.labels.as_slice(), read.test.image(0)), (&[1][..], &[31, 34, 32, 35, 33, 36][..]));
    assert!((read.normalisation.mean[0] - 12.5 / 255.0).abs() < 1e-7, "{:?}", read.normalisation);
}

#[test]
fn every_usual_coding_of_the_same_colours_gives_the_same_image() {
    let channels = |bytes: &[u8], folder: Folder| {
        let house = house();
        house.write("own/train/cat/10.png", bytes);
        open(&Source::Folder(folder), &house.search_paths()).map(|read| read.train.image(0).to_vec())
    };
    for bytes in [
        png(2, 1, ColorType::Rgba, BitDepth::Eight, &[10, 20, 30, 255, 40, 50, 60, 255]),
        png(2, 1, ColorType::Indexed, BitDepth::Eight, &[0, 1]),
        // Two pixels of one bit.
        png(2, 1, ColorType::Indexed, BitDepth::One, &[0b0100_0000]),
    ] {
        assert_eq!(channels(&bytes, own()).unwrap(), [10, 40, 20, 50, 30, 60]);
    }
    // Grey among colours has three equal channels.
    for bytes in [grey([7, 255]), png(2, 1, ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 255, 255, 255])] {
        let house = house();
        house.write("own/train/cat/2.PNG", &bytes);
        let read = open(&Source::Folder(own()), &house.search_paths()).unwrap();
        assert_eq!(read.train.image(1), [7, 255, 7, 255, 7, 255]);
    }
}

#[test]
fn grey_pictures_have_one_channel_and_the_key_decides() {
    let house = House::new();
    for (class, pixels) in [("a", [1, 2]), ("b", [3, 4])] {
        house.write(&format!("own/train/{class}/x.png"), &grey(pixels));
        // Equal channels are grey.
        house.write(&format!("own/test/{class}/x.png"), &rgb([9, 9, 9, 8, 8, 8]));
    }
    let read = open(&Source::Folder(own()), &house.search_paths()).unwrap();
    assert_eq!((read.train.shape, read.train.pixels.as_slice(), read.test.image(0)), ((1, 1, 2), &[1, 2, 3, 4][..], &[9, 8][..]));
    let three = Source::Folder(Folder { channels: Some(3), ..own() });
    assert_eq!(geometry(&three, &house.search_paths()).unwrap().shape, (3, 1, 2));
    assert_eq!(open(&three, &house.search_paths()).unwrap().train.image(1), [3, 4, 3, 4, 3, 4]);
    house.write("own/test/b/x.png", &rgb([9, 9, 9, 8, 8, 7]));
    let text = error(&house, own());
    assert!(text.contains("own/test/b/x.png`: colours") && text.contains("`channels = 3`") && text.contains("got coloured"), "{text}");
}

#[test]
fn jpeg_pictures_are_read_in_colour_and_grey_in_one_pass_or_several() {
    let house = House::new();
    for class in ["a", "b"] {
        house.write(&format!("own/train/{class}/1.jpg"), SLOPE);
        house.write(&format!("own/train/{class}/2.jpeg"), PROGRESSIVE);
        house.write(&format!("own/test/{class}/1.JPG"), GREY);
    }
    let read = open(&Source::Folder(own()), &house.search_paths()).unwrap();
    assert_eq!(read.train.shape, (3, 8, 16));
    for (index, tolerance) in [(0, 4), (1, 14)] {
        for (place, &value) in read.train.image(index).iter().enumerate() {
            let (channel, row, column) = (place / 128, place / 16 % 8, place % 16);
            let expected = [column * 12 + 20, row * 20 + 30, 200 - column * 8][channel];
            assert!(expected.abs_diff(usize::from(value)) <= tolerance, "{index} {place}: {expected} and {value}");
        }
    }
    for (place, &value) in read.test.image(0).iter().enumerate() {
        assert!((place % 16 * 12 + 20).abs_diff(usize::from(value)) <= 4, "{place}: {value}");
    }
}

#[test]
fn the_digest_names_pixels_whatever_the_coding() {
    let (first, second) = (house(), house());
    // Stored otherwise, under other names in the same order.
    std::fs::remove_file(second.path("own/train/cat/10.png")).unwrap();
    second.write("own/train/cat/1.png", &png(2, 1, ColorType::Rgba, BitDepth::Eight, &[11, 12, 13, 255, 14, 15, 16, 255]));
    let name = |house: &House, folder: Folder| digest(&Source::Folder(folder), &house.search_paths()).unwrap();
    assert_eq!(name(&first, own()), name(&second, own()));
    let grey = Normalisation { mean: vec![0.5; 3], deviation: vec![0.25; 3] };
    assert_ne!(name(&first, own()), name(&first, Folder { normalisation: Some(grey), ..own() }));
    second.write("own/train/cat/1.png", &rgb([11, 12, 13, 14, 15, 17]));
    assert_ne!(name(&first, own()), name(&second, own()));
}

#[test]
fn every_defect_names_the_file_and_what_was_expected() {
    let whole = rgb([1; 6]);
    let mut flipped = whole.clone();
    let middle = whole.len() - 20;
    flipped[middle] ^= 0x40;
    let cases: [(&str, Vec<u8>, [&str; 2]); 15] = [
        ("train/cat/10.png", whole[..whole.len() - 14].to_vec(), ["picture: expected one complete PNG", "truncated or damaged"]),
        ("train/cat/10.png", whole[..20].to_vec(), ["picture: expected one complete PNG", "truncated or damaged"]),
        ("train/cat/10.png", flipped, ["picture: expected one complete PNG", "truncated or damaged"]),
        ("train/cat/10.png", Vec::new(), ["kind of file: expected a PNG or JPEG picture", "an empty file"]),
        ("train/cat/10.png", b"words".to_vec(), ["kind of file: expected a PNG or JPEG picture", "neither of them"]),
        ("train/cat/20.jpg", SLOPE[..SLOPE.len() / 2].to_vec(), ["picture: expected one complete JPEG", "truncated or damaged"]),
        ("train/cat/20.jpg", PRINT.to_vec(), ["colours: expected 8 bits per channel", "got 4 channels"]),
        ("train/dog/20.jpg", SLOPE.to_vec(), ["size of the picture: expected 1x2, as in `", "got 8x16"]),
        ("test/dog/2.png", png(1, 2, ColorType::Grayscale, BitDepth::Eight, &[1, 2]), ["expected 1x2, as in `", "got 2x1"]),
        (
            "train/cat/10.png",
            png(2, 1, ColorType::Grayscale, BitDepth::Sixteen, &[0; 4]),
            ["8 bits per channel", "got 16 bits per channel"],
        ),
        ("train/cat/10.png", png(2, 1, ColorType::Rgba, BitDepth::Eight, &[9; 8]), ["grey or RGB, opaque", "got transparent pixels"]),
        ("train/stray.png", whole.clone(), ["place of the picture: expected the folder of a class", "move it"]),
        ("train/cat/notes.txt", b"words".to_vec(), ["entry of a class folder: expected a picture in .png, .jpg or .jpeg", "another file"]),
        ("train/cat/more/1.png", whole.clone(), ["entry of a class folder", "got a folder"]),
        ("test/horse/1.png", whole.clone(), ["class: expected one of the 2 of training", "misspelt"]),
    ];
    for (file, bytes, words) in cases {
        let house = house();
        house.write(&format!("own/{file}"), &bytes);
        let text = error(&house, own());
        let path = house.path("own").join(if file.contains("more") || file.contains("horse") {
            Path::new(file).parent().unwrap()
        } else {
            Path::new(file)
        });
        assert!(text.contains(&format!("`{}`", path.display())) && text.contains("\nhint: "), "{file}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
}

#[test]
fn folders_that_hold_no_data_set_say_what_is_missing() {
    let text = error(&House::new(), own());
    assert!(text.contains("no such folder") && text.contains("train/CLASS/"), "{text}");
    let house = House::new();
    house.write("own/train/cat/1.png", &rgb([1; 6]));
    assert!(error(&house, own()).contains("no folder `test`"));
    house.write("own/test/cat/1.png", &rgb([1; 6]));
    assert!(error(&house, own()).contains("number of class folders: expected from 2 to 256, got 1"));
    std::fs::create_dir_all(house.path("own/train/dog")).unwrap();
    let text = error(&house, own());
    assert!(text.contains("own/train/dog`: class folder: expected at least one picture, got none"), "{text}");
    std::fs::remove_dir_all(house.path("own/test/cat")).unwrap();
    house.write("own/train/dog/1.png", &rgb([1; 6]));
    assert!(error(&house, own()).contains("at least one class folder with pictures"));
    let text = error(&house, Folder { channels: Some(2), ..own() });
    assert!(text.contains("`channels`") && text.contains("1 or 3"), "{text}");
    let one = Normalisation { mean: vec![0.5], deviation: vec![0.5] };
    house.write("own/test/cat/1.png", &rgb([1; 6]));
    assert!(error(&house, Folder { normalisation: Some(one), ..own() }).contains("3 means and 3 deviations"));
    let text = error(&house, Folder { size: Some((32, 32)), ..own() });
    assert!(text.contains("expected 32x32, as in") && text.contains("key `size`"), "{text}");
}

#[test]
fn a_table_is_read_with_its_defaults_and_written_back() {
    let read = |text: &str| serde_json::from_str::<Source>(text);
    let source = read(r#"{"format": "folder", "directory": "own"}"#).unwrap();
    assert_eq!(source, Source::Folder(own()));
    assert_eq!(read(&serde_json::to_string(&source).unwrap()).unwrap(), source);
    assert!(read(r#"{"format": "folder", "directory": "own", "classes": 3}"#).unwrap_err().to_string().contains("`classes`"));
}

#[test]
fn a_picture_is_read_by_what_it_holds_whatever_its_name_says() {
    let house = house();
    house.write("own/train/cat/10.png", SLOPE);
    house.write("own/train/cat/2.PNG", SLOPE);
    house.write("own/train/dog/10.png", SLOPE);
    house.write("own/test/dog/1.png", PROGRESSIVE);
    let read = open(&Source::Folder(own()), &house.search_paths()).unwrap();
    assert_eq!((read.train.shape, read.train.len()), ((3, 8, 16), 3));
}

#[test]
fn what_systems_leave_behind_is_passed_over() {
    let (plain, house) = (house(), house());
    for file in [
        "train/cat/Thumbs.db",
        "train/dog/desktop.ini",
        "test/dog/@eaDir/1.png/thumb.jpg",
        "train/__MACOSX/._1.png",
        "train/lost+found/1.png",
        "test/System Volume Information/x",
    ] {
        house.write(&format!("own/{file}"), b"x");
    }
    let read = |house: &House| open(&Source::Folder(own()), &house.search_paths()).unwrap();
    assert_eq!(read(&house), read(&plain));
    assert_eq!(geometry(&Source::Folder(own()), &house.search_paths()).unwrap().classes, 2);
}

#[test]
fn everything_that_cannot_be_used_is_in_one_message() {
    let house = house();
    house.write("own/train/cat/3.png", &gzip(b"x"));
    house.write("own/train/cat/notes.txt", b"words");
    house.write("own/train/dog/4.jpg", PRINT);
    house.write("own/test/dog/5.jpg", SLOPE);
    house.write("own/test/horse/1.png", &rgb([1; 6]));
    for error in [
        open(&Source::Folder(own()), &house.search_paths()).unwrap_err(),
        digest(&Source::Folder(own()), &house.search_paths()).unwrap_err(),
        geometry(&Source::Folder(own()), &house.search_paths()).unwrap_err(),
    ] {
        let text = error.to_string();
        for words in [
            "own`: 5 things cannot be used\n",
            "  `train/cat/3.png`: kind of file: expected a PNG or JPEG picture, got a gzip stream\n",
            "  `train/cat/notes.txt`: entry of a class folder",
            "  `train/dog/4.jpg`: colours",
            "  `test/dog/5.jpg`: size of the picture: expected 1x2",
            "  `test/horse`: class",
            "\nhint: ",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    (0..25).for_each(|index| house.write(&format!("own/train/dog/more-{index}.png"), b"words"));
    let text = error(&house, own());
    assert!(text.contains("30 things") && text.contains("\n  and 10 more\n"), "{text}");
    assert_eq!(text.lines().count(), 23, "{text}");
}

#[test]
fn constants_that_do_not_fit_the_pictures_are_found_before_all_of_them_are_read() {
    for (mean, deviation) in [(vec![0.5], vec![0.5]), (vec![0.5; 3], vec![0.5, 0.5, 0.0]), (vec![f32::NAN; 3], vec![0.5; 3])] {
        let wrong = Folder { normalisation: Some(Normalisation { mean, deviation }), ..own() };
        let error = geometry(&Source::Folder(wrong), &house().search_paths()).unwrap_err();
        assert!(matches!(error, DatasetError::Setting { key: "normalisation", .. }), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_broken_links_are_named_at_once() {
    let house = house();
    crate::house::pipe(&house.path("own/train/cat/9.png"));
    std::os::unix::fs::symlink("nowhere", house.path("own/test/dog/z.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", house.path("own/train/horse")).unwrap();
    let text = error(&house, own());
    for words in ["`train/cat/9.png`: entry of a class folder", "got a pipe", "z.png`", "got a broken link (", "`train/horse`"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_header_that_claims_a_huge_picture_is_refused_before_there_is_room_for_it() {
    let claims = |width: u32, height: u32| {
        let mut bytes = rgb([1; 6]);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        bytes
    };
    for (width, height) in [(6, u32::MAX), (60_000, 60_000), (u32::MAX, u32::MAX), (0, 5)] {
        let house = house();
        house.write("own/train/cat/2.PNG", &claims(width, height));
        let text = error(&house, own());
        assert!(text.contains(&format!("expected from 1x1 to 8192x8192, got {height}x{width}")), "{text}");
        // The first picture too.
        house.write("own/train/cat/10.png", &claims(width, height));
        assert!(error(&house, own()).contains("2 things"));
    }
    let text = error(&house(), Folder { size: Some((3, 1 << 40)), ..own() });
    assert!(text.contains("`size`") && text.contains("8192"), "{text}");
}

#[test]
fn classes_are_told_with_their_folders_and_counts() {
    let house = house();
    for class in ["10", "9"] {
        house.write(&format!("own/train/{class}/1.png"), &rgb([1; 6]));
        house.write(&format!("own/train/{class}/2.png"), &rgb([2; 6]));
    }
    std::fs::create_dir_all(house.path("own/test/9")).unwrap();
    let class = |label, folder: &str, train, test| Class { label, folder: folder.to_owned(), train, test };
    // Neither an absent folder nor an empty one has test pictures.
    let expected = [class(0, "10", 2, 0), class(1, "9", 2, 0), class(2, "cat", 2, 0), class(3, "dog", 1, 1)];
    assert_eq!(classes(&Source::Folder(own()), &house.search_paths()).unwrap(), expected);
    let read = open(&Source::Folder(own()), &house.search_paths()).unwrap();
    assert_eq!((read.train.class_counts(), read.test.class_counts()), (vec![2, 2, 2, 1], vec![0, 0, 0, 1]));
    assert_eq!(classes(&Source::named("glyphs").unwrap(), &house.search_paths()).unwrap(), []);
}
