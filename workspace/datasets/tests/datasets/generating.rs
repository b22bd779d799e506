use onebasin_datasets::{Geometry, Glyphs, SearchPaths, Source, Split, digest, geometry, open};
use onebasin_repro::Fingerprint;

fn search_paths() -> SearchPaths {
    SearchPaths::offline([], std::env::temp_dir().join("onebasin-no-such-folder"))
}

fn small() -> Glyphs {
    Glyphs { train: 60, test: 20, ..Glyphs::default() }
}

fn drawn(glyphs: &Glyphs) -> (Split, Split) {
    let dataset = open(&Source::Glyphs(glyphs.clone()), &search_paths()).unwrap();
    (dataset.train, dataset.test)
}

fn bytes(split: &Split) -> String {
    Fingerprint::of_bytes(&[&split.pixels[..], &split.labels].concat()).short()
}

#[test]
fn the_pictures_are_frozen() {
    let grey = drawn(&Glyphs { classes: 36, ..small() });
    let colour = drawn(&Glyphs { colour: true, seed: 9, difficulty: 2.0, ..small() });
    let clean = drawn(&Glyphs { size: Some(40), difficulty: 0.0, ..small() });
    let found: Vec<String> = [grey, colour, clean].iter().flat_map(|(train, test)| [bytes(train), bytes(test)]).collect();
    // A change here changes every result on glyphs: raise the generator's version with it.
    assert_eq!(found, FROZEN);
}
const FROZEN: [&str; 6] = ["cfff53ac7eec", "d311efd70014", "95ce05718930", "3d8eb015db9e", "b6ceb81936f4", "142df1f2d687"];

#[test]
fn a_picture_does_not_depend_on_how_many_there_are_or_on_threads() {
    let (few, test) = drawn(&small());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (many, other_test) = pool.install(|| drawn(&Glyphs { train: 333, ..small() }));
    assert_eq!(few.pixels, many.pixels[..few.pixels.len()]);
    assert_eq!(few.labels, many.labels[..few.len()]);
    assert_eq!(test, other_test);
    assert_ne!(few.image(0), test.image(0));
}

#[test]
fn every_run_of_images_holds_each_class_once() {
    let (train, _) = drawn(&Glyphs { classes: 36, train: 90, ..small() });
    let counts = train.select(&(0..72).collect::<Vec<_>>()).class_counts();
    assert_eq!(counts, [2; 36]);
    assert_ne!(train.labels[..36], train.labels[36..72]);
}

#[test]
fn the_digest_names_the_pictures_and_shape_needs_no_drawing() {
    let name = |glyphs: Glyphs| digest(&Source::Glyphs(glyphs), &search_paths()).unwrap();
    assert_eq!(name(small()), name(Glyphs { size: Some(28), ..small() }));
    let others = [
        Glyphs { seed: 1, ..small() },
        Glyphs { train: 61, ..small() },
        Glyphs { test: 21, ..small() },
        Glyphs { classes: 11, ..small() },
        Glyphs { colour: true, ..small() },
        Glyphs { difficulty: 0.5, ..small() },
    ];
    others.into_iter().for_each(|other| assert_ne!(name(small()), name(other)));
    let colour = Source::Glyphs(Glyphs { colour: true, classes: 36, ..small() });
    assert_eq!(geometry(&colour, &search_paths()).unwrap(), Geometry { shape: (3, 32, 32), classes: 36 });
    assert_eq!(open(&colour, &search_paths()).unwrap().train.shape, (3, 32, 32));
}

/// Images whose nearest training image, by squared distance, is of their class.
fn read_by_nearest_neighbour(glyphs: &Glyphs) -> f64 {
    let (train, test) = drawn(glyphs);
    let distance = |a: &[u8], b: &[u8]| -> u64 { a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum() };
    let right = (0..test.len())
        .filter(|&i| {
            let nearest = (0..train.len()).min_by_key(|&j| distance(test.image(i), train.image(j))).unwrap();
            train.labels[nearest] == test.labels[i]
        })
        .count();
    right as f64 / test.len() as f64
}

#[test]
fn glyphs_can_be_told_apart_but_not_by_a_simple_rule_and_difficulty_tells() {
    let glyphs = Glyphs { train: 2000, test: 300, ..Glyphs::default() };
    let [clean, usual, hard] = [0.0, 1.0, 2.0].map(|difficulty| read_by_nearest_neighbour(&Glyphs { difficulty, ..glyphs.clone() }));
    assert!(clean > 0.98, "{clean}");
    assert!((0.55..0.93).contains(&usual), "{usual}");
    assert!((0.12..usual - 0.1).contains(&hard), "{hard}");
}

#[test]
fn a_setting_out_of_range_names_key_value_and_range() {
    for (glyphs, words) in [
        (Glyphs { classes: 37, ..small() }, ["`classes`", "from 2 to 36", "`37`"]),
        (Glyphs { train: 0, ..small() }, ["`train`", "from 1 to", "`0`"]),
        (Glyphs { size: Some(4), ..small() }, ["`size`", "from 12 to 128", "`4`"]),
        (Glyphs { difficulty: -1.0, ..small() }, ["`difficulty`", "from 0 to 2", "`-1`"]),
        (Glyphs { difficulty: f64::NAN, ..small() }, ["`difficulty`", "from 0 to 2", "`NaN`"]),
    ] {
        let source = Source::Glyphs(glyphs);
        let errors = [
            open(&source, &search_paths()).unwrap_err().to_string(),
            digest(&source, &search_paths()).unwrap_err().to_string(),
            geometry(&source, &search_paths()).unwrap_err().to_string(),
        ];
        for text in errors {
            assert!(words.iter().all(|word| text.contains(word)) && text.contains("hint: "), "{text}");
        }
    }
}
