use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData};
use ndarray::ArrayD;
use onebasin_network::{Graph, Weights};

use crate::TrainingError;

/// One parameter as a tensor; the rank is in the type, as burn wants it.
#[derive(Clone, Debug)]
pub(crate) enum AnyTensor {
    Vector(Tensor<1>),
    Matrix(Tensor<2>),
    Kernel(Tensor<4>),
}

/// Applies one expression to the tensor of whichever rank and wraps the result again.
macro_rules! map {
    ($any:expr, $tensor:ident => $body:expr) => {
        match $any {
            AnyTensor::Vector($tensor) => AnyTensor::Vector($body),
            AnyTensor::Matrix($tensor) => AnyTensor::Matrix($body),
            AnyTensor::Kernel($tensor) => AnyTensor::Kernel($body),
        }
    };
}

impl AnyTensor {
    pub(crate) fn new(values: Vec<f32>, shape: &[usize], device: &BurnDevice) -> AnyTensor {
        let data = TensorData::new(values, shape.to_vec());
        match shape.len() {
            1 => AnyTensor::Vector(Tensor::from_data(data, device)),
            2 => AnyTensor::Matrix(Tensor::from_data(data, device)),
            4 => AnyTensor::Kernel(Tensor::from_data(data, device)),
            rank => unreachable!("a graph has parameters of rank 1, 2 and 4, not {rank}"),
        }
    }

    /// Numbers in row-major order as a tensor of this shape.
    pub(crate) fn shaped(numbers: Tensor<1>, shape: &[usize]) -> AnyTensor {
        match *shape {
            [_] => AnyTensor::Vector(numbers),
            [rows, columns] => AnyTensor::Matrix(numbers.reshape([rows, columns])),
            [a, b, c, d] => AnyTensor::Kernel(numbers.reshape([a, b, c, d])),
            _ => unreachable!("a graph has parameters of rank 1, 2 and 4, not {}", shape.len()),
        }
    }

    /// The numbers in row-major order.
    pub(crate) fn flat(self) -> Tensor<1> {
        match self {
            AnyTensor::Vector(tensor) => tensor,
            AnyTensor::Matrix(tensor) => tensor.flatten(0, 1),
            AnyTensor::Kernel(tensor) => tensor.flatten(0, 3),
        }
    }

    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            AnyTensor::Vector(tensor) => tensor.dims().to_vec(),
            AnyTensor::Matrix(tensor) => tensor.dims().to_vec(),
            AnyTensor::Kernel(tensor) => tensor.dims().to_vec(),
        }
    }

    pub(crate) fn device(&self) -> BurnDevice {
        match self {
            AnyTensor::Vector(tensor) => tensor.device(),
            AnyTensor::Matrix(tensor) => tensor.device(),
            AnyTensor::Kernel(tensor) => tensor.device(),
        }
    }

    pub(crate) fn vector(&self) -> Tensor<1> {
        match self {
            AnyTensor::Vector(tensor) => tensor.clone(),
            _ => unreachable!("the graph binds a vector here"),
        }
    }

    pub(crate) fn matrix(&self) -> Tensor<2> {
        match self {
            AnyTensor::Matrix(tensor) => tensor.clone(),
            _ => unreachable!("the graph binds a matrix here"),
        }
    }

    pub(crate) fn kernel(&self) -> Tensor<4> {
        match self {
            AnyTensor::Kernel(tensor) => tensor.clone(),
            _ => unreachable!("the graph binds a kernel here"),
        }
    }

    /// A leaf of a new tape over the same values.
    pub(crate) fn tracked(&self) -> AnyTensor {
        map!(self, tensor => Tensor::from_inner(tensor.clone()).require_grad())
    }

    /// The same values on a tape, as a constant.
    pub(crate) fn constant(&self) -> AnyTensor {
        map!(self, tensor => Tensor::from_inner(tensor.clone()))
    }

    /// Takes this leaf's gradient out of `gradients`.
    pub(crate) fn take_gradient(&self, gradients: &mut Gradients) -> Option<AnyTensor> {
        Some(match self {
            AnyTensor::Vector(tensor) => AnyTensor::Vector(tensor.grad_remove(gradients)?),
            AnyTensor::Matrix(tensor) => AnyTensor::Matrix(tensor.grad_remove(gradients)?),
            AnyTensor::Kernel(tensor) => AnyTensor::Kernel(tensor.grad_remove(gradients)?),
        })
    }

    pub(crate) fn zeros_like(&self) -> AnyTensor {
        map!(self, tensor => tensor.zeros_like())
    }

    pub(crate) fn add(self, other: AnyTensor) -> AnyTensor {
        match (self, other) {
            (AnyTensor::Vector(a), AnyTensor::Vector(b)) => AnyTensor::Vector(a + b),
            (AnyTensor::Matrix(a), AnyTensor::Matrix(b)) => AnyTensor::Matrix(a + b),
            (AnyTensor::Kernel(a), AnyTensor::Kernel(b)) => AnyTensor::Kernel(a + b),
            _ => unreachable!("parameter, gradient and moments have one shape"),
        }
    }

    pub(crate) fn divide(self, other: AnyTensor) -> AnyTensor {
        match (self, other) {
            (AnyTensor::Vector(a), AnyTensor::Vector(b)) => AnyTensor::Vector(a / b),
            (AnyTensor::Matrix(a), AnyTensor::Matrix(b)) => AnyTensor::Matrix(a / b),
            (AnyTensor::Kernel(a), AnyTensor::Kernel(b)) => AnyTensor::Kernel(a / b),
            _ => unreachable!("parameter, gradient and moments have one shape"),
        }
    }

    pub(crate) fn scale(self, factor: f64) -> AnyTensor {
        map!(self, tensor => tensor.mul_scalar(factor))
    }

    pub(crate) fn square(self) -> AnyTensor {
        map!(self, tensor => tensor.clone() * tensor)
    }

    /// `√x + ε`.
    pub(crate) fn root_plus(self, epsilon: f64) -> AnyTensor {
        map!(self, tensor => tensor.sqrt().add_scalar(epsilon))
    }

    /// The values in row-major order, without a copy where the device allows it.
    pub(crate) fn into_values(self) -> Vec<f32> {
        let data = match self {
            AnyTensor::Vector(tensor) => tensor.into_data(),
            AnyTensor::Matrix(tensor) => tensor.into_data(),
            AnyTensor::Kernel(tensor) => tensor.into_data(),
        };
        data.try_into_vec::<f32>().expect("every tensor of this crate holds f32")
    }

    /// The sum of squares of each row, of a vector's all, on the device.
    pub(crate) fn sums_of_squares(&self) -> Tensor<1> {
        let rows = match self {
            AnyTensor::Vector(tensor) => tensor.clone().unsqueeze_dim::<2>(0),
            AnyTensor::Matrix(tensor) => tensor.clone(),
            AnyTensor::Kernel(tensor) => tensor.clone().flatten::<2>(1, 3),
        };
        (rows.clone() * rows).sum_dim(1).flatten(0, 1)
    }

    /// The sum of squares, in `f64`.
    pub(crate) fn sum_of_squares(&self) -> f64 {
        self.clone().into_values().iter().map(|&value| f64::from(value).powi(2)).sum()
    }
}

/// The parameters of a graph as tensors, in the order of its specification, in the layout of its specification.
#[derive(Clone, Debug)]
pub(crate) struct Tensors(pub(crate) Vec<AnyTensor>);

impl Tensors {
    pub(crate) fn new(graph: &Graph, weights: &Weights, device: &BurnDevice) -> Tensors {
        let place = |name: &str| {
            let array = weights.get(name);
            let values = array.iter().copied().collect();
            AnyTensor::new(values, array.shape(), device)
        };
        Tensors(graph.spec().parameters.iter().map(|parameter| place(&parameter.name)).collect())
    }

    /// `(1 - λ) self + λ other`; parameters of `left_out` are those of `self`, for callers that do not use them.
    pub(crate) fn between(&self, other: &Tensors, lambda: f64, left_out: &[usize]) -> Tensors {
        let pairs = self.0.iter().zip(&other.0).enumerate();
        let between = |(place, (a, b)): (usize, (&AnyTensor, &AnyTensor))| {
            if left_out.contains(&place) { a.clone() } else { a.clone().scale(1.0 - lambda).add(b.clone().scale(lambda)) }
        };
        Tensors(pairs.map(between).collect())
    }

    pub(crate) fn into_weights(self, graph: &Graph) -> Result<Weights, TrainingError> {
        let arrays = graph.spec().parameters.iter().zip(self.0).map(|(parameter, tensor)| {
            let array = ArrayD::from_shape_vec(parameter.shape.as_slice(), tensor.into_values());
            (parameter.name.clone(), array.expect("a tensor keeps the shape of its parameter"))
        });
        Ok(Weights::new(graph.spec(), arrays.collect())?)
    }
}
