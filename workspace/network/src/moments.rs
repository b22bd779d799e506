//! Second moments of the activations of several models on the same inputs.

use std::collections::HashMap;

use ndarray::{Array1, Array2};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{NetworkError, Parameter, PermutationSpec, Role};

/// Sums over what the units of one group give in several models for the same inputs. A sample is an image, and of an image with height and
/// width each of its pixels; where several tensors of a residual stream count, each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMoments {
    /// How many samples.
    pub samples: u64,
    /// `Σ z` of each model, `[units]`.
    pub sums: Vec<Array1<f64>>,
    /// `Σ z²` of each model, `[units]`.
    pub squares: Vec<Array1<f64>>,
    /// `Σ z_p z_qᵀ` of each two models p < q, `[units of p, units of q]`, in the order of [`GroupMoments::pairs`].
    pub products: Vec<Array2<f64>>,
}

impl GroupMoments {
    /// Of no samples.
    pub fn zero(units: usize, models: usize) -> GroupMoments {
        GroupMoments::zero_of_widths(&vec![units; models])
    }

    /// Of no samples, for models that have so many units each.
    pub fn zero_of_widths(units: &[usize]) -> GroupMoments {
        let vectors: Vec<Array1<f64>> = units.iter().map(|&units| Array1::zeros(units)).collect();
        let products = GroupMoments::pairs(units.len()).map(|(p, q)| Array2::zeros((units[p], units[q]))).collect();
        GroupMoments { samples: 0, sums: vectors.clone(), squares: vectors, products }
    }

    /// The number of units that all models have, if it is one.
    fn units(&self) -> Option<usize> {
        let units = self.sums.first().map_or(0, Array1::len);
        self.sums.iter().all(|sums| sums.len() == units).then_some(units)
    }

    /// Every two of so many models: (0, 1), (0, 2), .., (1, 2), ..
    pub fn pairs(models: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..models).flat_map(move |p| (p + 1..models).map(move |q| (p, q)))
    }

    /// Of how many models.
    pub fn models(&self) -> usize {
        self.sums.len()
    }

    /// `Σ z_p z_qᵀ`, `[units of p, units of q]`, whichever of two different models comes first.
    ///
    /// # Panics
    /// For one model twice, or a model that is not there.
    pub fn product(&self, p: usize, q: usize) -> Array2<f64> {
        assert!(p != q, "moments of model {p} with itself are not kept");
        let place = |p: usize, q: usize| GroupMoments::pairs(self.models()).position(|pair| pair == (p, q)).expect("a pair of models");
        if p < q { self.products[place(p, q)].clone() } else { self.products[place(q, p)].t().to_owned() }
    }

    /// The moments of some of the models, in this order.
    #[must_use]
    pub fn of_models(&self, models: &[usize]) -> GroupMoments {
        GroupMoments {
            samples: self.samples,
            sums: models.iter().map(|&model| self.sums[model].clone()).collect(),
            squares: models.iter().map(|&model| self.squares[model].clone()).collect(),
            products: GroupMoments::pairs(models.len()).map(|(p, q)| self.product(models[p], models[q])).collect(),
        }
    }

    /// A safetensors file of the moments of every group of a network: `GROUP/samples` (U64, `[1]`), `GROUP/sums` and `GROUP/squares` (F64,
    /// `[models, units]`), `GROUP/products` (F64, `[pairs, units, units]`). Behind the groups there may be the moments of every layer, as
    /// [`Graph::layer_taps`](crate::Graph::layer_taps) has them, under `layers/WEIGHT` in place of `GROUP`. Equal moments give equal bytes.
    /// Where models have other numbers of units, there are `GROUP/sums/MODEL` and `GROUP/squares/MODEL` (F64, `[units]`), and
    /// `GROUP/products/MODEL-MODEL` (F64, `[units, units]`), with models by their numbers; `spec` is then any of theirs.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn to_bytes(all: &[GroupMoments], spec: &PermutationSpec) -> Result<Vec<u8>, NetworkError> {
        let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let bytes = |values: &mut dyn Iterator<Item = f64>| values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>();
        for (moments, (name, units)) in all.iter().zip(places(spec)) {
            let models = moments.models();
            arrays.push((format!("{name}/samples"), Dtype::U64, vec![1], moments.samples.to_le_bytes().to_vec()));
            if moments.units().is_none() {
                for (what, vectors) in [("sums", &moments.sums), ("squares", &moments.squares)] {
                    let named = vectors.iter().enumerate().map(|(model, vector)| {
                        (format!("{name}/{what}/{model}"), Dtype::F64, vec![vector.len()], bytes(&mut vector.iter().copied()))
                    });
                    arrays.extend(named);
                }
                let named = moments.products.iter().zip(GroupMoments::pairs(models)).map(|(product, (p, q))| {
                    let shape = product.shape().to_vec();
                    (format!("{name}/products/{p}-{q}"), Dtype::F64, shape, bytes(&mut product.iter().copied()))
                });
                arrays.extend(named);
                continue;
            }
            for (what, vectors) in [("sums", &moments.sums), ("squares", &moments.squares)] {
                let values = bytes(&mut vectors.iter().flatten().copied());
                arrays.push((format!("{name}/{what}"), Dtype::F64, vec![models, units], values));
            }
            let values = bytes(&mut moments.products.iter().flatten().copied());
            arrays.push((format!("{name}/products"), Dtype::F64, vec![moments.products.len(), units, units], values));
        }
        let mut views = Vec::new();
        for (name, kind, shape, bytes) in &arrays {
            views.push((name.as_str(), TensorView::new(*kind, shape.clone(), bytes).map_err(|error| unreadable(&error))?));
        }
        safetensors::serialize(views, None::<HashMap<String, String>>).map_err(|error| unreadable(&error))
    }

    /// Reads what [`GroupMoments::to_bytes`] wrote, for the groups of a network.
    ///
    /// # Errors
    /// When the bytes are not whole, or of another network.
    pub fn from_bytes(bytes: &[u8], spec: &PermutationSpec) -> Result<Vec<GroupMoments>, NetworkError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| unreadable(&error))?;
        let read = |name: String, kind: Dtype| -> Result<Numbers, NetworkError> {
            let view = file.tensor(&name).map_err(|error| unreadable(&error))?;
            if view.dtype() != kind {
                return Err(NetworkError::Moments { problem: format!("`{name}` is of type {:?}, expected {kind:?}", view.dtype()) });
            }
            let (numbers, _) = view.data().as_chunks::<8>();
            Ok((view.shape().to_vec(), numbers.to_vec()))
        };
        let has_layers = file.names().iter().any(|name| name.starts_with(LAYERS));
        let count = if has_layers { usize::MAX } else { spec.groups.len() };
        let mut all = Vec::with_capacity(spec.groups.len());
        for (name, units) in places(spec).take(count) {
            let (_, samples) = read(format!("{name}/samples"), Dtype::U64)?;
            let samples = samples.first().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if file.names().contains(&format!("{name}/sums/0").as_str()) {
                all.push(of_widths(&name, samples, &read)?);
                continue;
            }
            let floats = |what: &str| -> Result<(usize, Vec<f64>), NetworkError> {
                let (shape, numbers) = read(format!("{name}/{what}"), Dtype::F64)?;
                if shape[1..].iter().any(|&length| length != units) {
                    let problem = format!("`{name}/{what}` has shape {shape:?}, expected {units} units");
                    return Err(NetworkError::Moments { problem });
                }
                Ok((shape[0], numbers.into_iter().map(f64::from_le_bytes).collect()))
            };
            let vectors = |what: &str| -> Result<Vec<Array1<f64>>, NetworkError> {
                let (_, values) = floats(what)?;
                Ok(values.chunks_exact(units).map(|values| Array1::from(values.to_vec())).collect())
            };
            let (sums, squares) = (vectors("sums")?, vectors("squares")?);
            let (pairs, values) = floats("products")?;
            if squares.len() != sums.len() || pairs != GroupMoments::pairs(sums.len()).count() {
                let problem = format!("`{name}` has {} and {} vectors and {pairs} products of models", sums.len(), squares.len());
                return Err(NetworkError::Moments { problem });
            }
            let matrix = |values: &[f64]| Array2::from_shape_vec((units, units), values.to_vec()).expect("as many values as units squared");
            let products = values.chunks_exact(units * units).map(matrix).collect();
            all.push(GroupMoments { samples, sums, squares, products });
        }
        Ok(all)
    }
}

/// The shape of an array, and its numbers of eight bytes.
type Numbers = (Vec<usize>, Vec<[u8; 8]>);

/// The moments of a group of which models have other numbers of units; `read` gives the shape and the numbers of an array.
fn of_widths(
    name: &str,
    samples: u64,
    read: &dyn Fn(String, Dtype) -> Result<Numbers, NetworkError>,
) -> Result<GroupMoments, NetworkError> {
    let floats = |name: String| -> Result<(Vec<usize>, Vec<f64>), NetworkError> {
        let (shape, numbers) = read(name, Dtype::F64)?;
        Ok((shape, numbers.into_iter().map(f64::from_le_bytes).collect()))
    };
    let mut moments = GroupMoments { samples, sums: Vec::new(), squares: Vec::new(), products: Vec::new() };
    while let Ok((_, sums)) = floats(format!("{name}/sums/{}", moments.models())) {
        let (_, squares) = floats(format!("{name}/squares/{}", moments.models()))?;
        moments.sums.push(Array1::from(sums));
        moments.squares.push(Array1::from(squares));
    }
    for (p, q) in GroupMoments::pairs(moments.models()) {
        let (shape, values) = floats(format!("{name}/products/{p}-{q}"))?;
        let units = (moments.sums[p].len(), moments.sums[q].len());
        let product = Array2::from_shape_vec(units, values).map_err(|_| {
            let problem = format!("`{name}/products/{p}-{q}` has shape {shape:?}, expected {units:?}");
            NetworkError::Moments { problem }
        })?;
        moments.products.push(product);
    }
    Ok(moments)
}

/// What names of layers in a file begin with; no name of a group has a slash.
const LAYERS: &str = "layers/";

/// Groups, then layers: names in a file, and numbers of units.
fn places(spec: &PermutationSpec) -> impl Iterator<Item = (String, usize)> {
    let groups = spec.groups.iter().map(|group| (group.name.clone(), group.units));
    let layers = spec.parameters.iter().filter(|parameter| parameter.role == Role::Weight);
    let units = |layer: &Parameter| layer.shape[0] / layer.rows.map_or(1, |rows| rows.block);
    groups.chain(layers.map(move |layer| (format!("{LAYERS}{}", layer.name), units(layer))))
}

fn unreadable(error: &safetensors::SafeTensorError) -> NetworkError {
    NetworkError::Moments { problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blueprint, Graph, Shape};
    use ndarray::array;

    fn graph() -> Graph {
        let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [2, 3]}"#).unwrap();
        Graph::build(&blueprint.build(Shape { channels: 1, height: 1, width: 2 }, 2).unwrap()).unwrap()
    }

    fn moments(units: usize) -> GroupMoments {
        let mut moments = GroupMoments::zero(units, 3);
        moments.samples = 7;
        let mut next = 0.0;
        let mut count = || {
            next += 0.5;
            next
        };
        moments.sums.iter_mut().chain(&mut moments.squares).for_each(|vector| vector.mapv_inplace(|_| count()));
        moments.products.iter_mut().for_each(|matrix| matrix.mapv_inplace(|_| count()));
        moments
    }

    #[test]
    fn moments_are_read_back_as_they_were_written() {
        let graph = graph();
        let all = [moments(2), moments(3)];
        let bytes = GroupMoments::to_bytes(&all, graph.spec()).unwrap();
        assert_eq!(GroupMoments::from_bytes(&bytes, graph.spec()).unwrap(), all);
        let layers = [moments(2), moments(3), moments(2), moments(3), moments(2)];
        let bytes = GroupMoments::to_bytes(&layers, graph.spec()).unwrap();
        assert_eq!(GroupMoments::from_bytes(&bytes, graph.spec()).unwrap(), layers);
        // Those of one network do not pass for another's, even where the file is whole.
        assert!(GroupMoments::to_bytes(&[moments(3), moments(2)], graph.spec()).is_err());
        assert!(GroupMoments::from_bytes(b"nothing", graph.spec()).unwrap_err().to_string().contains("hint: "));
    }

    #[test]
    fn moments_of_several_widths_are_read_back_too() {
        let graph = graph();
        let mut wide = GroupMoments::zero_of_widths(&[2, 5, 2]);
        wide.samples = 9;
        wide.products.iter_mut().enumerate().for_each(|(place, product)| product.fill(place as f64 + 0.5));
        let all = [wide, moments(3)];
        let bytes = GroupMoments::to_bytes(&all, graph.spec()).unwrap();
        let found = GroupMoments::from_bytes(&bytes, graph.spec()).unwrap();
        assert_eq!(found, all);
        assert_eq!(found[0].product(2, 1).dim(), (2, 5));
        assert_eq!(found[0].of_models(&[1, 0]).product(0, 1).dim(), (5, 2));
    }

    #[test]
    fn a_product_of_two_models_is_the_transpose_of_the_other_way_round() {
        let mut moments = GroupMoments::zero(2, 2);
        moments.products[0] = array![[1.0, 2.0], [3.0, 4.0]];
        assert_eq!(moments.product(0, 1), array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(moments.product(1, 0), array![[1.0, 3.0], [2.0, 4.0]]);
        assert_eq!(moments.of_models(&[1, 0]).product(0, 1), array![[1.0, 3.0], [2.0, 4.0]]);
    }
}
