//! Reads and writes the weight files of other programs: safetensors, PyTorch (zip and legacy format), NumPy.
//!
//! Nothing in a file is ever executed. A pickle is read as data: calls are carried out for an allow-list of constructors alone, and an
//! error names whatever else is called. Damaged, cut, oversized or contradictory files are errors that say where; memory stays within
//! a small multiple of the file's size.
//!
//! ```
//! use onebasin_checkpoints::{Dtype, StateDict, Tensor, from_bytes, to_pytorch};
//!
//! let weight = Tensor::new(Dtype::F32, vec![2], [1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect());
//! let file = to_pytorch(&StateDict::new(vec![("fc.weight".to_owned(), weight)]));
//! let read = from_bytes(&file, "net.pt".as_ref(), None)?;
//! assert_eq!(read.tensors[0].0, "fc.weight");
//! assert_eq!(read.tensors[0].1.to_f32().unwrap(), [1.0, 2.0]);
//! # Ok::<(), onebasin_checkpoints::CheckpointError>(())
//! ```
//!
//! A [`StateDict`] is what all formats have in common: named tensors in the order of the file, their types as stored, and where in the
//! file they stood, so that another of the same form can be written. [`short_names`] takes off the prefixes that wrappers leave.
//!
//! burn's reader (`pytorch-reader` 0.22.1) was held against this one on the test's files. It reads most of them as well, and has no order of
//! names; it passes over a call of `eval` among the tensors where this one refuses, reads two networks as one, and refuses whole modules in
//! the legacy format. Hence this one.
//!
//! Not here: what network the tensors are of, and what becomes of them.

mod dtype;
mod error;
mod numpy;
mod pickle;
mod prefix;
mod read;
mod safetensors;
mod state_dict;
mod tensor;
mod torch;
mod zip_archive;

pub use dtype::Dtype;
pub use error::{CheckpointError, Fault};
pub use numpy::{array, arrays};
pub use prefix::{short_names, shorten};
pub use read::{from_bytes, read, with_tensors};
pub use safetensors::to_safetensors;
pub use state_dict::{Format, StateDict};
pub use tensor::Tensor;
pub use torch::to_pytorch;
