//! Parameters one after the other in one vector: an update is then a few operations on a device, and not a few for each parameter.

use burn::tensor::{Tensor, s};

use crate::tensors::AnyTensor;

/// Each parameter begins at a multiple of so many numbers, where a device can look at it without a copy.
const BEGINNING: usize = 64;
/// The vector has a multiple of so many numbers, which are added up as one row.
const ROW: usize = 4096;

/// The first and second moments of gradients, where there are any.
pub(crate) type Moments = [Option<AnyTensor>; 2];

/// The parameters that have gradients, and their moments.
pub(crate) struct Together {
    parts: Vec<Part>,
    length: usize,
    pub weights: AnyTensor,
    pub moments: Moments,
}

/// A parameter in the vector.
struct Part {
    /// Its place among all parameters.
    place: usize,
    start: usize,
    shape: Vec<usize>,
}

impl Part {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Together {
    /// The parameters that have a gradient, with the moments of each; `None` where none has.
    pub fn new(tensors: &[AnyTensor], gradients: &[Option<AnyTensor>], moments: &[Moments]) -> Option<Together> {
        let (mut parts, mut length) = (Vec::new(), 0);
        for (place, tensor) in tensors.iter().enumerate().filter(|(place, _)| gradients[*place].is_some()) {
            parts.push(Part { place, start: length, shape: tensor.shape() });
            length += tensor.shape().iter().product::<usize>().next_multiple_of(BEGINNING);
        }
        let length = length.next_multiple_of(ROW);
        let first = parts.first()?;
        let empty = AnyTensor::Vector(Tensor::zeros([length], &tensors[first.place].device()));
        let mut together = Together { parts, length, weights: empty, moments: [None, None] };
        together.weights = together.gather(|place| Some(&tensors[place]));
        for number in 0..2 {
            if moments.iter().any(|moments| moments[number].is_some()) {
                together.moments[number] = Some(together.gather(|place| moments[place][number].as_ref()));
            }
        }
        Some(together)
    }

    /// Whether it is of the parameters that have these gradients.
    pub fn is_of(&self, gradients: &[Option<AnyTensor>]) -> bool {
        let places = gradients.iter().enumerate().filter(|(_, gradient)| gradient.is_some()).map(|(place, _)| place);
        places.eq(self.parts.iter().map(|part| part.place))
    }

    /// The numbers of each parameter in one vector, with zeros between them and for what is not there.
    pub fn gather<'a>(&self, of: impl Fn(usize) -> Option<&'a AnyTensor>) -> AnyTensor {
        let empty = Tensor::<1>::zeros([self.length], &self.weights.device());
        let whole = self.parts.iter().fold(empty, |whole, part| match of(part.place) {
            Some(tensor) => whole.slice_assign(s![part.start..part.start + part.len()], tensor.clone().flat()),
            None => whole,
        });
        AnyTensor::Vector(whole)
    }

    /// The parameters of such a vector, each by its place.
    pub fn apart(&self, whole: &AnyTensor) -> impl Iterator<Item = (usize, AnyTensor)> {
        let whole = whole.vector();
        self.parts.iter().map(move |part| {
            let numbers = whole.clone().slice(s![part.start..part.start + part.len()]);
            (part.place, AnyTensor::shaped(numbers, &part.shape))
        })
    }

    /// The sums of squares of such a vector, row by row.
    pub fn sums_of_squares(&self, whole: &AnyTensor) -> Tensor<1> {
        AnyTensor::Matrix(whole.vector().reshape([self.length / ROW, ROW])).sums_of_squares()
    }
}
