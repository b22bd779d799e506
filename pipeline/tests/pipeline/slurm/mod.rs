//! Stages as jobs of a cluster: with commands that only look like Slurm's, and with a real Slurm where there is one.

mod fakes;
mod heads;
mod odd_answers;
mod real;
mod same_bytes;
