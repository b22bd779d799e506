use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Role, Weights};
use onebasin_repro::Stream;

use crate::forward::{BatchNormStats, Mode, Program};
use crate::inputs::Inputs;
use crate::kernels::{buffers, cross_entropy};
use crate::tensors::{AnyTensor, Tensors};
use crate::update::Updater;
use crate::{Device, Training, TrainingError, initialise};

/// Where a training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Epochs begun before this one.
    pub epoch: usize,
    /// Steps done.
    pub step: usize,
    /// Steps of the whole training.
    pub steps: usize,
    /// Mean loss of the batches of this epoch so far.
    pub loss: f64,
    /// The learning rate of the last step.
    pub rate: f64,
}

/// Share of a batch's statistics in the running ones of a batch norm.
///
/// Source: PyTorch, `torch.nn.BatchNorm2d`, `momentum`.
const RUNNING_SHARE: f64 = 0.1;

/// At most this long between two calls of the watcher.
const PATIENCE: Duration = Duration::from_millis(50);

/// Trains a network from fresh weights and returns those after the last step.
///
/// Weights come from `stream / init / <parameter>`, the order of images of epoch `e` from `stream / order / epoch-<e>`, the augmentation of
/// image `i` from `stream / augmentation / epoch-<e> / <i>`; nothing else is random. On the CPU the result depends on neither the number of threads nor on other work in the process. `watch` is called at least
/// after every epoch, and may stop the training.
///
/// # Errors
/// When the options are impossible, the data do not fit the network, the loss stops being a number, or `watch` breaks off.
pub fn fit(
    graph: &Graph,
    data: &Split,
    normalisation: &Normalisation,
    training: &Training,
    stream: &Stream,
    device: &Device,
    watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Weights, TrainingError> {
    training.check()?;
    let inputs = Inputs::new(graph, data, normalisation)?;
    let span = training.span(data.labels.len())?;
    training.check_norms(graph, data.labels.len())?;
    let program = Program::new(graph, device)?;
    let weights = initialise(graph, training.initialisation, &stream.child("init"))?;
    let burn = device.burn();
    let tape = burn.clone().autodiff();
    let mut tensors = Tensors::new(graph, &weights, &burn);
    let learned: Vec<bool> = graph.spec().parameters.iter().map(|parameter| is_learned(parameter.role)).collect();
    let mut updater = Updater::new(&training.optimizer, training.gradient_clip, device.kernels(), learned.len());
    let peak = training.optimizer.learning_rate();
    let (orders, disturbances) = (stream.child("order"), stream.child("augmentation"));
    let (mut order, mut pixels) = (Vec::new(), Vec::new());
    let mut losses = Losses::default();
    let mut last_watch = Instant::now();
    for step in 0..span.steps {
        let (epoch, place) = (step / span.steps_per_epoch, step % span.steps_per_epoch);
        if place == 0 {
            order = orders.child(format!("epoch-{epoch}")).shuffled(data.labels.len());
            losses = Losses::default();
        }
        let batch = &order[place * training.batch..data.labels.len().min((place + 1) * training.batch)];
        let labels: Vec<u8> = batch.iter().map(|&index| data.labels[index as usize]).collect();
        let images = match &training.augmentation {
            None => inputs.gather(batch.iter().map(|&index| index as usize), &tape),
            Some(augmentation) => inputs.gather_augmented(batch, (augmentation, epoch, &disturbances), &mut pixels, &tape),
        };
        let rate = training.schedule.rate(peak, step, span);

        let on_tape = |(tensor, learned): (&AnyTensor, &bool)| if *learned { tensor.tracked() } else { tensor.constant() };
        let leaves = Tensors(tensors.0.iter().zip(&learned).map(on_tape).collect());
        let pass = program.run(&leaves, images, Mode::Train);
        let loss = cross_entropy(pass.logits, &labels, device.kernels());
        let mut gradients = loss.backward();
        let taken =
            leaves.0.iter().zip(&learned).map(|(leaf, learned)| learned.then(|| leaf.take_gradient(&mut gradients)).flatten()).collect();
        // Gone before the update, so that it finds the parameters unshared and writes in place.
        drop((leaves, gradients));
        updater.update(&mut tensors, taken, rate);
        for seen in pass.seen {
            mix_running(&mut tensors, seen);
        }

        losses.push(loss.inner());
        let ends = place + 1 == span.steps_per_epoch || step + 1 == span.steps;
        // Reading a loss waits for a device that computes on its own, so it is done seldom there.
        if device.is_host() || ends || losses.unread.len() == 50 {
            losses.read(step, epoch)?;
        }
        if ends || (last_watch.elapsed() >= PATIENCE && losses.unread.is_empty()) {
            last_watch = Instant::now();
            let progress = Progress { epoch, step: step + 1, steps: span.steps, loss: losses.mean(), rate };
            if watch(&progress).is_break() && step + 1 < span.steps {
                return Err(TrainingError::Interrupted { step: step + 1, steps: span.steps });
            }
        }
    }
    buffers::clear();
    tensors.into_weights(graph)
}

fn is_learned(role: Role) -> bool {
    match role {
        Role::Weight | Role::Bias | Role::Scale | Role::Shift => true,
        Role::RunningMean | Role::RunningVariance => false,
    }
}

fn mix_running(tensors: &mut Tensors, seen: BatchNormStats) {
    let (mean, variance) = seen.running;
    for (place, value) in [(mean, seen.mean), (variance, seen.variance)] {
        let running = tensors.0[place].vector();
        tensors.0[place] = AnyTensor::Vector(running.mul_scalar(1.0 - RUNNING_SHARE) + value.inner().mul_scalar(RUNNING_SHARE));
    }
}

/// The losses of an epoch: those still on the device, and the sum of those read.
#[derive(Default)]
struct Losses {
    unread: Vec<Tensor<1>>,
    sum: f64,
    count: usize,
}

impl Losses {
    fn push(&mut self, loss: Tensor<1>) {
        self.unread.push(loss);
    }

    /// `step` is that of the newest loss.
    fn read(&mut self, step: usize, epoch: usize) -> Result<(), TrainingError> {
        let first = step + 1 - self.unread.len();
        let losses = Tensor::cat(std::mem::take(&mut self.unread), 0).into_data().try_into_vec::<f32>().expect("losses are f32");
        for (place, loss) in losses.into_iter().map(f64::from).enumerate() {
            if !loss.is_finite() {
                return Err(TrainingError::Diverged { loss, step: first + place, epoch });
            }
            self.sum += loss;
            self.count += 1;
        }
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}
