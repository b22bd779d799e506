//! The loss of mixtures of three models and the same models in the frame, as filled contours over the hexagon of mixtures.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::PlaneRow;
use super::lattice::{RADIUS, corners, half_of, nearest, place, points};
use crate::drawing::{Canvas, FONT, Picture, TEXT, Tick, backend, by_pair, list, shown_part, ticks};
use crate::identity::MethodLabel;
use crate::table::Row;

/// Losses above this are drawn as this, as published.
const CLIP: f64 = 5.0;

/// Bands of the contours, as many as published.
const BANDS: usize = 13;

/// Pixels between the middle and a corner of a hexagon.
const SIZE: f64 = 200.0;

const WIDTH: i32 = 560;
const HEIGHT: i32 = 520;

/// Dark to light, evenly bright in between. Source: the map viridis of matplotlib at five places.
const COLOURS: [RGBColor; 5] =
    [RGBColor(68, 1, 84), RGBColor(59, 82, 139), RGBColor(33, 145, 140), RGBColor(94, 201, 98), RGBColor(253, 231, 37)];

/// One hexagon.
struct Hexagon {
    heading: String,
    half: i64,
    losses: BTreeMap<[i64; 2], f64>,
    /// Names of the corners.
    names: Vec<String>,
}

struct Contours {
    title: String,
    hexagons: Vec<Hexagon>,
    least: f64,
    greatest: f64,
    clipped: bool,
}

/// A corner of a piece of the plane, with the loss there.
type Node = (f64, f64, f64);

/// Draws `plane-<dataset>-<architecture>`: the first replicate of each method.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(PlaneRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let split = shown_part(rows.iter().map(|row| row.split));
        let mut groups: BTreeMap<(usize, &MethodLabel), Vec<&PlaneRow>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.split == split && row.key.replicate == 0) {
            groups.entry((canvas.styles().rank(row.key.method.name()), &row.key.method)).or_default().push(row);
        }
        let hexagons = groups.iter().map(|((_, method), rows)| Hexagon::of(method, rows)).collect::<Result<Vec<_>>>()?;
        let all = || hexagons.iter().flat_map(|hexagon| hexagon.losses.values().copied());
        let (least, greatest) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let least = least.min(CLIP);
        let picture = Contours {
            title: format!("Loss of mixtures of three models and the same in the frame ({split}): {}, {}", pair.dataset, pair.architecture),
            clipped: greatest > CLIP,
            greatest: greatest.min(CLIP).max(least * (1.0 + 1e-9) + f64::MIN_POSITIVE),
            least,
            hexagons,
        };
        canvas.save(&picture, "plane", &pair)?;
    }
    Ok(())
}

impl Hexagon {
    /// The mixtures of one method, which must be those of a lattice.
    fn of(method: &MethodLabel, rows: &[&PlaneRow]) -> Result<Hexagon> {
        let half = half_of(rows.len()).with_context(|| format!("`plane.csv` has {} points of `{method}`: no hexagon", rows.len()))?;
        let losses: BTreeMap<[i64; 2], f64> = rows.iter().map(|row| (nearest((row.x, row.y), half), row.loss)).collect();
        let whole = points(half).iter().all(|point| losses.contains_key(point));
        anyhow::ensure!(whole, "`plane.csv`: the points of `{method}` are not those of a hexagon");
        let name = |corner: &[i64; 2]| {
            let row = rows.iter().find(|row| nearest((row.x, row.y), half) == *corner);
            row.map_or_else(String::new, |row| if row.is_own() { row.vertex.clone() } else { format!("{}*", row.vertex) })
        };
        let names = corners(half).iter().map(name).collect();
        Ok(Hexagon { heading: method.to_string(), half, losses, names })
    }
}

impl Picture for Contours {
    fn size(&self) -> (u32, u32) {
        let across = self.hexagons.len().clamp(1, 3) as i32;
        let down = self.hexagons.len().div_ceil(3) as i32;
        ((across * WIDTH + 290) as u32, (down * HEIGHT + 50) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.hexagons.iter().map(|hexagon| &hexagon.heading));
        format!("The loss over mixtures of three models and the same in the common frame, as filled contours of a hexagon, for {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let across = self.hexagons.len().clamp(1, 3);
        for (index, hexagon) in self.hexagons.iter().enumerate() {
            let origin = ((index % across) as i32 * WIDTH, (index / across) as i32 * HEIGHT);
            self.hexagon(area, hexagon, origin)?;
        }
        self.scale(area, across as i32 * WIDTH + 20)
    }
}

impl Contours {
    /// The loss at the lower end of a band.
    fn level(&self, band: usize) -> f64 {
        self.least + (self.greatest - self.least) * band as f64 / BANDS as f64
    }

    fn hexagon<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, hexagon: &Hexagon, (left, top): (i32, i32)) -> Result<()> {
        let middle = (f64::from(left + WIDTH / 2), f64::from(top + HEIGHT / 2 + 14));
        let pixel = |(x, y): (f64, f64)| (middle.0 + x * SIZE / RADIUS, middle.1 - y * SIZE / RADIUS);
        let node = |point: [i64; 2]| {
            let (x, y) = pixel(place(point, hexagon.half));
            hexagon.losses.get(&point).map(|loss| (x, y, loss.min(CLIP)))
        };
        for r in -hexagon.half..hexagon.half {
            // Between two rows, triangles from left to right; neighbours of one colour become one piece.
            let pointing = |q: i64| [[[q, r], [q, r + 1], [q - 1, r + 1]], [[q, r], [q + 1, r], [q, r + 1]]];
            let mut run: Vec<[Node; 3]> = Vec::new();
            for corners in (-hexagon.half - 1..=hexagon.half + 1).flat_map(pointing) {
                let [Some(a), Some(b), Some(c)] = corners.map(node) else { continue };
                let triangle = [a, b, c];
                if self.band(&triangle).is_some() && run.first().is_none_or(|first| self.band(first) == self.band(&triangle)) {
                    run.push(triangle);
                    continue;
                }
                self.fill_run(area, &mut run)?;
                match self.band(&triangle) {
                    Some(_) => run.push(triangle),
                    None => self.triangle(area, triangle)?,
                }
            }
            self.fill_run(area, &mut run)?;
        }
        let centred = (FONT, TEXT).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Center));
        let heading = (left + WIDTH / 2, top + 22);
        area.draw(&Text::new(hexagon.heading.clone(), heading, centred.clone())).map_err(backend)?;
        for (corner, name) in corners(hexagon.half).into_iter().zip(&hexagon.names) {
            let (x, y) = pixel(place(corner, hexagon.half));
            let out = |length: f64| {
                let (dx, dy) = ((x - middle.0) / SIZE, (y - middle.1) / SIZE);
                ((x + length * dx).round() as i32, (y + length * dy).round() as i32)
            };
            area.draw(&Circle::new(out(0.0), 7, WHITE.filled())).map_err(backend)?;
            area.draw(&Circle::new(out(0.0), 7, BLACK.stroke_width(2))).map_err(backend)?;
            // A long name would lie on its corner, or leave the picture: it stands above a corner at the side, else beside it.
            let at_side = (y - middle.1).abs() < 1.0;
            let above = |shift: i32| (x.round() as i32 + shift, y.round() as i32 - 20);
            let (at, side) = match (name.chars().count(), x > middle.0) {
                (0..=3, _) => (out(26.0), HPos::Center),
                (_, true) => (if at_side { above(-10) } else { out(14.0) }, HPos::Left),
                (_, false) => (if at_side { above(10) } else { out(14.0) }, HPos::Right),
            };
            area.draw(&Text::new(name.clone(), at, centred.clone().pos(Pos::new(side, VPos::Center)))).map_err(backend)?;
        }
        Ok(())
    }

    /// The band that holds a whole triangle, if one does.
    fn band(&self, triangle: &[Node; 3]) -> Option<usize> {
        let of = |loss: f64| (((loss - self.least) / (self.greatest - self.least) * BANDS as f64) as usize).min(BANDS - 1);
        let bands = triangle.map(|node| of(node.2));
        (bands[0] == bands[1] && bands[1] == bands[2]).then_some(bands[0])
    }

    /// Fills triangles of one band that stand beside each other between two rows, and forgets them.
    fn fill_run<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, run: &mut Vec<[Node; 3]>) -> Result<()> {
        let Some(band) = run.first().and_then(|first| self.band(first)) else { return Ok(()) };
        let nodes: Vec<Node> = run.drain(..).flatten().collect();
        let (low, high) = nodes.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), node| (low.min(node.1), high.max(node.1)));
        let ends = |top: bool| {
            let row = nodes.iter().filter(|node| ((node.1 - low) < (high - node.1)) == top);
            row.fold((f64::INFINITY, f64::NEG_INFINITY), |(left, right), node| (left.min(node.0), right.max(node.0)))
        };
        let ((top_left, top_right), (left, right)) = (ends(true), ends(false));
        fill(area, band, &[(top_left, low), (top_right, low), (right, high), (left, high)])
    }

    /// Fills a triangle, over which the loss is linear, band by band.
    fn triangle<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, nodes: [Node; 3]) -> Result<()> {
        for band in 0..BANDS {
            let mut piece = nodes.to_vec();
            if band > 0 {
                piece = above(&piece, self.level(band), 1.0);
            }
            if band + 1 < BANDS {
                piece = above(&piece, self.level(band + 1), -1.0);
            }
            if piece.len() > 2 {
                fill(area, band, &piece.iter().map(|node| (node.0, node.1)).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// What the colours mean, and the corners.
    fn scale<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, left: i32) -> Result<()> {
        let (top, step) = (60, 22);
        let font = (FONT, TEXT - 2).into_font();
        area.draw(&Text::new("loss, in nats", (left, top - 32), (FONT, TEXT).into_font())).map_err(backend)?;
        let bottom = top + step * BANDS as i32;
        for band in 0..BANDS {
            let y = bottom - step * (band as i32 + 1);
            area.draw(&Rectangle::new([(left, y), (left + 30, y + step)], shade(band).filled())).map_err(backend)?;
        }
        for Tick { value, label } in ticks(self.least, self.greatest, BANDS) {
            // Bands are of one height: a value lies as far up as it lies between their ends.
            let share = (value - self.least) / (self.greatest - self.least);
            let y = bottom - (share * f64::from(bottom - top)).round() as i32;
            let style = font.clone().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&PathElement::new([(left + 30, y), (left + 36, y)], BLACK)).map_err(backend)?;
            let sign = if self.clipped && value >= CLIP { "≥ " } else { "" };
            area.draw(&Text::new(format!("{sign}{label}"), (left + 42, y), style)).map_err(backend)?;
        }
        let mut y = bottom + 24;
        let clip = format!("losses above {CLIP:.0} are drawn as {CLIP:.0}");
        let notes = ["a, b, ...: models as trained", "a*, b*, ...: in the common frame", "inside: Wachspress mixtures", "of all six"];
        for note in notes.into_iter().chain(self.clipped.then_some(clip.as_str())) {
            area.draw(&Text::new(note.to_owned(), (left, y), (FONT, TEXT - 3).into_font().color(&RGBColor(90, 90, 90))))
                .map_err(backend)?;
            y += 20;
        }
        Ok(())
    }
}

/// Fills a piece with the colour of a band.
fn fill<B: DrawingBackend>(area: &DrawingArea<B, Shift>, band: usize, piece: &[(f64, f64)]) -> Result<()> {
    let mut outline: Vec<(i32, i32)> = piece.iter().map(|&(x, y)| (x.round() as i32, y.round() as i32)).collect();
    area.draw(&Polygon::new(outline.clone(), shade(band).filled())).map_err(backend)?;
    // Its edge too, or hairlines show where pieces meet.
    outline.push(outline[0]);
    area.draw(&PathElement::new(outline, shade(band).stroke_width(1))).map_err(backend)
}

/// The part of a convex piece where `sign` times the loss is at least `sign` times `level`.
fn above(piece: &[Node], level: f64, sign: f64) -> Vec<Node> {
    let mut kept = Vec::with_capacity(piece.len() + 1);
    for (index, &one) in piece.iter().enumerate() {
        let next = piece[(index + 1) % piece.len()];
        let (here, there) = (sign * (one.2 - level), sign * (next.2 - level));
        if here >= 0.0 {
            kept.push(one);
        }
        if here * there < 0.0 {
            let share = here / (here - there);
            kept.push((one.0 + share * (next.0 - one.0), one.1 + share * (next.1 - one.1), level));
        }
    }
    kept
}

/// The colour of a band: dark for a low loss.
fn shade(band: usize) -> RGBColor {
    let at = band as f64 / (BANDS - 1) as f64 * (COLOURS.len() - 1) as f64;
    let low = (at as usize).min(COLOURS.len() - 2);
    let share = at - low as f64;
    let mix =
        |of: fn(RGBColor) -> u8| (f64::from(of(COLOURS[low])) * (1.0 - share) + f64::from(of(COLOURS[low + 1])) * share).round() as u8;
    RGBColor(mix(|colour| colour.0), mix(|colour| colour.1), mix(|colour| colour.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(piece: &[Node]) -> f64 {
        let next = piece.iter().cycle().skip(1);
        piece.iter().zip(next).map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum::<f64>().abs() / 2.0
    }

    #[test]
    fn bands_cut_a_triangle_into_pieces_that_make_it_whole() {
        let triangle = [(0.0, 0.0, 0.0), (2.0, 0.0, 2.0), (0.0, 2.0, 2.0)];
        let low = above(&triangle, 1.0, -1.0);
        let high = above(&triangle, 1.0, 1.0);
        // The line x + y = 1 cuts off a quarter.
        assert_eq!((low.len(), high.len()), (3, 4));
        assert!((area(&low) - 0.5).abs() < 1e-12 && (area(&high) - 1.5).abs() < 1e-12);
        assert!(above(&triangle, 3.0, 1.0).is_empty() && above(&triangle, -1.0, -1.0).is_empty());
    }
}
