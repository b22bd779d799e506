//! What disturbing an image of 32x32x3 costs on one core; a batch has 100.

use divan::{Bencher, counter::ItemsCount};
use onebasin_datasets::{Augmentation, Flip, ResizedCrop, Rotate, Split, Step};
use onebasin_repro::Stream;

const BATCH: u32 = 100;

fn main() {
    divan::main();
}

fn measure(bencher: Bencher<'_, '_>, augmentation: &Augmentation) {
    let length = 3 * 32 * 32 * BATCH as usize;
    let pixels = (0..length).map(|index| (index * 7 + index / 32) as u8).collect();
    let split = Split { shape: (3, 32, 32), classes: 10, pixels, labels: vec![0; BATCH as usize] };
    let (indices, stream) = ((0..BATCH).collect::<Vec<u32>>(), Stream::root(1).child("augmentation"));
    let (mut out, mut epoch) = (vec![0; length], 0);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        epoch += 1;
        augmentation.apply_batch(&split, &indices, epoch, &stream, &mut out);
        divan::black_box(&out);
    });
}

/// The streams alone, and a copy.
#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::Steps(Vec::new()));
}

#[divan::bench]
fn flip(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::Steps(vec![Step::Flip(Flip::default())]));
}

#[divan::bench]
fn rotate(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::Steps(vec![Step::Rotate(Rotate::default())]));
}

#[divan::bench]
fn resized_crop(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::Steps(vec![Step::ResizedCrop(ResizedCrop { scale: [0.8, 1.2], ..ResizedCrop::default() })]));
}

#[divan::bench]
fn cifar_c2m3(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::CifarC2m3);
}

#[divan::bench]
fn cifar_git_rebasin(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::CifarGitRebasin);
}

#[divan::bench]
fn cifar_otfusion(bencher: Bencher<'_, '_>) {
    measure(bencher, &Augmentation::CifarOtfusion);
}
