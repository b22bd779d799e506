//! Properties of the solvers against brute force, independent implementations and their own certificates.

mod assignment;
mod exact;
mod reference;
mod sinkhorn;
