//! Linear assignment and optimal transport on a cost matrix: pure mathematics, `f64` inside.
//!
//! Everything here solves, exactly or smoothed, the transport problem
//! `min Σ_ij P_ij C_ij` over `P ≥ 0` with row sums `a` and column sums `b`:
//!
//! - [`assignment`]: square, unit masses, as a maximisation of gains; the plan is a permutation.
//! - [`exact`]: any sizes, any masses; a sparse vertex of the polytope.
//! - [`sinkhorn`]: the entropic smoothing, and alternate normalisation to a doubly stochastic matrix.
//! - [`unbalanced`]: the same with marginals that may be missed at a price.
//! - [`partial`]: a given mass moves, the rest stays; exact.
//!
//! Exact answers carry their dual solution, so that [`Certificate`] can prove them optimal without trusting the solver.
//! Ties are broken by index and nothing is random: equal input gives equal bytes, on any machine.
//!
//! Not here: building cost matrices, sparse costs, threads.

pub mod assignment;
mod certificate;
mod cost;
mod error;
pub mod exact;
mod kernels;
mod layout;
pub mod partial;
mod plan;
pub mod sinkhorn;
pub mod unbalanced;

pub use certificate::Certificate;
pub use cost::Cost;
pub use error::TransportError;
pub use plan::Plan;
