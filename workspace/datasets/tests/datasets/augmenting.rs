//! Augmentations as a training sees them.

use onebasin_datasets::{Augmentation, Flip, Glyphs, Rotate, Source, Split, Step, open};
use onebasin_repro::{Fingerprint, Stream};
use rayon::prelude::*;

use crate::house::House;

fn images() -> Split {
    let glyphs = Glyphs { train: 60, test: 1, colour: true, ..Glyphs::default() };
    open(&Source::Glyphs(glyphs), &House::new().search_paths()).unwrap().train
}

fn stream() -> Stream {
    Stream::root(42).child("augmentation")
}

fn each() -> [Augmentation; 3] {
    [Augmentation::CifarC2m3, Augmentation::CifarGitRebasin, Augmentation::CifarOtfusion]
}

fn epoch(augmentation: &Augmentation, split: &Split, epoch: usize) -> Vec<u8> {
    let indices: Vec<u32> = (0..split.len() as u32).collect();
    let mut out = vec![0; split.pixels.len()];
    augmentation.apply_batch(split, &indices, epoch, &stream(), &mut out);
    out
}

#[test]
fn bytes_depend_on_no_order_batch_or_thread() {
    let (split, length) = (images(), 3 * 32 * 32);
    for augmentation in each() {
        let whole = epoch(&augmentation, &split, 3);
        let of = |index: u32| &whole[index as usize * length..][..length];
        // Another order, batches of another size, on several threads.
        let order = stream().child("order").shuffled(split.len());
        order.par_chunks(7).for_each(|batch| {
            let mut out = vec![1; batch.len() * length];
            augmentation.apply_batch(&split, batch, 3, &stream(), &mut out);
            batch.iter().zip(out.chunks_exact(length)).for_each(|(&index, image)| assert!(image == of(index), "{augmentation:?} {index}"));
        });
        for index in [0, 17, 59] {
            let mut out = vec![2; length];
            augmentation.apply(&split, index, 3, &stream(), &mut out);
            assert!(out == of(index as u32));
        }
    }
}

#[test]
fn epochs_images_and_streams_draw_other_numbers() {
    let split = images();
    // The same picture sixty times.
    let same = split.select(&[5; 60]);
    for augmentation in each() {
        let (first, second) = (epoch(&augmentation, &same, 0), epoch(&augmentation, &same, 1));
        let mut distinct: Vec<&[u8]> = first.chunks_exact(3072).chain(second.chunks_exact(3072)).collect();
        distinct.sort_unstable();
        distinct.dedup();
        // Crop and flip have 162 outcomes: 120 draws hit about 85 of them; the others have as many as numbers.
        let expected = if augmentation == Augmentation::CifarOtfusion { 65..=105 } else { 110..=120 };
        assert!(expected.contains(&distinct.len()), "{augmentation:?}: {}", distinct.len());
        let mut other = vec![0; 3072];
        augmentation.apply(&same, 0, 0, &Stream::root(43).child("augmentation"), &mut other);
        assert_ne!(other, first[..3072]);
    }
}

#[test]
fn recipes_are_their_steps_and_none_is_the_image_itself() {
    let split = images();
    for augmentation in each() {
        assert_eq!(epoch(&augmentation, &split, 1), epoch(&Augmentation::Steps(augmentation.steps().to_vec()), &split, 1));
    }
    assert_eq!(epoch(&Augmentation::Steps(Vec::new()), &split, 1), split.pixels);
    let always = Augmentation::Steps(vec![Step::Flip(Flip { probability: 1.0 }); 2]);
    assert_eq!(epoch(&always, &split, 1), split.pixels);
    let never = Augmentation::Steps(vec![Step::Flip(Flip { probability: 0.0 }), Step::Rotate(Rotate { degrees: 0.0 })]);
    assert_eq!(epoch(&never, &split, 1), split.pixels);
}

#[test]
fn the_bytes_of_the_recipes_are_frozen() {
    let split = images();
    // A change here changes every training with one of them.
    let found = each().map(|augmentation| Fingerprint::of_bytes(&epoch(&augmentation, &split, 2)).short());
    assert_eq!(found, FROZEN);
}
const FROZEN: [&str; 3] = ["bec7cf367234", "8e4a26920fcc", "45a4d00e3c09"];

#[test]
fn any_shape_can_be_disturbed() {
    for (channels, height, width) in [(1, 1, 1), (1, 28, 28), (4, 5, 9), (3, 2, 31)] {
        let length = channels * height * width;
        let split = Split { shape: (channels, height, width), classes: 2, pixels: vec![200; 9 * length], labels: vec![0; 9] };
        for augmentation in each() {
            let out = epoch(&augmentation, &split, 0);
            // Nothing but the picture and black; bilinear sampling repeats edges.
            assert!(out.iter().all(|&pixel| pixel == 200 || pixel == 0 && augmentation != Augmentation::CifarGitRebasin), "{out:?}");
        }
    }
}
