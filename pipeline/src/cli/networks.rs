//! Arguments of the commands on files of networks: `match`, `merge`, `convert`, `measure`.

use std::path::PathBuf;

use clap::Args;

/// What is said of files besides their content.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of files of networks")]
pub struct NetworkOptions {
    /// Under which key of a PyTorch file the tensors stand, or what their names begin with, where there are several: `model`, `ema`, `state.net`
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The network, where names and shapes do not say it: `input`, `classes`, and a family or `layers`, as in a spec
    #[arg(long, value_name = "FILE.toml")]
    pub architecture: Option<PathBuf>,
    /// The shape of an image: channels, height, width
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub input: Option<Vec<usize>>,
    /// There are no activations between layers
    #[arg(long)]
    pub linear: bool,
    /// Hold the outputs of the first network for `--inputs` against these, and exit 1 where they differ (.npy, .npz)
    #[arg(long, value_name = "LOGITS", requires = "inputs")]
    pub expect: Option<PathBuf>,
    /// Inputs as the network takes them, on which functions are checked too (.npy, .npz) [default: random numbers]
    #[arg(long, value_name = "INPUTS")]
    pub inputs: Option<PathBuf>,
}

/// How networks are matched.
#[derive(Clone, Debug, Args)]
pub struct MatchOptions {
    /// A matching that looks at weights alone, as in a spec: a name, or a table such as `{ by = "c2m3", iterations = 50 }`
    #[arg(long, value_name = "METHOD", default_value = "c2m3")]
    pub method: String,
    /// Take permutations from a file instead of seeking them: ours, Git Re-Basin's or C²M³'s
    #[arg(long, value_name = "FILE.json", conflicts_with = "method")]
    pub maps: Option<PathBuf>,
    /// The root of what a method draws
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
}

/// Images to measure or repair on.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of images")]
pub struct ImageOptions {
    /// A data set that the program knows: mnist, fashion-mnist, cifar10, ...
    #[arg(long, value_name = "NAME")]
    pub data: Option<String>,
    /// Where its files are looked for first; then $ONEBASIN_DATA, then the cache
    #[arg(long, value_name = "DIR")]
    pub data_folder: Option<PathBuf>,
    /// Images of each split that are looked at, the first ones [default: all]
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// What is subtracted from pixels in [0, 1], one number a channel [default: the data set's own]
    #[arg(long, value_name = "M,..", value_delimiter = ',', requires = "deviation")]
    pub mean: Option<Vec<f32>>,
    /// What they are then divided by, one number a channel
    #[arg(long, value_name = "D,..", value_delimiter = ',', requires = "mean")]
    pub deviation: Option<Vec<f32>>,
}

/// `match`.
#[derive(Debug, Args)]
pub struct Match {
    /// Files of networks of the same layers, two or more: safetensors, PyTorch, NumPy
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the permutations, the objective and the check here
    #[arg(long, value_name = "FILE.json")]
    pub out: Option<PathBuf>,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// How they are matched.
    #[command(flatten)]
    pub matching: MatchOptions,
    /// What is said of the files.
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// `merge`.
#[derive(Debug, Args)]
pub struct Merge {
    /// Files of networks of the same layers, two or more; the merged one has the form of the first
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the merged network here; the ending says the format: .safetensors, .pt
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write each network in the common frame beside it too: NAME.aligned-0.safetensors, or .pt as NAME has it, and so on
    #[arg(long)]
    pub aligned: bool,
    /// Restore the statistics of activations by the training images of `--data`
    #[arg(long, requires = "data")]
    pub repair: bool,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// How they are matched.
    #[command(flatten)]
    pub matching: MatchOptions,
    /// Images for the repair, and for batch norms.
    #[command(flatten)]
    pub images: ImageOptions,
    /// What is said of the files.
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// `convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// A file of tensors: safetensors, PyTorch, NumPy
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Where it goes; the ending says the format: .safetensors, .pt
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Under which key of a PyTorch file the tensors stand, where there are several
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// `measure`.
#[derive(Debug, Args)]
pub struct Measure {
    /// Files of networks; of two, the line between them can be measured too
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Measure so many points of the line between two networks
    #[arg(long, value_name = "N")]
    pub lambdas: Option<usize>,
    /// Measure training images too
    #[arg(long)]
    pub train: bool,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// The images.
    #[command(flatten)]
    pub images: ImageOptions,
    /// What is said of the files.
    #[command(flatten)]
    pub network: NetworkOptions,
}
