//! Networks in files of other programs: read, told apart, written back in the form they came in.

mod architecture_file;
mod differences;
mod shards;
mod suggestions;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::input_file;
use anyhow::{Context, Result, anyhow, bail, ensure};
use onebasin_checkpoints::{Dtype, Format, StateDict, Tensor, from_bytes, read, short_names, to_pytorch, to_safetensors};
use onebasin_network::{Architecture, Graph, Inferred, Known, NetworkError, Shape, Stored, UNTOLD, Weights, bind, infer};

pub use architecture_file::ArchitectureFile;

/// The metadata of checkpoints of this program.
const OWN: &str = "onebasin.architecture";

/// What is said of files besides their content.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Under which key of a PyTorch file the tensors stand.
    pub key: Option<String>,
    /// The network, where names and shapes do not say it.
    pub architecture: Option<ArchitectureFile>,
    /// The shape of an image.
    pub input: Option<Shape>,
    /// Whether there are no activations between layers.
    pub linear: bool,
}

/// A network and the file it came in.
#[derive(Clone, Debug)]
pub struct Network {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub dict: StateDict,
    /// What the network is, and where its parameters stand in the file.
    pub inferred: Inferred,
    /// The network.
    pub graph: Arc<Graph>,
    /// Its numbers.
    pub weights: Weights,
    /// What was changed on the way in, each as a line for a person.
    pub notes: Vec<String>,
}

/// Tensors under their short names, and what they are called in errors.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// A file, or another name.
    pub place: &'a str,
    /// Names without the prefixes of wrappers, and shapes.
    pub tensors: &'a [Stored],
}

/// Tells what network tensors are of.
///
/// # Errors
/// When they are of no network that is known, or not of the one that is said.
pub fn tell(named: Named<'_>, is_ordered: bool, own: Option<&str>, hints: &Hints) -> Result<(Inferred, Arc<Graph>)> {
    let not_told = || format!("cannot tell the network of `{}`", named.place);
    let tensors = named.tensors;
    let inferred = if let Some(file) = &hints.architecture {
        let graph = Graph::build(&file.architecture(hints.input, tensors)?)?;
        bind(&graph, tensors, &file.names, is_ordered)
    } else if let Some(json) = own {
        let graph = Graph::build(&Architecture::from_json(json).with_context(not_told)?)?;
        bind(&graph, tensors, &[], is_ordered)
    } else {
        infer(tensors, &Known { input: hints.input, is_ordered, linear: hints.linear, epsilon: None })
    };
    let inferred = match inferred {
        Ok(inferred) => inferred,
        Err(error) => {
            let known = Known { input: hints.input, is_ordered, linear: hints.linear, epsilon: None };
            let hint = suggestions::of(tensors, &known);
            let error = anyhow::Error::new(error);
            return Err(hint.into_iter().fold(error, anyhow::Error::context).context(not_told()));
        }
    };
    let graph = Graph::build(&inferred.architecture).with_context(not_told)?;
    Ok((inferred, Arc::new(graph)))
}

/// Tells where the parameters of a network stand among further tensors.
///
/// # Errors
/// Where the two differ, names the tensor, both places, both shapes, and what would make them fit.
pub fn tell_like(first: Named<'_>, graph: &Graph, further: Named<'_>, is_ordered: bool, hints: &Hints) -> Result<Inferred> {
    differences::check(first, further)?;
    let names = hints.architecture.as_ref().map_or(&[][..], |file| &file.names);
    bind(graph, further.tensors, names, is_ordered)
        .with_context(|| format!("`{}` is of another network than `{}`", further.place, first.place))
}

/// The weights of a network, of tensors that `read` gives by their index.
///
/// # Errors
/// When a number is not finite, and what `read` says.
pub fn weights(place: &str, inferred: &Inferred, graph: &Graph, mut read: impl FnMut(usize) -> Result<Vec<f32>>) -> Result<Weights> {
    let mut values = inferred.bound.iter().map(|bound| Ok((bound.tensor, read(bound.tensor)?))).collect::<Result<HashMap<_, _>>>()?;
    let weights = inferred.weights(graph, |tensor| values.remove(&tensor).unwrap_or_default())?;
    if let Some((name, _)) = weights.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
        bail!(
            "`{place}`: `{name}` holds a number that is not finite in single precision\nhint: its training diverged; take an earlier state"
        );
    }
    Ok(weights)
}

/// Why a tensor of a type is no parameter.
pub fn no_parameter(place: &str, tensor: &str, dtype: &str) -> anyhow::Error {
    anyhow!("`{place}`: tensor `{tensor}` is of type `{dtype}`, expected F64, F32, F16 or BF16\nhint: quantised networks cannot be merged")
}

/// Tensors of a file under their names without the prefixes of wrappers.
fn stored(dict: &StateDict, path: &Path) -> Result<Vec<Stored>> {
    let names = short_names(dict, path)?;
    Ok(names.into_iter().zip(&dict.tensors).map(|(name, (_, tensor))| Stored { name, shape: tensor.shape().to_vec() }).collect())
}

impl Network {
    /// Reads a file and tells what network it holds.
    ///
    /// # Errors
    /// When the file cannot be read, or its tensors are of no network that is known.
    pub fn read(path: &Path, hints: &Hints) -> Result<Network> {
        shards::is_whole(path)?;
        let dict = read(path, hints.key.as_deref())?;
        let tensors = stored(&dict, path)?;
        let own = dict.metadata.iter().find(|(key, _)| key == OWN).map(|(_, json)| json.clone());
        let named = Named { place: &path.display().to_string(), tensors: &tensors };
        let (inferred, graph) = tell(named, dict.format == Format::Pytorch, own.as_deref(), hints)?;
        Network::of(path, dict, inferred, graph)
    }

    /// Reads a further file, which must hold a network of the same layers.
    ///
    /// # Errors
    /// As [`Network::read`] and [`tell_like`].
    pub fn read_like(path: &Path, first: &Network, hints: &Hints) -> Result<Network> {
        shards::is_whole(path)?;
        let dict = read(path, hints.key.as_deref())?;
        let (tensors, theirs) = (stored(&first.dict, &first.path)?, stored(&dict, path)?);
        let (a, b) = (first.path.display().to_string(), path.display().to_string());
        let (a, b) = (Named { place: &a, tensors: &tensors }, Named { place: &b, tensors: &theirs });
        let inferred = tell_like(a, &first.graph, b, dict.format == Format::Pytorch, hints)?;
        Network::of(path, dict, inferred, first.graph.clone())
    }

    fn of(path: &Path, dict: StateDict, inferred: Inferred, graph: Arc<Graph>) -> Result<Network> {
        let place = path.display().to_string();
        let weights = weights(&place, &inferred, &graph, |index| {
            let (name, tensor) = &dict.tensors[index];
            tensor.to_f32().filter(|_| is_floating(tensor)).ok_or_else(|| no_parameter(&place, name, tensor.dtype().name()))
        })?;
        if let Some((name, tensor)) = inferred.kept.iter().map(|&index| &dict.tensors[index]).find(|(_, tensor)| is_floating(tensor)) {
            bail!(
                "`{place}`: `{name}` is one number of type {} and of no known layer, and a network that computes with it is not the one that its layers say\n\
                 hint: a gain or a temperature is not supported; a number that the network does not use is left out where the file is written",
                tensor.dtype().name()
            );
        }
        let notes = notes(&dict, &inferred);
        Ok(Network { path: path.to_owned(), dict, inferred, graph, weights, notes })
    }

    /// Whether the file says the architecture of what it holds.
    pub fn says_architecture(&self) -> bool {
        self.dict.metadata.iter().any(|(key, _)| key == OWN)
    }

    /// The same file with other numbers: names, order, types, and below the keys of the file's nesting.
    ///
    /// # Errors
    /// When a number is too large for the type it goes back into.
    pub fn with_weights(&self, weights: &Weights) -> Result<StateDict> {
        let mut dict = self.dict.clone();
        for (index, values) in self.inferred.stored(weights) {
            let (name, tensor) = &mut dict.tensors[index];
            let changed = tensor.with_values(&values).context("a type that is not floating")?;
            let fits = changed.to_f32().is_some_and(|back| back.iter().all(|value| value.is_finite()));
            ensure!(fits, "`{name}` holds a number that its type `{}` does not\nhint: give files in a wider type", tensor.dtype().name());
            *tensor = changed;
        }
        self.ties_hold(&dict)?;
        Ok(dict)
    }

    /// Refuses numbers that make two tensors of what is one in the file: a network that shares it would keep the last of them, in silence.
    fn ties_hold(&self, dict: &StateDict) -> Result<()> {
        let tensor = |name: &String| dict.tensors.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
        for tied in &dict.tied {
            if let Some(other) = tied[1..].iter().find(|name| tensor(name) != tensor(&tied[0])) {
                let path = self.path.display();
                bail!(
                    "`{}` and `{other}` are one tensor in `{path}`, and matching makes two of them, which a network that shares it cannot hold\n\
                     hint: where yours does not share it, save the file with `{{name: tensor.clone() for name, tensor in state.items()}}`",
                    tied[0]
                );
            }
        }
        Ok(())
    }
}

/// The bytes of a file of weights.
///
/// # Errors
/// When it cannot be read.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    input_file::bytes(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The weights of a file for a network that is known.
///
/// # Errors
/// When the file is damaged or of another network.
pub fn weights_of(bytes: &[u8], path: &Path, key: Option<&str>, graph: &Graph) -> Result<Weights> {
    shards::is_whole(path)?;
    let dict = from_bytes(bytes, path, key)?;
    let tensors = stored(&dict, path)?;
    let bound = bind(graph, &tensors, &[], dict.format == Format::Pytorch).map_err(|error| in_a_spec(error, path));
    let inferred = bound.with_context(|| format!("`{}` is not of the architecture that the spec says", path.display()))?;
    Ok(Network::of(path, dict, inferred, Arc::new(graph.clone()))?.weights)
}

/// A spec has no table of names: there the architecture must be that of the file.
fn in_a_spec(error: NetworkError, path: &Path) -> NetworkError {
    let shown = || format!("correct the architecture; `onebasin describe {}` shows the network of the file", path.display());
    match error {
        NetworkError::Layer { layer, problem, hint } if hint == UNTOLD => {
            let hint = "give the architecture as `layers` that have the names of the file, or a PyTorch file, whose order tells".to_owned();
            NetworkError::Layer { layer, problem, hint }
        }
        NetworkError::Layer { layer, problem, hint } if hint.contains("`names`") => NetworkError::Layer { layer, problem, hint: shown() },
        NetworkError::Architecture { problem, hint } if hint.contains("`names`") => NetworkError::Architecture { problem, hint: shown() },
        other => other,
    }
}

/// Reads files that must hold networks of the same layers.
///
/// # Errors
/// As [`Network::read`] and [`Network::read_like`].
pub fn read_all(paths: &[PathBuf], hints: &Hints) -> Result<Vec<Network>> {
    let mut networks: Vec<Network> = Vec::with_capacity(paths.len());
    for path in paths {
        let network = match networks.first() {
            None => Network::read(path, hints)?,
            Some(first) => Network::read_like(path, first, hints)?,
        };
        networks.push(network);
    }
    Ok(networks)
}

/// Puts an architecture in place of the one that a file says; one that says none stays so.
pub fn say_architecture(dict: &mut StateDict, architecture: &Architecture) {
    dict.metadata.iter_mut().filter(|(key, _)| key == OWN).for_each(|(_, json)| *json = architecture.to_json());
}

/// Reads files that are looked at one by one: where one is of another network than the first, of its own.
///
/// # Errors
/// As [`read_all`], where a file is of no network of its own either.
pub fn read_each(paths: &[PathBuf], hints: &Hints) -> Result<Vec<Network>> {
    let mut networks: Vec<Network> = Vec::with_capacity(paths.len());
    for path in paths {
        let network = match networks.first() {
            None => Network::read(path, hints)?,
            Some(first) => Network::read_like(path, first, hints).or_else(|error| Network::read(path, hints).map_err(|_| error))?,
        };
        networks.push(network);
    }
    Ok(networks)
}

/// Whether a tensor's numbers may be parameters: counters are whole numbers.
fn is_floating(tensor: &Tensor) -> bool {
    [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16].contains(&tensor.dtype())
}

fn notes(dict: &StateDict, inferred: &Inferred) -> Vec<String> {
    let mut notes = Vec::new();
    for dtype in [Dtype::F64, Dtype::F16, Dtype::Bf16] {
        let count = inferred.bound.iter().filter(|bound| dict.tensors[bound.tensor].1.dtype() == dtype).count();
        if count > 0 {
            let s = if count == 1 { "" } else { "s" };
            notes.push(format!("{count} tensor{s} of type {} become F32, and {} again where they are written", dtype.name(), dtype.name()));
        }
    }
    let is_parameter = |name: &String| inferred.bound.iter().any(|bound| dict.tensors[bound.tensor].0 == *name);
    for tied in dict.tied.iter().filter(|tied| tied.iter().filter(|name| is_parameter(name)).count() > 1) {
        let names: Vec<String> = tied.iter().map(|name| format!("`{name}`")).collect();
        notes.push(format!("{} are one tensor in the file; permuted apart, they are one no more", names.join(", ")));
    }
    notes
}

/// The bytes of a file, in the format that the ending of its name says.
///
/// # Errors
/// When the ending is not known.
pub fn to_bytes(dict: &StateDict, path: &Path) -> Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => {
            let mut dict = dict.clone();
            if dict.metadata.is_empty() {
                // Libraries around PyTorch ask for it.
                dict.metadata = vec![("format".to_owned(), "pt".to_owned())];
            }
            Ok(to_safetensors(&dict))
        }
        Some("pt" | "pth" | "ckpt" | "bin") => Ok(to_pytorch(dict)),
        _ => Err(anyhow!("`{}` does not say a format by its ending\nhint: use `.safetensors` or `.pt`", path.display())),
    }
}

/// An array of numbers as a batch of inputs.
///
/// # Errors
/// When it has another number of axes or another shape than the network takes.
pub fn inputs(tensor: &Tensor, shape: Shape, path: &Path) -> Result<ndarray::Array4<f32>> {
    inputs_of(tensor.to_f32().context("numbers of 8 bits")?, tensor.shape(), shape, &path.display().to_string())
}

/// As [`inputs`], of numbers in one row whose array has the shape `given`.
///
/// # Errors
/// As [`inputs`].
pub fn inputs_of(values: Vec<f32>, given: &[usize], shape: Shape, place: &str) -> Result<ndarray::Array4<f32>> {
    let count = given.first().copied().unwrap_or(0);
    ensure!(
        values.len() == count * shape.volume() && count > 0,
        "`{place}` has shape {given:?}, expected inputs of shape {shape}\nhint: `--input C,H,W` says another shape of inputs"
    );
    Ok(ndarray::Array4::from_shape_vec((count, shape.channels, shape.height, shape.width), values)?)
}
