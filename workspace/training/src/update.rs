use crate::Device;
use crate::kernels::{FlexTensor, Kernels, buffers, slice};
use crate::optimizer::{Adam, Optimizer, Sgd};
use crate::tensors::{AnyTensor, Tensors};
use crate::together::{Moments, Together};
use burn::backend::Flex;
use burn::tensor::Tensor;

/// An optimiser at work: its options and what it remembers of earlier gradients.
pub(crate) struct Updater<'a> {
    optimizer: &'a Optimizer,
    clip: Option<f64>,
    kernels: Kernels,
    /// Whether reading values costs nothing.
    host: bool,
    updates: i32,
    /// First and second moments of each parameter, once it has had a gradient, as far as they are not together.
    moments: Vec<Moments>,
    /// The same of all parameters, on a device that computes on its own.
    together: Option<Together>,
}

impl<'a> Updater<'a> {
    pub(crate) fn new(optimizer: &'a Optimizer, clip: Option<f64>, device: &Device, parameters: usize) -> Updater<'a> {
        let moments = (0..parameters).map(|_| [None, None]).collect();
        Updater { optimizer, clip, kernels: device.kernels(), host: device.is_host(), updates: 0, moments, together: None }
    }

    /// First and second moments of each parameter, where it has any.
    pub(crate) fn moments(&self) -> Vec<[Option<Vec<f32>>; 2]> {
        let values = |moment: &Option<AnyTensor>| moment.clone().map(AnyTensor::into_values);
        self.moments_apart().iter().map(|[first, second]| [values(first), values(second)]).collect()
    }

    fn moments_apart(&self) -> Vec<Moments> {
        let mut moments = self.moments.clone();
        if let Some(together) = &self.together {
            for (number, whole) in together.moments.iter().enumerate() {
                for (place, moment) in whole.iter().flat_map(|whole| together.apart(whole)) {
                    moments[place][number] = Some(moment);
                }
            }
        }
        moments
    }

    /// Goes on after `updates` updates that left these moments.
    pub(crate) fn restore(&mut self, updates: usize, moments: Vec<Moments>) {
        self.updates = i32::try_from(updates).unwrap_or(i32::MAX);
        self.moments = moments;
        self.together = None;
    }

    /// Forgets all earlier gradients.
    pub(crate) fn forget(&mut self) {
        let together = self.together.iter_mut().map(|together| &mut together.moments);
        self.moments.iter_mut().chain(together).for_each(|moments| *moments = [None, None]);
    }

    /// One step at learning rate `rate`; parameters without a gradient stay.
    pub(crate) fn update(&mut self, tensors: &mut Tensors, gradients: Vec<Option<AnyTensor>>, rate: f64) {
        self.updates += 1;
        if !self.host {
            self.update_together(tensors, &gradients, rate);
            return;
        }
        let factor = self.clip.map_or(1.0, |clip| clip_factor(&gradients, clip));
        let old = std::mem::take(&mut tensors.0);
        for ((tensor, gradient), moments) in old.into_iter().zip(gradients).zip(&mut self.moments) {
            let Some(gradient) = gradient else {
                tensors.0.push(tensor);
                continue;
            };
            let step = Step { rate, factor, updates: self.updates };
            tensors.0.push(match self.kernels {
                Kernels::Plain => step.plain(self.optimizer, tensor, gradient, moments),
                Kernels::Fused => step.fused(self.optimizer, tensor, gradient, moments),
            });
        }
    }
}

impl Updater<'_> {
    /// The same in operations on one vector of all parameters; the device is waited for once, where gradients are clipped.
    fn update_together(&mut self, tensors: &mut Tensors, gradients: &[Option<AnyTensor>], rate: f64) {
        if !self.together.as_ref().is_some_and(|together| together.is_of(gradients)) {
            self.moments = self.moments_apart();
            self.together = Together::new(&tensors.0, gradients, &self.moments);
            self.moments.iter_mut().for_each(|moments| *moments = [None, None]);
        }
        let Some(together) = &mut self.together else { return };
        let gradient = together.gather(|place| gradients[place].as_ref());
        let factor = self.clip.map_or(1.0, |clip| {
            let rows = AnyTensor::Vector(together.sums_of_squares(&gradient)).into_values();
            within(clip, rows.into_iter().map(f64::from).sum())
        });
        let step = Step { rate, factor, updates: self.updates };
        let weights = step.plain(self.optimizer, together.weights.clone(), gradient, &mut together.moments);
        for (place, tensor) in together.apart(&weights) {
            tensors.0[place] = tensor;
        }
        together.weights = weights;
    }
}

/// What scales gradients whose squares have this sum so that their norm is at most `clip`.
///
/// Source: PyTorch, `torch.nn.utils.clip_grad_norm_` (with its 1e-6 against division by nothing).
fn within(clip: f64, square: f64) -> f64 {
    (clip / (square.sqrt() + 1e-6)).min(1.0)
}

fn clip_factor(gradients: &[Option<AnyTensor>], clip: f64) -> f64 {
    within(clip, gradients.iter().flatten().map(AnyTensor::sum_of_squares).sum())
}

struct Step {
    rate: f64,
    factor: f64,
    updates: i32,
}

impl Step {
    /// `rate / (1 - β₁ᵗ)` and `√(1 - β₂ᵗ)`.
    fn corrections(&self, adam: &Adam) -> (f64, f64) {
        let [first, second] = adam.betas;
        (self.rate / (1.0 - first.powi(self.updates)), (1.0 - second.powi(self.updates)).sqrt())
    }

    fn plain(&self, optimizer: &Optimizer, tensor: AnyTensor, gradient: AnyTensor, moments: &mut Moments) -> AnyTensor {
        let decay = match optimizer {
            Optimizer::Sgd(Sgd { weight_decay, .. }) | Optimizer::Adam(Adam { weight_decay, .. }) => *weight_decay,
        };
        let gradient = if self.factor < 1.0 { gradient.scale(self.factor) } else { gradient };
        let gradient = if decay > 0.0 { gradient.add(tensor.clone().scale(decay)) } else { gradient };
        let [first, second] = moments;
        match optimizer {
            Optimizer::Sgd(sgd) => {
                let direction = if sgd.momentum > 0.0 {
                    let memory = match first.take() {
                        Some(memory) => memory.scale(sgd.momentum).add(gradient.clone()),
                        None => gradient.clone(),
                    };
                    *first = Some(memory.clone());
                    if sgd.nesterov { gradient.add(memory.scale(sgd.momentum)) } else { memory }
                } else {
                    gradient
                };
                tensor.add(direction.scale(-self.rate))
            }
            Optimizer::Adam(adam) => {
                let old = |moment: &mut Option<AnyTensor>| moment.take().unwrap_or_else(|| gradient.zeros_like());
                let [beta, beta_square] = adam.betas;
                let mean = old(first).scale(beta).add(gradient.clone().scale(1.0 - beta));
                let square = old(second).scale(beta_square).add(gradient.clone().square().scale(1.0 - beta_square));
                let (rate, root) = self.corrections(adam);
                let scale = square.clone().scale(1.0 / (root * root)).root_plus(adam.epsilon);
                (*first, *second) = (Some(mean.clone()), Some(square));
                tensor.add(mean.divide(scale).scale(-rate))
            }
        }
    }

    /// The same in one pass over memory, into the parameter's own storage.
    fn fused(&self, optimizer: &Optimizer, tensor: AnyTensor, gradient: AnyTensor, moments: &mut Moments) -> AnyTensor {
        let mut parameter = to_flex(tensor);
        let spent = to_flex(gradient);
        let gradient = slice(&spent);
        let fresh = |moment: &mut Option<AnyTensor>| {
            moment.take().map_or_else(|| FlexTensor::zeros(parameter.layout().shape().clone(), parameter.dtype()), to_flex)
        };
        let factor = self.factor as f32;
        let [first, second] = moments;
        match optimizer {
            Optimizer::Sgd(sgd) => {
                let (rate, decay, momentum) = (self.rate as f32, sgd.weight_decay as f32, sgd.momentum as f32);
                if momentum == 0.0 {
                    for (value, gradient) in parameter.storage_mut::<f32>().iter_mut().zip(gradient) {
                        *value -= rate * (gradient * factor + decay * *value);
                    }
                } else {
                    let mut memory = fresh(first);
                    let values = parameter.storage_mut::<f32>().iter_mut().zip(memory.storage_mut::<f32>()).zip(gradient);
                    if sgd.nesterov {
                        for ((value, memory), gradient) in values {
                            let slope = gradient * factor + decay * *value;
                            *memory = momentum * *memory + slope;
                            *value -= rate * (slope + momentum * *memory);
                        }
                    } else {
                        for ((value, memory), gradient) in values {
                            *memory = momentum * *memory + (gradient * factor + decay * *value);
                            *value -= rate * *memory;
                        }
                    }
                    *first = Some(from_flex(memory));
                }
            }
            Optimizer::Adam(adam) => {
                let (mut mean, mut square) = (fresh(first), fresh(second));
                let [beta, beta_square] = adam.betas.map(|beta| beta as f32);
                let [rest, rest_square] = adam.betas.map(|beta| (1.0 - beta) as f32);
                let (rate, root) = self.corrections(adam);
                let (rate, root, epsilon, decay) = (rate as f32, (1.0 / root) as f32, adam.epsilon as f32, adam.weight_decay as f32);
                let values = parameter.storage_mut::<f32>().iter_mut().zip(gradient);
                for ((value, gradient), (mean, square)) in values.zip(mean.storage_mut::<f32>().iter_mut().zip(square.storage_mut::<f32>()))
                {
                    let slope = gradient * factor + decay * *value;
                    *mean = beta * *mean + rest * slope;
                    *square = beta_square * *square + rest_square * (slope * slope);
                    *value -= rate * *mean / (square.sqrt() * root + epsilon);
                }
                (*first, *second) = (Some(from_flex(mean)), Some(from_flex(square)));
            }
        }
        buffers::give_back(spent);
        from_flex(parameter)
    }
}

fn to_flex(tensor: AnyTensor) -> FlexTensor {
    let primitive = match tensor {
        AnyTensor::Vector(tensor) => tensor.try_into_primitive::<Flex>(),
        AnyTensor::Matrix(tensor) => tensor.try_into_primitive::<Flex>(),
        AnyTensor::Kernel(tensor) => tensor.try_into_primitive::<Flex>(),
    };
    let primitive = primitive.expect("fused kernels are chosen for the `cpu` device only");
    // In place only when the tensor is the whole of its storage.
    let whole = primitive.as_slice::<f32>().is_some_and(|values| size_of_val(values) == primitive.bytes().len());
    if whole { primitive } else { FlexTensor::from_data(primitive.into_data()) }
}

fn from_flex(primitive: FlexTensor) -> AnyTensor {
    match primitive.layout().shape().len() {
        1 => AnyTensor::Vector(Tensor::from_primitive::<Flex>(primitive)),
        2 => AnyTensor::Matrix(Tensor::from_primitive::<Flex>(primitive)),
        _ => AnyTensor::Kernel(Tensor::from_primitive::<Flex>(primitive)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> [Device; 2] {
        let device = Device::select("cpu").unwrap();
        [device.clone().plain(), device]
    }

    /// The weight 1 after gradients 0.2, -0.1 and 0.3 at rate 0.1, by both forms of the update.
    fn steps(optimizer: Optimizer) -> [Vec<f64>; 2] {
        devices().map(|on| {
            let device = on.burn();
            let mut tensors = Tensors(vec![AnyTensor::Vector(Tensor::from_floats([1.0], &device))]);
            let mut updater = Updater::new(&optimizer, None, &on, 1);
            let mut step = |gradient: f32| {
                let gradient = AnyTensor::Vector(Tensor::from_floats([gradient], &device));
                updater.update(&mut tensors, vec![Some(gradient)], 0.1);
                f64::from(tensors.0[0].clone().into_values()[0])
            };
            vec![step(0.2), step(-0.1), step(0.3)]
        })
    }

    fn assert_steps(optimizer: Optimizer, expected: [f64; 3]) {
        for came in steps(optimizer) {
            for (came, expected) in came.iter().zip(expected) {
                assert!((came - expected).abs() < 3e-7, "{came} and {expected}");
            }
        }
    }

    fn sgd(momentum: f64, nesterov: bool, weight_decay: f64) -> Optimizer {
        Optimizer::Sgd(Sgd { learning_rate: 0.1, momentum, nesterov, weight_decay, reset_each_epoch: false })
    }

    fn adam(weight_decay: f64) -> Optimizer {
        Optimizer::Adam(Adam { learning_rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay })
    }

    #[test]
    fn plain_descent_takes_the_steps_worked_by_hand() {
        // 1 - 0.02, + 0.01, - 0.03.
        assert_steps(sgd(0.0, false, 0.0), [0.98, 0.99, 0.96]);
    }

    #[test]
    fn momentum_and_decay_take_the_steps_of_pytorch() {
        // d = 0.2 + 0.5 = 0.7, w = 0.93; d = -0.1 + 0.465, b = 0.63 + 0.365 = 0.995, w = 0.8305; ...
        assert_steps(sgd(0.9, false, 0.5), [0.93, 0.8305, 0.669425]);
    }

    #[test]
    fn nesterov_takes_the_steps_of_pytorch() {
        // d = 0.7, b = 0.7, direction 0.7 + 0.63 = 1.33; ...
        assert_steps(sgd(0.9, true, 0.5), [0.867, 0.746935, 0.5409327]);
    }

    #[test]
    fn adam_takes_the_steps_of_pytorch() {
        assert_steps(adam(0.0), [0.9, 0.8733663, 0.8098342]);
        assert_steps(adam(0.5), [0.9, 0.806782, 0.7104874]);
    }

    #[test]
    fn gradients_longer_than_the_clip_are_scaled_to_it_together() {
        for on in devices() {
            let device = on.burn();
            let zeros = || AnyTensor::Vector(Tensor::zeros([1], &device));
            let mut tensors = Tensors(vec![zeros(), zeros()]);
            let gradient = |value: f32| Some(AnyTensor::Vector(Tensor::from_floats([value], &device)));
            let optimizer = sgd(0.0, false, 0.0);
            // (3, 4) has norm 5; scaled to norm 1 it is (0.6, 0.8).
            Updater::new(&optimizer, Some(1.0), &on, 2).update(&mut tensors, vec![gradient(3.0), gradient(4.0)], 1.0);
            let values: Vec<f32> = tensors.0.into_iter().flat_map(AnyTensor::into_values).collect();
            assert!((values[0] + 0.6).abs() < 1e-6 && (values[1] + 0.8).abs() < 1e-6, "{values:?}");
        }
    }

    /// Parameters of every rank, one without a gradient, and gradients of a step.
    fn parameters(device: &burn::tensor::Device, seed: usize) -> Vec<AnyTensor> {
        let values = |count: usize| (0..count).map(|place| ((place * 37 + seed * 11) % 19) as f32 / 7.0 - 1.0).collect::<Vec<f32>>();
        let shapes: [&[usize]; 4] = [&[5], &[4, 3], &[70], &[2, 3, 3, 3]];
        shapes.map(|shape| AnyTensor::new(values(shape.iter().product()), shape, device)).into()
    }

    #[test]
    fn updates_of_one_vector_are_those_of_each_parameter_and_go_on_from_a_snapshot() {
        let on = devices()[0].clone();
        let device = on.burn();
        let gradients = |seed: usize| {
            let mut gradients: Vec<_> = parameters(&device, seed).into_iter().map(Some).collect();
            gradients[2] = None;
            gradients
        };
        let after = |updater: &mut Updater<'_>, tensors: &mut Tensors, seed: usize| {
            updater.update(tensors, gradients(seed), 0.1);
            tensors.0.iter().flat_map(|tensor| tensor.clone().into_values()).collect::<Vec<f32>>()
        };
        for optimizer in [sgd(0.0, false, 0.1), sgd(0.9, false, 0.1), sgd(0.9, true, 0.0), adam(0.1)] {
            for clip in [None, Some(0.5)] {
                let mut each = Updater::new(&optimizer, clip, &on, 4);
                let mut together = Updater { host: false, ..Updater::new(&optimizer, clip, &on, 4) };
                let [mut one, mut other] = [(); 2].map(|()| Tensors(parameters(&device, 0)));
                for seed in 1..6 {
                    if seed == 3 {
                        // As a snapshot does.
                        let moments = together.moments_apart();
                        together = Updater { host: false, ..Updater::new(&optimizer, clip, &on, 4) };
                        together.restore(2, moments);
                    }
                    if seed == 5 {
                        each.forget();
                        together.forget();
                    }
                    let (expected, came) = (after(&mut each, &mut one, seed), after(&mut together, &mut other, seed));
                    let apart = expected.iter().zip(&came).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
                    // Only the length of all gradients is added up in another order.
                    assert!(apart <= if clip.is_some() { 1e-6 } else { 0.0 }, "{optimizer:?}, {clip:?}, step {seed}: {apart} apart");
                }
            }
        }
    }
}
