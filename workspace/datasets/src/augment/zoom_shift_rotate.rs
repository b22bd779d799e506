use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::resized_crop::range;
use super::rng::Uniform;
use super::{Scratch, wrong};
use crate::error::DatasetError;

/// Zoom, shift, flip and rotation, composed to one affine map by which the image is sampled once: bilinear, edges repeated outside,
/// rounded to whole pixel values.
///
/// A pixel at `p` from the centre shows the place `(F R p + s) / z` of the old image: `R` turns by a uniform angle, `F` mirrors left and
/// right, `log z` is uniform, and the shift `s` is uniform within `±|z - 1| / 2` of height and width.
/// Source: augmax 0.2.1, `RandomSizedCrop`, `HorizontalFlip` and `Rotate` in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ZoomShiftRotate {
    /// Smallest and largest zoom; above 1 the image grows. Default: 0.8 and 1.2.
    pub zoom: [f64; 2],
    /// The largest angle either way, 0 to 180. Default: 30.
    pub degrees: f64,
    /// The probability of a flip. Default: 0.5.
    pub flip: f64,
}

impl Default for ZoomShiftRotate {
    fn default() -> ZoomShiftRotate {
        ZoomShiftRotate { zoom: [0.8, 1.2], degrees: 30.0, flip: 0.5 }
    }
}

/// Where places come from, rows and columns counted from the centre: `row' = matrix[0] · (row, column) + shift[0]`.
struct Map {
    matrix: [[f64; 2]; 2],
    shift: [f64; 2],
}

/// Fractional bits of a coordinate.
const PLACES: u32 = 32;
/// Fractional bits of a weight. Three sums of weighted bytes then fit one word of 64 bits side by side.
const BITS: u32 = 13;
const LANE: u32 = 21;
const HALVES: u64 = (1 << (BITS - 1)) * (1 | 1 << LANE | 1 << (2 * LANE));

impl ZoomShiftRotate {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        range("augmentation.zoom", self.zoom, "`[0.8, 1.2]` is the paper's")?;
        if !(0.0..=180.0).contains(&self.degrees) {
            return Err(wrong("augmentation.degrees", "a number from 0 to 180", self.degrees, "30 is usual"));
        }
        match (0.0..=1.0).contains(&self.flip) {
            true => Ok(()),
            false => Err(wrong("augmentation.flip", "a number from 0 to 1", self.flip, "0.5 is usual")),
        }
    }

    pub(super) fn apply(&self, rng: &mut Uniform<impl RngCore>, shape: (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
        self.map(rng, shape.1, shape.2).sample(shape, scratch, image);
    }

    fn map(&self, rng: &mut Uniform<impl RngCore>, height: usize, width: usize) -> Map {
        let zoom = libm::exp(rng.between(libm::log(self.zoom[0]), libm::log(self.zoom[1])));
        let shift = [height, width].map(|size| {
            let reach = (size as f64 * zoom - size as f64).abs() / 2.0;
            rng.between(-reach, reach) / zoom
        });
        let mirror = if rng.unit() < self.flip { -1.0 } else { 1.0 };
        let angle = rng.between(-self.degrees, self.degrees).to_radians();
        let (sine, cosine) = (libm::sin(angle) / zoom, libm::cos(angle) / zoom);
        Map { matrix: [[cosine, sine], [-sine * mirror, cosine * mirror]], shift }
    }
}

impl Map {
    fn sample(&self, (_, height, width): (usize, usize, usize), scratch: &mut Scratch, image: &mut [u8]) {
        let fixed = |value: f64| (value * (1u64 << PLACES) as f64).round_ties_even() as i64;
        let (middle_row, middle_column) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
        let first = |axis: usize, middle: f64| {
            let [by_row, by_column] = self.matrix[axis];
            fixed(middle + self.shift[axis] - by_row * middle_row - by_column * middle_column)
        };
        let (first_row, first_column) = (first(0, middle_row), first(1, middle_column));
        let steps = self.matrix.map(|row| row.map(fixed));
        let (last_row, last_column) = (((height - 1) as i64) << PLACES, ((width - 1) as i64) << PLACES);
        for group in image.chunks_mut(3 * height * width) {
            pack(group, height * width, &mut scratch.packed);
            let packed = &scratch.packed[..height * width];
            for row in 0..height {
                let (mut from_row, mut from_column) = (first_row + steps[0][0] * row as i64, first_column + steps[1][0] * row as i64);
                for column in 0..width {
                    let (y, x) = (from_row.clamp(0, last_row), from_column.clamp(0, last_column));
                    (from_row, from_column) = (from_row + steps[0][1], from_column + steps[1][1]);
                    let (top, left) = ((y >> PLACES) as usize, (x >> PLACES) as usize);
                    let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
                    let share = |value: i64| ((value & ((1 << PLACES) - 1)) as u64 + (1 << (PLACES - BITS - 1))) >> (PLACES - BITS);
                    let (down, over) = (share(y), share(x));
                    let both = (down * over + (1 << (BITS - 1))) >> BITS;
                    let sum = packed[top * width + left] * ((1 << BITS) + both - down - over)
                        + packed[top * width + right] * (over - both)
                        + packed[bottom * width + left] * (down - both)
                        + packed[bottom * width + right] * both
                        + HALVES;
                    for (channel, value) in group.chunks_exact_mut(height * width).enumerate() {
                        value[row * width + column] = (sum >> (BITS + LANE * channel as u32)) as u8;
                    }
                }
            }
        }
    }
}

/// Up to three channels of a pixel in one word.
fn pack(group: &[u8], plane: usize, packed: &mut Vec<u64>) {
    packed.clear();
    packed.resize(plane, 0);
    for (channel, values) in group.chunks_exact(plane).enumerate() {
        packed.iter_mut().zip(values).for_each(|(word, &value)| *word |= u64::from(value) << (LANE * channel as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::scripted;
    use super::*;

    fn sampled(map: &Map, shape: (usize, usize, usize), image: &[u8]) -> Vec<u8> {
        let mut image = image.to_vec();
        map.sample(shape, &mut Scratch::default(), &mut image);
        image
    }

    #[test]
    fn shifts_by_halves_are_means_and_edges_repeat() {
        let map = Map { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [0.0, 0.5] };
        // 10.5 rounds up; the last column has nothing but itself to its right. Five channels: two words.
        let image: Vec<u8> = (0..5u8).flat_map(|channel| [10, 11, 20].map(|value| value + 40 * channel)).collect();
        let expected: Vec<u8> = (0..5u8).flat_map(|channel| [11, 16, 20].map(|value| value + 40 * channel)).collect();
        assert_eq!(sampled(&map, (5, 1, 3), &image), expected);
        let map = Map { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [-2.25, 0.0] };
        // Rows from -2.25, -1.25, -0.25, 0.75.
        assert_eq!(sampled(&map, (1, 4, 1), &[100, 200, 0, 0]), [100, 100, 100, 175]);
        assert_eq!(sampled(&map, (3, 2, 1), &[255; 6]), [255; 6]);
    }

    #[test]
    fn the_numbers_drawn_compose_the_map() {
        let step = ZoomShiftRotate { zoom: [0.5, 2.0], degrees: 90.0, flip: 0.5 };
        // Zoom 0.5^0.5 2^0.5 = 1 leaves no shift; no mirror; no angle.
        let map = step.map(&mut scripted(&[0.5, 0.9, 0.9, 0.5, 0.5]), 4, 4);
        assert!((map.matrix[0][0] - 1.0).abs() < 1e-12 && map.matrix[0][1] == 0.0 && map.shift[0].abs() < 1e-12);
        // Almost twice: a shift within ±half the size of the grown image, here a quarter of it each way, halved by the zoom.
        let map = step.map(&mut scripted(&[1.0 - 1e-12, 0.25, 0.75, 0.2, 0.5]), 4, 8);
        assert!((map.shift[0] + 0.5).abs() < 1e-9 && (map.shift[1] - 1.0).abs() < 1e-9, "{:?}", map.shift);
        assert!((map.matrix[0][0] - 0.5).abs() < 1e-9 && (map.matrix[1][1] + 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_quarter_turn_and_a_mirror_move_pixels_whole() {
        let image: Vec<u8> = (1..=9).collect();
        // row' = column, column' = -row.
        let map = Map { matrix: [[0.0, 1.0], [-1.0, 0.0]], shift: [0.0; 2] };
        assert_eq!(sampled(&map, (1, 3, 3), &image), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        let map = Map { matrix: [[1.0, 0.0], [0.0, -1.0]], shift: [0.0; 2] };
        assert_eq!(sampled(&map, (1, 3, 3), &image), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
    }
}
