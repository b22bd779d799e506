//! The runner and the store, with stages that only write text.

mod damage;
mod ends;
mod order;
mod placing;
mod publishing;
mod removing;
mod sharing;
mod world;
