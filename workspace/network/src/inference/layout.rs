use crate::{Graph, Operation};

use super::Bound;

/// How a parameter lies in a file, where that is not `[out, in, height, width]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Whether the last axes are `[in, out]`, as Flax has them: `[in, out]`, `[height, width, in, out]`.
    pub inputs_first: bool,
    /// Behind a flatten of channels last, how many pixels each channel had; its columns are then pixel after pixel.
    pub pixels: Option<usize>,
}

impl Layout {
    /// Numbers as stored, brought into `shape`, which is `[out, in, ..]`.
    pub(super) fn read(self, stored: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        if self == Layout::default() {
            return stored;
        }
        let mut values = vec![0.0; stored.len()];
        self.each(shape, |place, there| values[place] = stored[there]);
        values
    }

    /// The way back.
    pub(super) fn write(self, values: &[f32], shape: &[usize]) -> Vec<f32> {
        if self == Layout::default() {
            return values.to_vec();
        }
        let mut stored = vec![0.0; values.len()];
        self.each(shape, |place, there| stored[there] = values[place]);
        stored
    }

    /// Each place in `[out, in, ..]` with the place in the file.
    fn each(self, shape: &[usize], mut pair: impl FnMut(usize, usize)) {
        let (out, columns) = (shape[0], shape.get(1).copied().unwrap_or(1));
        let area: usize = shape.iter().skip(2).product();
        for row in 0..out {
            for column in 0..columns {
                let stored = match self.pixels {
                    Some(pixels) => column % pixels * (columns / pixels) + column / pixels,
                    None => column,
                };
                for pixel in 0..area {
                    let place = (row * columns + column) * area + pixel;
                    let there =
                        if self.inputs_first { (pixel * columns + stored) * out + row } else { (row * columns + stored) * area + pixel };
                    pair(place, there);
                }
            }
        }
    }
}

/// Marks linear layers behind a flatten of more than one pixel, where the file is Flax's.
pub(super) fn flatten_of_flax(graph: &Graph, bound: &mut [Bound]) {
    for node in &graph.nodes {
        if let Operation::Linear { weight, .. } = node.operation
            && let Operation::Flatten = graph.nodes[node.inputs[0]].operation
        {
            let image = &graph.nodes[graph.nodes[node.inputs[0]].inputs[0]];
            let name = &graph.spec().parameters[weight].name;
            if let Some(bound) = bound.iter_mut().find(|bound| bound.parameter == *name)
                && bound.layout.inputs_first
                && image.shape.pixels() > 1
                && image.shape.channels > 1
            {
                bound.layout.pixels = Some(image.shape.pixels());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn the_layout_of_flax_is_turned_and_turned_back() {
        let flax = Layout { inputs_first: true, pixels: None };
        let stored: Vec<f32> = (0..6).map(|value| value as f32).collect();
        // [in, out] = [2, 3] to [3, 2].
        assert_eq!(flax.read(stored.clone(), &[3, 2]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let shape = [4, 3, 2, 2];
        let kernel: Vec<f32> = (0..48).map(|value| value as f32).collect();
        let turned = flax.read(kernel.clone(), &shape);
        // [height, width, in, out]: row 1, column 0, input 2, output 3.
        assert_eq!(turned[(3 * 3 + 2) * 4 + 2], kernel[(2 * 3 + 2) * 4 + 3]);
        assert_eq!(flax.write(&turned, &shape), kernel);
    }

    #[test]
    fn a_flatten_of_channels_last_has_its_columns_pixel_after_pixel() {
        let flax = Layout { inputs_first: true, pixels: Some(4) };
        // Three channels of four pixels, one output.
        let stored: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let read = flax.read(stored.clone(), &[1, 12]);
        assert_eq!(read[..5], [0.0, 3.0, 6.0, 9.0, 1.0]);
        assert_eq!(flax.write(&read, &[1, 12]), stored);
    }
}
