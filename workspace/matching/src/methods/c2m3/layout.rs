//! The parameters of an architecture by how they meet the groups of units.

use ndarray::ArrayView2;
use onebasin_network::{Parameter, PermutationSpec, Weights};

/// All matched parameters, in two shapes. Running statistics are left out.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Units of each group.
    pub units: Vec<usize>,
    /// For each group, everything that is tied to it alone.
    pub flats: Vec<Flat>,
    /// Each parameter whose two axes are tied.
    pub crosses: Vec<Cross>,
    /// Parameters tied to nothing: they add a constant to the objective.
    loose: Vec<String>,
}

/// The parameters tied to one group by one axis, side by side: a matrix [units, width] aligned `Pᵀ W`.
///
/// Biases and normalisations are columns of it; a last layer, tied by its columns, enters transposed.
#[derive(Clone, Debug)]
pub(crate) struct Flat {
    pub group: usize,
    pub units: usize,
    pub width: usize,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    /// [before, units, behind] in memory: tied by rows means `before` is 1.
    before: usize,
    behind: usize,
}

/// A parameter tied by both axes: [row units, depth, column units], aligned `P_rᵀ W P_c` at each place of the depth.
/// The depth runs over blocks and the spatial places of a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Cross {
    pub row_group: usize,
    pub column_group: usize,
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    name: String,
    inner: usize,
}

impl Layout {
    /// Reads the ties off a spec.
    pub fn new(spec: &PermutationSpec) -> Layout {
        let units: Vec<usize> = spec.groups.iter().map(|group| group.units).collect();
        let flat = |(group, &units): (usize, &usize)| Flat { group, units, width: 0, parts: Vec::new() };
        let mut flats: Vec<Flat> = units.iter().enumerate().map(flat).collect();
        let (mut crosses, mut loose) = (Vec::new(), Vec::new());
        for parameter in spec.parameters.iter().filter(|parameter| parameter.role.is_matched()) {
            let (row_units, column_units) = (parameter.rows.map(|rows| rows.group), parameter.columns.map(|columns| columns.group));
            match (row_units, column_units) {
                (Some(row_group), Some(column_group)) => crosses.push(Cross::new(parameter, row_group, column_group, &units)),
                (Some(group), None) => flats[group].push(parameter, 1),
                (None, Some(group)) => flats[group].push(parameter, parameter.shape[0]),
                (None, None) => loose.push(parameter.name.clone()),
            }
        }
        flats.retain(|flat| flat.width > 0 && flat.units > 0);
        Layout { units, flats, crosses, loose }
    }

    /// How many operations the products of one model's gradients take, a multiplication and an addition counted as two.
    pub fn operations(&self) -> f64 {
        let flats = self.flats.iter().map(|flat| flat.units * flat.units * flat.width);
        let crosses = self.crosses.iter().map(|cross| (cross.rows + cross.columns) * cross.rows * cross.depth * cross.columns);
        flats.chain(crosses).map(|products| 2.0 * products as f64).sum()
    }

    /// What the parameters that no map moves add to the objective.
    pub fn constant(&self, models: &[&Weights]) -> f64 {
        let mut total = 0.0;
        for name in &self.loose {
            let mut before = vec![0.0; models.first().map_or(0, |weights| weights.values(name).len())];
            for weights in models {
                for (sum, &value) in before.iter_mut().zip(weights.values(name)) {
                    total += *sum * f64::from(value);
                    *sum += f64::from(value);
                }
            }
        }
        total
    }
}

impl Flat {
    fn push(&mut self, parameter: &Parameter, before: usize) {
        let behind = parameter.len() / (before * self.units).max(1);
        self.parts.push(Part { name: parameter.name.clone(), before, behind });
        self.width += before * behind;
    }

    /// One model's matrix, [units, width] row after row.
    pub fn pack(&self, weights: &Weights) -> Vec<f32> {
        let mut packed = Vec::with_capacity(self.units * self.width);
        for unit in 0..self.units {
            for part in &self.parts {
                let values = weights.values(&part.name);
                for before in 0..part.before {
                    packed.extend_from_slice(&values[(before * self.units + unit) * part.behind..][..part.behind]);
                }
            }
        }
        packed
    }

    /// A packed array as [units, width].
    pub fn matrix<'a>(&self, packed: &'a [f32]) -> ArrayView2<'a, f32> {
        view(packed, self.units, self.width)
    }
}

impl Cross {
    fn new(parameter: &Parameter, row_group: usize, column_group: usize, units: &[usize]) -> Cross {
        let (rows, columns) = (units[row_group], units[column_group]);
        let row_block = parameter.shape[0] / rows.max(1);
        let inner = parameter.len() / (rows * row_block * columns).max(1);
        Cross { row_group, column_group, rows, depth: row_block * inner, columns, name: parameter.name.clone(), inner }
    }

    /// One model's array, [rows, depth, columns] with the last axis closest.
    pub fn pack(&self, weights: &Weights) -> Vec<f32> {
        let values = weights.values(&self.name);
        if self.inner == 1 {
            return values.to_vec();
        }
        let mut packed = vec![0.0; values.len()];
        let plane = self.columns * self.inner;
        // In memory: [rows, row block, columns, inner].
        for (source, target) in values.chunks_exact(plane).zip(packed.chunks_exact_mut(plane)) {
            for (column, entries) in source.chunks_exact(self.inner).enumerate() {
                for (place, &entry) in entries.iter().enumerate() {
                    target[place * self.columns + column] = entry;
                }
            }
        }
        packed
    }

    /// Entries of one row unit.
    pub fn row_length(&self) -> usize {
        self.depth * self.columns
    }

    /// A packed array as [rows, depth · columns].
    pub fn by_rows<'a>(&self, packed: &'a [f32]) -> ArrayView2<'a, f32> {
        view(packed, self.rows, self.row_length())
    }

    /// A packed array as [rows · depth, columns].
    pub fn by_columns<'a>(&self, packed: &'a [f32]) -> ArrayView2<'a, f32> {
        view(packed, self.rows * self.depth, self.columns)
    }
}

fn view(packed: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), packed).expect("packed by this layout")
}
