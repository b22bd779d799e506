use std::time::{Duration, Instant};

use burn::tensor::{Device as BurnDevice, Tensor};
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Role, Weights, fold_batch_norms};
use onebasin_repro::Stream;

use crate::distillation::Teachers;
use crate::forward::{BatchNormStats, Mode, Program};
use crate::initialise::first_weights;
use crate::inputs::Inputs;
use crate::kernels::{buffers, cross_entropy, distilled};
use crate::learning_curve::LearningCurve;
use crate::mode_path::{Controls, ModePath};
use crate::tensors::{AnyTensor, Tensors};
use crate::update::Updater;
use crate::{CurvePoint, Device, Distillation, Snapshot, Span, Training, TrainingError, largest_buffer};

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

/// What a training leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The weights after the last step, of the network that [`Training::leaves`].
    pub weights: Weights,
    /// Loss and rate over the steps.
    pub curve: Vec<CurvePoint>,
}

/// Share of a batch's statistics in the running ones of a batch norm.
///
/// Source: PyTorch, `torch.nn.BatchNorm2d`, `momentum`.
const RUNNING_SHARE: f64 = 0.1;

/// At least this long between two returns of [`TrainingRun::advance`], but for ends of epochs.
const PATIENCE: Duration = Duration::from_millis(50);

/// A training under way: from fresh weights, or from a [`Snapshot`] of an earlier run of the same training.
///
/// Weights come from `stream / init / <parameter>`, the order of images of epoch `e` from `stream / order / epoch-<e>`, the
/// augmentation of image `i` from `stream / augmentation / epoch-<e> / <i>`; nothing else is random. On the CPU the result depends on
/// neither the number of threads, nor on other work in the process, nor on interruptions.
pub struct TrainingRun<'a> {
    graph: &'a Graph,
    training: &'a Training,
    inputs: Inputs<'a>,
    program: Program<'a>,
    span: Span,
    device: &'a Device,
    tape: BurnDevice,
    learned: Vec<bool>,
    /// The parameters; of a path, those of its bends, one bend after the other.
    tensors: Tensors,
    path: Option<Controls>,
    teachers: Option<Teachers<'a>>,
    updater: Updater<'a>,
    orders: Stream,
    disturbances: Stream,
    order: Vec<u32>,
    pixels: Vec<u8>,
    losses: Losses,
    curve: LearningCurve,
    /// Steps done.
    step: usize,
}

impl<'a> TrainingRun<'a> {
    /// A training before its first step.
    ///
    /// # Errors
    /// When the options are impossible, or the data do not fit the network.
    pub fn new(
        graph: &'a Graph,
        data: &'a Split,
        normalisation: &Normalisation,
        training: &'a Training,
        stream: &Stream,
        device: &'a Device,
    ) -> Result<TrainingRun<'a>, TrainingError> {
        training.check()?;
        let inputs = Inputs::new(graph, data, normalisation)?;
        let span = training.span(data.labels.len())?;
        training.check_norms(graph, data.labels.len())?;
        largest_buffer::check(graph, training.batch.min(data.labels.len()), device)?;
        let program = Program::new(graph, device)?;
        let weights = first_weights(graph, training, &stream.child("init"))?;
        let burn = device.burn();
        let tape = burn.clone().autodiff();
        // Disturbed images are made by the host anyway.
        let inputs = if training.augmentation.is_none() { inputs.resident_on(device, &tape) } else { inputs };
        let tensors = Tensors::new(graph, &weights, &burn);
        let learned: Vec<bool> = graph.spec().parameters.iter().map(|parameter| is_learned(parameter.role)).collect();
        Ok(TrainingRun {
            graph,
            training,
            inputs,
            program,
            span,
            device,
            tape,
            tensors,
            path: None,
            teachers: None,
            updater: Updater::new(&training.optimizer, training.gradient_clip, device, learned.len()),
            learned,
            orders: stream.child("order"),
            disturbances: stream.child("augmentation"),
            order: Vec::new(),
            pixels: Vec::new(),
            losses: Losses::default(),
            curve: LearningCurve::new(),
            step: 0,
        })
    }

    /// The same from other weights than fresh ones: fine-tuning. The optimiser begins anew.
    ///
    /// # Errors
    /// When the weights are of another network.
    pub fn starting_from(mut self, weights: &Weights) -> Result<TrainingRun<'a>, TrainingError> {
        weights.fits(self.graph.spec())?;
        self.tensors = Tensors::new(self.graph, weights, &self.device.burn());
        Ok(self)
    }

    /// The same with a loss that also says how far the network is from what teachers say of the same images, disturbed alike.
    ///
    /// # Errors
    /// When the options make no sense, there is no teacher, or one of them sees other images or knows other classes.
    pub fn taught_by(self, teachers: &[(&'a Graph, &Weights)], distillation: Distillation) -> Result<TrainingRun<'a>, TrainingError> {
        let teachers = Teachers::new(teachers, self.graph, distillation, self.device)?;
        Ok(TrainingRun { teachers: Some(teachers), ..self })
    }

    /// Trains the bends of a path in place of a network: each step draws one `t` from `[0, 1)`, takes the network at `t`, and moves every bend
    /// by its gradient times the bend's coefficient. The ends stay. `penalty` is an L2 penalty of the network at `t`.
    ///
    /// Point `t` of step `s` comes from `stream / path / step-<s>`, where `stream` is that of the training. Running statistics of batch norms
    /// are those of the bends as they came: estimate them anew at the point that is used.
    ///
    /// Source: Garipov et al. 2018 (arXiv 1802.10026), section 3.
    ///
    /// # Errors
    /// When the path has other numbers of bends, or weights are of another network.
    pub fn along(
        mut self,
        path: ModePath,
        ends: [&Weights; 2],
        bends: &[Weights],
        penalty: f64,
        stream: &Stream,
    ) -> Result<TrainingRun<'a>, TrainingError> {
        path.check()?;
        if bends.len() != path.bends {
            let problem = format!("{} bends for a path of {}", bends.len(), path.bends);
            return Err(TrainingError::Path { problem });
        }
        for weights in ends.into_iter().chain(bends) {
            weights.fits(self.graph.spec())?;
        }
        let burn = self.device.burn();
        let tensors = |weights: &Weights| Tensors::new(self.graph, weights, &burn);
        self.tensors = Tensors(bends.iter().flat_map(|bend| tensors(bend).0).collect());
        self.updater = Updater::new(&self.training.optimizer, self.training.gradient_clip, self.device, self.tensors.0.len());
        self.path = Some(Controls { path, ends: ends.map(tensors), draws: stream.child("path"), penalty });
        Ok(self)
    }

    /// Steps done, those before a snapshot included.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Whether every step is done.
    pub fn is_done(&self) -> bool {
        self.step == self.span.steps
    }

    /// Does steps for a moment, at least one, at most to the end of an epoch, and tells where the training stands.
    ///
    /// # Errors
    /// When the loss stops being a number.
    ///
    /// # Panics
    /// When every step is done.
    pub fn advance(&mut self) -> Result<Progress, TrainingError> {
        assert!(!self.is_done(), "a training has no step after its last");
        let begun = Instant::now();
        loop {
            let (epoch, place) = (self.step / self.span.steps_per_epoch, self.step % self.span.steps_per_epoch);
            let rate = self.take_step(epoch, place);
            let ends = place + 1 == self.span.steps_per_epoch || self.step == self.span.steps;
            // Reading a loss waits for a device that computes on its own, so it is done seldom there.
            if self.device.is_host() || ends || self.losses.unread.len() == 50 {
                self.read_losses(epoch)?;
            }
            if ends || (begun.elapsed() >= PATIENCE && self.losses.unread.is_empty()) {
                return Ok(Progress { epoch, step: self.step, steps: self.span.steps, loss: self.losses.mean(), rate });
            }
        }
    }

    /// One update; gives the learning rate of it.
    fn take_step(&mut self, epoch: usize, place: usize) -> f64 {
        let TrainingRun { training, inputs, tape, span, .. } = self;
        let data = inputs.data;
        if place == 0 {
            self.losses = Losses::default();
        }
        if place == 0 || self.order.is_empty() {
            self.order = self.orders.child(format!("epoch-{epoch}")).shuffled(data.labels.len());
        }
        let batch = &self.order[place * training.batch..data.labels.len().min((place + 1) * training.batch)];
        let labels: Vec<u8> = batch.iter().map(|&index| data.labels[index as usize]).collect();
        let images = match &training.augmentation {
            None => inputs.gather(batch.iter().map(|&index| index as usize), tape),
            Some(augmentation) => inputs.gather_augmented(batch, (augmentation, epoch, &self.disturbances), &mut self.pixels, tape),
        };
        let rate = training.schedule.rate(training.optimizer.learning_rate(), self.step, *span);
        if place == 0 && training.optimizer.forgets() {
            self.updater.forget();
        }

        let on_tape = |(tensor, learned): (&AnyTensor, &bool)| if *learned { tensor.tracked() } else { tensor.constant() };
        let coefficients = self.path.as_ref().map(|controls| controls.draw(self.step));
        let point = self.path.as_ref().zip(coefficients.as_ref()).map(|(path, coefficients)| path.point(&self.tensors, coefficients));
        let leaves = Tensors(point.as_ref().unwrap_or(&self.tensors).0.iter().zip(&self.learned).map(on_tape).collect());
        let targets = self.teachers.as_ref().map(|teachers| teachers.targets(&images.clone().inner()));
        let pass = self.program.run(&leaves, images, Mode::Train);
        let loss = match &targets {
            None => cross_entropy(pass.logits, &labels, self.device.kernels()),
            Some(targets) => distilled(pass.logits, &labels, targets, self.device.kernels()),
        };
        let mut gradients = loss.backward();
        let taken = leaves.0.iter().zip(&self.learned);
        let taken: Vec<Option<AnyTensor>> =
            taken.map(|(leaf, learned)| learned.then(|| leaf.take_gradient(&mut gradients)).flatten()).collect();
        let taken = match (&self.path, coefficients, &point) {
            (Some(path), Some(coefficients), Some(point)) => path.gradients(taken, point, &coefficients),
            _ => taken,
        };
        // Gone before the update, so that it finds the parameters unshared and writes in place.
        drop((leaves, gradients, point));
        self.updater.update(&mut self.tensors, taken, rate);
        if self.path.is_none() {
            for seen in pass.seen {
                mix_running(&mut self.tensors, seen);
            }
        }
        self.losses.unread.push(loss.inner());
        self.step += 1;
        rate
    }

    /// Reads the losses that are still on the device.
    fn read_losses(&mut self, epoch: usize) -> Result<(), TrainingError> {
        let unread = std::mem::take(&mut self.losses.unread);
        let first = self.step - unread.len();
        let losses = Tensor::cat(unread, 0).into_data().try_into_vec::<f32>().expect("losses are f32");
        for (place, loss) in losses.into_iter().map(f64::from).enumerate() {
            if !loss.is_finite() {
                return Err(TrainingError::Diverged { loss, step: first + place, epoch });
            }
            self.losses.sum += loss;
            self.losses.count += 1;
            self.curve.push(first + place, loss, self.span, &self.training.schedule, self.training.optimizer.learning_rate());
        }
        Ok(())
    }

    /// All that a later run needs to go on from here as if nothing had come between.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            step: self.step,
            epoch_losses: (self.losses.sum, self.losses.count),
            curve: self.curve.points.clone(),
            curve_pending: self.curve.pending,
            tensors: self.tensors.0.iter().map(|tensor| tensor.clone().into_values()).collect(),
            moments: self.updater.moments(),
        }
    }

    /// Goes on from a snapshot of the same training.
    ///
    /// # Errors
    /// When the snapshot is of another network or length; the run stays as it was.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), TrainingError> {
        let parameters = &self.graph.spec().parameters;
        // Of a path, the parameters come once for each bend.
        let count = self.tensors.0.len();
        let fits = |values: &[f32], place: usize| parameters[place % parameters.len()].len() == values.len();
        let whole = snapshot.step <= self.span.steps
            && snapshot.tensors.len() == count
            && snapshot.moments.len() == count
            && snapshot.tensors.iter().enumerate().all(|(place, values)| fits(values, place))
            && snapshot.moments.iter().enumerate().all(|(place, moments)| moments.iter().flatten().all(|values| fits(values, place)));
        if !whole {
            return Err(TrainingError::Snapshot { problem: "it is of another network or another training".to_owned() });
        }
        let burn = self.device.burn();
        let tensor = |place: usize, values: Vec<f32>| AnyTensor::new(values, &parameters[place % parameters.len()].shape, &burn);
        self.tensors = Tensors(snapshot.tensors.into_iter().enumerate().map(|(place, values)| tensor(place, values)).collect());
        let moments = snapshot.moments.into_iter().enumerate();
        let moments = moments.map(|(place, moments)| moments.map(|values| values.map(|values| tensor(place, values)))).collect();
        self.updater.restore(snapshot.step, moments);
        self.losses = Losses { unread: Vec::new(), sum: snapshot.epoch_losses.0, count: snapshot.epoch_losses.1 };
        self.curve = LearningCurve { points: snapshot.curve, pending: snapshot.curve_pending };
        self.step = snapshot.step;
        self.order.clear();
        Ok(())
    }

    /// The control points of a path, ends included, and its loss and rate over the steps.
    ///
    /// # Errors
    /// When no path is trained; and when graph and specification disagree, which [`Graph::build`] excludes.
    pub fn finish_path(self) -> Result<(Vec<Weights>, Vec<CurvePoint>), TrainingError> {
        buffers::free_buffers();
        let Some(Controls { ends: [first, last], .. }) = self.path else {
            return Err(TrainingError::Path { problem: "a network is trained, no path".to_owned() });
        };
        let of_a_network = self.graph.spec().parameters.len();
        let bends = self.tensors.0.chunks(of_a_network).map(|bend| Tensors(bend.to_vec()));
        let controls = std::iter::once(first).chain(bends).chain([last]);
        let controls = controls.map(|tensors| tensors.into_weights(self.graph)).collect::<Result<_, _>>()?;
        Ok((controls, self.curve.points))
    }

    /// The result; of a training that is not done, that of its steps so far.
    ///
    /// # Errors
    /// When a batch norm cannot be taken into another layer; and when graph and specification disagree, which [`Graph::build`] excludes.
    pub fn finish(self) -> Result<Trained, TrainingError> {
        buffers::free_buffers();
        let weights = self.tensors.into_weights(self.graph)?;
        let weights = if self.training.fold_norms { fold_batch_norms(self.graph, &weights)?.1 } else { weights };
        Ok(Trained { weights, curve: self.curve.points })
    }
}

pub(crate) fn is_learned(role: Role) -> bool {
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
    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}
