use onebasin_repro::ChaCha8Rng;
use rand::RngCore;

use super::strokes::{CHARACTERS, polyline};

/// Uniform numbers by a rule of our own, so that pictures do not change with the version of a library.
struct Uniform(ChaCha8Rng);

impl Uniform {
    /// In [0, 1), a multiple of 2^-24.
    fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// In [-reach, reach).
    fn around(&mut self, reach: f32) -> f32 {
        self.between(-reach, reach)
    }

    fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }

    /// Near normal with deviation 1: four bytes of one number added up (they reach 3.45 deviations).
    fn normal(&mut self) -> f32 {
        let sum: u32 = self.0.next_u32().to_le_bytes().iter().map(|&byte| u32::from(byte)).sum();
        (sum as f32 - 510.0) * (1.0 / 147.8)
    }
}

/// A smooth random displacement of the unit square: a lattice of random arrows, blended in between.
struct Elastic {
    arrows: [[(f32, f32); 5]; 5],
}

impl Elastic {
    fn new(rng: &mut Uniform, reach: f32) -> Elastic {
        let mut arrows = [[(0.0, 0.0); 5]; 5];
        for arrow in arrows.iter_mut().flatten() {
            *arrow = (rng.around(reach), rng.around(reach));
        }
        Elastic { arrows }
    }

    fn displace(&self, (x, y): (f32, f32)) -> (f32, f32) {
        // The lattice covers [-0.1, 1.1]: strokes may overshoot the square a little.
        let place = |value: f32| {
            let value = ((value + 0.1) * (4.0 / 1.2)).clamp(0.0, 3.999);
            let cell = value as usize;
            let t = value - cell as f32;
            (cell, t * t * (3.0 - 2.0 * t))
        };
        let ((column, s), (row, t)) = (place(x), place(y));
        let mix = |part: fn((f32, f32)) -> f32| {
            let at = |row: usize, column: usize| part(self.arrows[row][column]);
            let upper = at(row, column) + s * (at(row, column + 1) - at(row, column));
            let lower = at(row + 1, column) + s * (at(row + 1, column + 1) - at(row + 1, column));
            upper + t * (lower - upper)
        };
        (x + mix(|arrow| arrow.0), y + mix(|arrow| arrow.1))
    }
}

/// The share of each pixel that ink covers.
struct Sheet {
    side: usize,
    ink: Vec<f32>,
}

impl Sheet {
    fn new(side: usize) -> Sheet {
        Sheet { side, ink: vec![0.0; side * side] }
    }

    /// A straight piece whose pen radius goes from one value to another, in pixels; edges fade over one pixel.
    fn piece(&mut self, from: (f32, f32), to: (f32, f32), radii: (f32, f32)) {
        let reach = radii.0.max(radii.1) + 0.5;
        let range = |low: f32, high: f32, side: usize| {
            let first = (low - reach).floor().max(0.0) as usize;
            let end = (high + reach).ceil().max(0.0) as usize;
            first..(end + 1).min(side)
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let inverse = 1.0 / (dx * dx + dy * dy).max(1e-12);
        for row in range(from.1.min(to.1), from.1.max(to.1), self.side) {
            let y = row as f32 + 0.5 - from.1;
            for column in range(from.0.min(to.0), from.0.max(to.0), self.side) {
                let x = column as f32 + 0.5 - from.0;
                let t = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
                let (ex, ey) = (x - t * dx, y - t * dy);
                let radius = radii.0 + t * (radii.1 - radii.0);
                // The square root is rounded correctly on every platform, unlike other functions.
                let cover = (radius + 0.5 - (ex * ex + ey * ey).sqrt()).clamp(0.0, 1.0);
                let ink = &mut self.ink[row * self.side + column];
                *ink = ink.max(cover);
            }
        }
    }
}

/// How a picture is distorted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub side: usize,
    pub colour: bool,
    /// Scales every distortion; 1 is the usual amount.
    pub difficulty: f32,
}

/// Draws character `class` into `pixels`, `[channels, side, side]`.
///
/// Only additions, products, quotients, square roots and comparisons of `f32` are used, which every platform rounds the same way.
pub(super) fn draw(class: usize, manner: Manner, rng: ChaCha8Rng, pixels: &mut [u8]) {
    let Manner { side, colour, difficulty } = manner;
    let rng = &mut Uniform(rng);
    let forms = CHARACTERS[class].1;
    let form = forms[rng.below(forms.len())];

    // Rotation by 2 atan(t), without a sine.
    let t = rng.around(0.16 * difficulty);
    let (cosine, sine) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let shear = rng.around(0.35 * difficulty);
    let scale = side as f32 * 0.62;
    let (width, height) = (scale * 0.82 * (1.0 + rng.around(0.28 * difficulty)), scale * (1.0 + rng.around(0.22 * difficulty)));
    let drift = side as f32 * 0.09 * difficulty;
    let centre = (side as f32 * 0.5 + rng.around(drift), side as f32 * 0.5 + rng.around(drift));
    let elastic = Elastic::new(rng, 0.09 * difficulty);
    let place = |point: (f32, f32)| {
        let (x, y) = elastic.displace(point);
        let (x, y) = ((x - 0.5) * width, (y - 0.5) * height);
        let x = x - shear * y;
        (centre.0 + cosine * x - sine * y, centre.1 + sine * x + cosine * y)
    };

    let unit = side as f32 / 28.0;
    let pen = unit * rng.between(0.75, 1.75);
    let mut glyph = Sheet::new(side);
    for &stroke in form {
        let chain: Vec<(f32, f32)> = polyline(stroke).into_iter().map(place).collect();
        let (start, end) = (pen * (1.0 + rng.around(0.35)), pen * (1.0 + rng.around(0.35)));
        let pieces = (chain.len() - 1) as f32;
        for (index, pair) in chain.windows(2).enumerate() {
            let radius = |index: usize| start + (end - start) * (index as f32 / pieces);
            glyph.piece(pair[0], pair[1], (radius(index), radius(index + 1)));
        }
    }

    // Short marks beside and across the character, fainter than it; and one place where the pen gave out.
    let mut clutter = Sheet::new(side);
    let marks = if difficulty > 0.0 { rng.below(4) } else { 0 };
    let within = side as f32;
    for _ in 0..marks {
        let from = (rng.unit() * within, rng.unit() * within);
        let to = (from.0 + rng.around(0.35) * within, from.1 + rng.around(0.35) * within);
        let radius = unit * rng.between(0.3, 1.0);
        clutter.piece(from, to, (radius, radius));
    }
    let mut gap = Sheet::new(side);
    if rng.unit() < 0.35 * difficulty {
        let from = (rng.between(0.2, 0.8) * within, rng.between(0.2, 0.8) * within);
        let to = (from.0 + rng.around(0.3) * within, from.1 + rng.around(0.3) * within);
        let radius = unit * rng.between(0.5, 1.1);
        gap.piece(from, to, (radius, radius));
    }

    let faint = rng.between(0.35, 0.8);
    let noise = difficulty * rng.between(0.02, 0.14);
    let slope = (rng.around(0.2 * difficulty), rng.around(0.2 * difficulty));
    let channels = if colour { 3 } else { 1 };
    let (paper, ink) = if colour { colours(rng) } else { ([rng.between(0.0, 0.2); 3], [rng.between(0.6, 1.0); 3]) };
    for channel in 0..channels {
        let (paper, ink) = (paper[channel], ink[channel]);
        let plane = &mut pixels[channel * side * side..(channel + 1) * side * side];
        for (index, pixel) in plane.iter_mut().enumerate() {
            let (row, column) = ((index / side) as f32 / side as f32 - 0.5, (index % side) as f32 / side as f32 - 0.5);
            let cover = (glyph.ink[index] * (1.0 - gap.ink[index])).max(faint * clutter.ink[index]);
            let light = paper + slope.0 * row + slope.1 * column;
            let value = light + cover * (ink - light) + noise * rng.normal();
            *pixel = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }
}

/// Two colours that differ enough in brightness to be told apart, either of them the brighter.
fn colours(rng: &mut Uniform) -> ([f32; 3], [f32; 3]) {
    let mut colour = |low: f32, high: f32| [rng.between(low, high), rng.between(low, high), rng.between(low, high)];
    let (dark, bright) = (colour(0.0, 0.55), colour(0.45, 1.0));
    let brightness = |colour: [f32; 3]| 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2];
    // Where chance made them alike, both are pushed apart.
    let push = (0.3 - (brightness(bright) - brightness(dark))).max(0.0) * 0.5;
    let (dark, bright) = (dark.map(|part| (part - push).max(0.0)), bright.map(|part| (part + push).min(1.0)));
    if rng.below(2) == 0 { (dark, bright) } else { (bright, dark) }
}
