use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::rng::Uniform;
use super::{Scratch, wrong};
use crate::error::DatasetError;

/// Rotates the image about its centre by a uniform angle. Each pixel takes the nearest old one; those from outside become 0.
///
/// Coordinates are fixed-point numbers with 16 fractional bits, as in Pillow, which torchvision's `RandomRotation` calls; the same angle
/// gives the same picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rotate {
    /// The largest angle either way, 0 to 180. Default: 30.
    pub degrees: f64,
}

impl Default for Rotate {
    fn default() -> Rotate {
        Rotate { degrees: 30.0 }
    }
}

/// Marks a pixel from outside.
const OUTSIDE: u32 = u32::MAX;

impl Rotate {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        match (0.0..=180.0).contains(&self.degrees) {
            true => Ok(()),
            false => Err(wrong("augmentation.degrees", "a number from 0 to 180", self.degrees, "30 is usual")),
        }
    }

    pub(super) fn apply(&self, rng: &mut Uniform<impl RngCore>, shape: (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
        turn(rng.between(-self.degrees, self.degrees), shape, scratch, image);
    }
}

/// Rotates the image counter-clockwise.
fn turn(degrees: f64, (_, height, width): (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
    let radians = -degrees.to_radians();
    let (sine, cosine) = (libm::sin(radians), libm::cos(radians));
    let (middle_x, middle_y) = (width as f64 / 2.0, height as f64 / 2.0);
    // Where the middle of the first pixel comes from: x' = cos x + sin y + .., y' = -sin x + cos y + ..
    let first_x = (cosine - cosine * width as f64 + sine - sine * height as f64) / 2.0 + middle_x;
    let first_y = (-sine + sine * width as f64 + cosine - cosine * height as f64) / 2.0 + middle_y;
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let (across, down) = ((fixed(cosine), fixed(-sine)), (fixed(sine), fixed(cosine)));
    let mut row_at = (fixed(first_x), fixed(first_y));
    scratch.places.clear();
    for _ in 0..height {
        let mut at = row_at;
        scratch.places.extend((0..width).map(|_| {
            let (x, y) = (at.0 >> 16, at.1 >> 16);
            at = (at.0 + across.0, at.1 + across.1);
            let inside = (x as u64) < width as u64 && (y as u64) < height as u64;
            if inside { (y * width as i64 + x) as u32 } else { OUTSIDE }
        }));
        row_at = (row_at.0 + down.0, row_at.1 + down.1);
    }
    scratch.pixels.clear();
    scratch.pixels.extend_from_slice(image);
    for (target, source) in image.chunks_exact_mut(height * width).zip(scratch.pixels.chunks_exact(height * width)) {
        for (target, &place) in target.iter_mut().zip(&scratch.places) {
            *target = source.get(place as usize).copied().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(degrees: f64) -> Vec<u8> {
        let mut image: Vec<u8> = (1..=9).chain(11..=19).collect();
        turn(degrees, (2, 3, 3), &mut Scratch::default(), &mut image);
        image
    }

    #[test]
    fn quarter_turns_move_pixels_whole_and_against_the_clock() {
        assert_eq!(turned(0.0), (1..=9).chain(11..=19).collect::<Vec<u8>>());
        // 1 2 3      3 6 9
        // 4 5 6  ->  2 5 8
        // 7 8 9      1 4 7
        assert_eq!(turned(90.0), [3, 6, 9, 2, 5, 8, 1, 4, 7, 13, 16, 19, 12, 15, 18, 11, 14, 17]);
        assert_eq!(turned(-90.0), [7, 4, 1, 8, 5, 2, 9, 6, 3, 17, 14, 11, 18, 15, 12, 19, 16, 13]);
        assert_eq!(turned(180.0), [9, 8, 7, 6, 5, 4, 3, 2, 1, 19, 18, 17, 16, 15, 14, 13, 12, 11]);
    }

    #[test]
    fn corners_from_outside_are_black_and_the_middle_stays() {
        // An eighth of a turn: the corners of the square lie at distance sqrt(2), outside; sides and middle move to their neighbours.
        let image = turned(45.0);
        assert_eq!((image[4], image[13]), (5, 15));
        // The middle of the right side, (1, 0), comes from (cos, sin) · 1 = (0.71, 0.71) below: nearest is (1, 1), the lower right corner.
        assert_eq!(image[5], 9);
        let mut bright = vec![255; 32 * 32];
        turn(30.0, (1, 32, 32), &mut Scratch::default(), &mut bright);
        assert_eq!([bright[0], bright[31], bright[31 * 32], bright[1023]], [0; 4]);
        assert_eq!(bright[16 * 32 + 16], 255);
    }
}
