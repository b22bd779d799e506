//! Properties of the solvers against brute force, independent implementations and their own certificates.

mod assignment;
mod exact;
mod mixed_scales;
mod partial;
mod reference;
mod sinkhorn;
mod unbalanced;
