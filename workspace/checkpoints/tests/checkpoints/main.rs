//! Files of other programs, read and refused. Fixtures were made with PyTorch 2.15, NumPy and safetensors; beside each lies what must
//! come: `NAME.truth.safetensors` holds its tensors as contiguous `f32`, `NAME.refuse.txt` what the error must name.

mod cases;
mod mutations;
mod writing;
