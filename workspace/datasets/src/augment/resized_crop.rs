use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::rng::Uniform;
use super::{Scratch, wrong};
use crate::error::DatasetError;

/// Crops a window of random area, shape and position, and scales it to the size of the image by bilinear interpolation.
///
/// The area is uniform in `scale` (shares of the image's) and the logarithm of width over height in that of `ratio`. Parts that do not fit,
/// such as all of more than the whole area, are drawn again, ten times in all; after that the whole image is taken (or its middle if
/// its own shape is outside `ratio`). Numbers are rounded as by torchvision's `RandomResizedCrop` on Pillow images: columns first, to
/// whole pixel values, then rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResizedCrop {
    /// Smallest and largest area. Default: 0.08 and 1.
    pub scale: [f64; 2],
    /// Smallest and largest ratio of width to height. Default: 3/4 and 4/3.
    pub ratio: [f64; 2],
}

impl Default for ResizedCrop {
    fn default() -> ResizedCrop {
        ResizedCrop { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] }
    }
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// Two neighbours and their weights, which add up to `ONE`.
#[derive(Clone, Copy)]
struct Tap {
    near: u32,
    far: u32,
    weights: [u32; 2],
}

const TRIES: usize = 10;
const BITS: u32 = 22;
const ONE: u32 = 1 << BITS;

impl ResizedCrop {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        range("augmentation.scale", self.scale, "`[0.8, 1.2]` are the papers' areas")?;
        range("augmentation.ratio", self.ratio, "`[0.75, 1.3333]` are usual")
    }

    pub(super) fn apply(&self, rng: &mut Uniform<impl RngCore>, shape: (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
        let window = self.window(rng, shape.1, shape.2);
        stretch(window, shape, scratch, image);
    }

    fn window(&self, rng: &mut Uniform<impl RngCore>, height: usize, width: usize) -> Window {
        let area = (height * width) as f64;
        let logs = self.ratio.map(libm::log);
        for _ in 0..TRIES {
            let target = area * rng.between(self.scale[0], self.scale[1]);
            let ratio = libm::exp(rng.between(logs[0], logs[1]));
            let wide = (target * ratio).sqrt().round_ties_even() as usize;
            let high = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&wide) && (1..=height).contains(&high) {
                let (top, left) = (rng.below(height - high + 1), rng.below(width - wide + 1));
                return Window { top, left, height: high, width: wide };
            }
        }
        let own = width as f64 / height as f64;
        let (high, wide) = if own < self.ratio[0] {
            ((width as f64 / self.ratio[0]).round_ties_even() as usize, width)
        } else if own > self.ratio[1] {
            (height, (height as f64 * self.ratio[1]).round_ties_even() as usize)
        } else {
            (height, width)
        };
        let (high, wide) = (high.clamp(1, height), wide.clamp(1, width));
        Window { top: (height - high) / 2, left: (width - wide) / 2, height: high, width: wide }
    }
}

/// Two numbers from 0.001 to 1000 in ascending order.
pub(super) fn range(key: &'static str, range: [f64; 2], hint: &str) -> Result<(), DatasetError> {
    match range[0] >= 1e-3 && range[0] <= range[1] && range[1] <= 1e3 {
        true => Ok(()),
        false => Err(wrong(key, "two numbers from 0.001 to 1000, the smaller one first", range, hint)),
    }
}

/// Scales the window up to the whole image.
fn stretch(window: Window, (_, height, width): (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
    if (window.height, window.width) == (height, width) {
        return;
    }
    let columns: Vec<Tap> = (0..width).map(|column| tap(column, window.width, width)).collect();
    scratch.pixels.resize(window.height * width, 0);
    for plane in image.chunks_exact_mut(height * width) {
        for (row, target) in scratch.pixels.chunks_exact_mut(width).enumerate() {
            let source = &plane[(window.top + row) * width + window.left..][..window.width];
            for (target, tap) in target.iter_mut().zip(&columns) {
                *target = blend(source[tap.near as usize], source[tap.far as usize], tap.weights);
            }
        }
        for (row, target) in plane.chunks_exact_mut(width).enumerate() {
            let tap = tap(row, window.height, height);
            let (near, far) = (&scratch.pixels[tap.near as usize * width..][..width], &scratch.pixels[tap.far as usize * width..][..width]);
            for ((target, &near), &far) in target.iter_mut().zip(near).zip(far) {
                *target = blend(near, far, tap.weights);
            }
        }
    }
}

fn blend(near: u8, far: u8, [near_weight, far_weight]: [u32; 2]) -> u8 {
    ((u32::from(near) * near_weight + u32::from(far) * far_weight + ONE / 2) >> BITS) as u8
}

/// What place `place` of `to` takes from a line of `from` places, `from` at most `to`.
fn tap(place: usize, from: usize, to: usize) -> Tap {
    // Middles of pixels lie at halves; beyond the first and the last middle the end pixel alone counts.
    let centre = (place as f64 + 0.5) * (from as f64 / to as f64) - 0.5;
    let near = centre.max(0.0) as usize;
    let far = (near + 1).min(from - 1);
    let share = if centre <= 0.0 || far == near { 0.0 } else { centre - near as f64 };
    let weight = |share: f64| (share * f64::from(ONE) + 0.5) as u32;
    Tap { near: near as u32, far: far as u32, weights: [weight(1.0 - share), weight(share)] }
}

#[cfg(test)]
mod tests {
    use super::super::rng::scripted;
    use super::*;

    const C2M3: ResizedCrop = ResizedCrop { scale: [0.8, 1.2], ratio: [0.75, 4.0 / 3.0] };

    #[test]
    fn half_the_width_is_stretched_by_thirds_and_quarters() {
        // From columns 1 and 2 of four: middles at 0.25, 0.75, 1.25, 1.75 of two pixels.
        let mut image = vec![9, 0, 100, 9, 9, 200, 40, 9];
        stretch(Window { top: 0, left: 1, height: 2, width: 2 }, (1, 2, 4), &mut Scratch::default(), &mut image);
        assert_eq!(image, [0, 25, 75, 100, 200, 160, 80, 40]);
        // Rows likewise, of a second channel too.
        let mut image = vec![0, 100, 7, 7, 200, 40, 7, 7];
        stretch(Window { top: 0, left: 0, height: 2, width: 1 }, (2, 4, 1), &mut Scratch::default(), &mut image);
        assert_eq!(image, [0, 25, 75, 100, 200, 160, 80, 40]);
    }

    #[test]
    fn an_area_above_the_whole_leaves_the_image_after_ten_tries() {
        // Scale 0.9 of the way: 1.16 of the area, square: 34.5 pixels on a side, which never fits.
        let mut rng = scripted(&[[0.9, 0.5]; 10].concat());
        assert_eq!(C2M3.window(&mut rng, 32, 32), Window { top: 0, left: 0, height: 32, width: 32 });
        assert!(rng.0.0.is_empty());
        // A ninth failure and then 0.9 of the area, ratio 1: 30.36 pixels on a side; the place is drawn after it.
        let mut rng = scripted(&[[0.9, 0.5].repeat(9), vec![0.25, 0.5, 0.0, 0.99]].concat());
        assert_eq!(C2M3.window(&mut rng, 32, 32), Window { top: 0, left: 2, height: 30, width: 30 });
    }

    #[test]
    fn the_shape_follows_the_ratio_and_a_long_image_is_cut_in_the_middle_at_last() {
        // The widest shape of 0.8 of the area, almost: width sqrt(819.2 · 4/3) = 33.05 does not fit, narrower ones do.
        let mut rng = scripted(&[0.0, 0.75, 0.0, 0.0]);
        // Ratio (4/3)^(1/2) = 1.1547: width sqrt(945.9) = 30.76, height sqrt(709.4) = 26.64.
        assert_eq!(C2M3.window(&mut rng, 32, 32), Window { top: 0, left: 0, height: 27, width: 31 });
        let whole = ResizedCrop { scale: [2.0, 2.0], ..C2M3 };
        let mut rng = scripted(&[0.5; 20]);
        assert_eq!(whole.window(&mut rng, 30, 80), Window { top: 0, left: 20, height: 30, width: 40 });
        let mut rng = scripted(&[0.5; 20]);
        assert_eq!(whole.window(&mut rng, 80, 30), Window { top: 20, left: 0, height: 40, width: 30 });
    }
}
