//! Subsets: sizes, orders, parts, and what is wrong with them.

use super::*;

fn labels() -> Vec<u8> {
    // 60 of class 0, 30 of class 1, 10 of class 3.
    [vec![0; 60], vec![1; 30], vec![3; 10]].concat()
}

fn other() -> Stream {
    Stream::root(9)
}

fn histogram(labels: &[u8], indices: &[u32]) -> [usize; 4] {
    let mut counts = [0; 4];
    indices.iter().for_each(|&index| counts[usize::from(labels[index as usize])] += 1);
    counts
}

#[test]
fn a_stratified_subset_keeps_the_proportions() {
    let labels = labels();
    let stream = Stream::root(1).child("subset");
    let indices = Subset::share(0.5).stratified().indices(&labels, &stream, &other()).unwrap();
    assert_eq!(histogram(&labels, &indices), [30, 15, 0, 5]);
    // 7 of 100: 4.2, 2.1 and 0.7 images; the largest remainder is class 3's.
    let indices = Subset::count(7).stratified().indices(&labels, &stream, &other()).unwrap();
    assert_eq!(histogram(&labels, &indices), [4, 2, 0, 1]);
    assert!(indices.is_sorted_by(|left, right| left < right));
}

#[test]
fn a_smaller_subset_of_one_stream_is_part_of_a_larger_one_and_another_stream_chooses_others() {
    let labels = labels();
    let stream = Stream::root(1).child("subset");
    let small = Subset::count(10).indices(&labels, &stream, &other()).unwrap();
    let large = Subset::share(0.4).indices(&labels, &stream, &other()).unwrap();
    assert_eq!((small.len(), large.len()), (10, 40));
    assert!(small.iter().all(|index| large.contains(index)));
    assert_ne!(small, Subset::count(10).indices(&labels, &Stream::root(2), &other()).unwrap());
    assert_eq!(small, Subset::count(10).indices(&labels, &stream, &other()).unwrap());
}

#[test]
fn a_subset_out_of_range_says_which_key_and_which_value() {
    for (subset, words) in [
        (Subset::share(0.0), ["`subset.share`", "`0`"]),
        (Subset::share(1.5), ["at most 1", "`1.5`"]),
        (Subset::share(f64::NAN), ["`subset.share`", "`NaN`"]),
        (Subset::count(0), ["`subset.count`", "whole number from 1, got `0`"]),
        (Subset::count(101), ["from 1 to 100", "`101`"]),
        (Subset::default().stratified(), ["`share`, `count` or `parts`", "`neither`"]),
        (Subset { count: Some(3), ..Subset::share(0.5) }, ["one of `share`, `count` and `parts`", "got `share` beside `count`"]),
        (Subset { parts: vec![SubsetPart::default()], ..Subset::count(3) }, ["one of", "got `count` beside `parts`"]),
        (of(&[SubsetPart { from: 0.5, to: 0.5, ..SubsetPart::default() }]), ["`from` below `to`", "0.5 and 0.5"]),
        (of(&[SubsetPart { from: f64::NAN, ..SubsetPart::default() }]), ["`from` below `to`", "NaN"]),
        (of(&[SubsetPart { labels: Some(vec![2]), ..SubsetPart::default() }]), ["parts with images", "none by part 0"]),
        (of(&[SubsetPart { except: Some(vec![1]), ..labelled(&[0]) }]), ["`labels` or `except`", "`both`"]),
        (of(&[labelled(&[0]), SubsetPart::default()]), ["parts without common images", "part 1"]),
        (of(&[labelled(&[0])]).stratified(), ["`subset.stratified`", "`parts`"]),
    ] {
        let text = subset.indices(&labels(), &Stream::root(1), &other()).unwrap_err().to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

fn of(parts: &[SubsetPart]) -> Subset {
    Subset::parts(parts.to_vec(), Order::Shared)
}

fn labelled(labels: &[u8]) -> SubsetPart {
    SubsetPart { labels: Some(labels.to_vec()), ..SubsetPart::default() }
}

#[test]
fn two_models_share_the_images_out_by_label_and_place() {
    let labels = labels();
    // A fifth of class 0 and the rest of the others, and the other way round: disjoint, and all there is.
    let few = |part: SubsetPart| SubsetPart { to: 0.2, ..part };
    let most = |part: SubsetPart| SubsetPart { from: 0.2, ..part };
    let others = || SubsetPart { except: Some(vec![0]), ..SubsetPart::default() };
    let own = |seed: u64| Stream::root(seed);
    let a = of(&[few(labelled(&[0])), most(others())]).indices(&labels, &own(1), &other()).unwrap();
    let b = of(&[few(others()), most(labelled(&[0]))]).indices(&labels, &own(2), &other()).unwrap();
    assert_eq!((histogram(&labels, &a)[0], a.len()), (12, 12 + 32));
    assert_eq!((histogram(&labels, &b)[0], b.len()), (48, 48 + 8));
    let mut together = [a.clone(), b].concat();
    together.sort_unstable();
    assert_eq!(together, (0..100).collect::<Vec<u32>>());
    // Drawn for each model, the same parts have images in common.
    let drawn = |seed, part| Subset::parts(vec![part], Order::Drawn).indices(&labels, &own(seed), &other()).unwrap();
    let (first, rest) = (drawn(1, few(labelled(&[0]))), drawn(2, most(labelled(&[0]))));
    assert!(first.iter().any(|image| rest.contains(image)));
    assert_ne!(a, of(&[few(labelled(&[0])), most(others())]).indices(&labels, &own(1), &own(3)).unwrap());
}

#[test]
fn parts_that_cannot_be_are_told_before_any_label_is_read() {
    let from = |from: f64, part: SubsetPart| SubsetPart { from, ..part };
    let except = |labels: &[u8]| SubsetPart { except: Some(labels.to_vec()), ..SubsetPart::default() };
    for (parts, words) in [
        (vec![labelled(&[12])], "12 in part 0"),
        (vec![labelled(&[])], "got no label in part 0"),
        (vec![labelled(&[0]), except(&[0, 1, 2, 3])], "every label in `except` of part 1"),
        (vec![labelled(&[1, 2]), labelled(&[2, 3])], "parts 0 and 1"),
        (vec![labelled(&[1]), SubsetPart::default()], "parts 0 and 1"),
        (vec![SubsetPart { to: 0.5, ..labelled(&[1]) }, labelled(&[0]), from(0.4, labelled(&[1]))], "parts 0 and 2"),
    ] {
        let error = of(&parts).check_labels(4).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let half = SubsetPart { to: 0.5, ..labelled(&[1]) };
    of(&[half, from(0.5, labelled(&[1])), except(&[1])]).check_labels(4).unwrap();
}

#[test]
fn parts_by_number_meet_at_an_image_and_say_when_there_are_too_few() {
    let ends = |skip: Option<usize>, count: Option<usize>| SubsetPart { skip, count, ..labelled(&[1]) };
    let indices = |part: SubsetPart| Subset::parts(vec![part], Order::File).indices(&labels(), &other(), &other());
    assert_eq!(indices(ends(None, Some(4))).unwrap(), [60, 61, 62, 63]);
    assert_eq!(indices(ends(Some(28), None)).unwrap(), [88, 89]);
    assert_eq!(indices(ends(Some(2), Some(2))).unwrap(), [62, 63]);
    for (part, words) in [
        (ends(None, Some(31)), ["as many images as `count` says", "30 by part 0"]),
        (ends(Some(30), None), ["parts with images", "none by part 0"]),
        (ends(None, Some(0)), ["`count` from 1", "`0`"]),
        (SubsetPart { to: 0.5, ..ends(None, Some(1)) }, ["a share or a number", "`both`"]),
        (SubsetPart { from: 0.5, ..ends(Some(1), None) }, ["a share or a number", "`both`"]),
    ] {
        let text = indices(part).unwrap_err().to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn the_order_of_the_file_takes_images_as_they_are_stored() {
    let first = Subset::parts(vec![SubsetPart { to: 0.1, ..SubsetPart::default() }], Order::File);
    assert_eq!(first.indices(&labels(), &other(), &other()).unwrap(), (0..10).collect::<Vec<u32>>());
    assert_eq!((first.size(100).unwrap(), of(&[labelled(&[0])]).size(100).unwrap()), (Some(10), None));
    let head = Subset { order: Order::File, ..Subset::count(3) };
    assert_eq!(head.indices(&labels(), &other(), &other()).unwrap(), [0, 1, 2]);
}

#[test]
fn unknown_keys_are_errors_and_the_written_form_is_read_back() {
    assert!(serde_json::from_str::<Subset>(r#"{"share": 0.5, "seed": 3}"#).unwrap_err().to_string().contains("`seed`"));
    let subset = Subset::count(7).stratified();
    let text = serde_json::to_string(&subset).unwrap();
    assert_eq!(text, r#"{"count":7,"stratified":true}"#);
    assert_eq!(serde_json::from_str::<Subset>(&text).unwrap(), subset);
    let subset = of(&[SubsetPart { to: 0.5, ..labelled(&[1]) }]);
    let text = serde_json::to_string(&subset).unwrap();
    assert_eq!(serde_json::from_str::<Subset>(&text).unwrap(), subset, "{text}");
}
