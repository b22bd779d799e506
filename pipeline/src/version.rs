//! Which program this is.

/// `0.1.0 (1a2b3c4d5e6f-dirty)`: version and commit. The build script asks git for the commit; outside of a clone it is `unknown`.
pub const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("ONEBASIN_COMMIT"), ")");

/// As [`SHORT`], with the commit and the devices of this build on lines of their own.
pub const LONG: &str = concat!(env!("CARGO_PKG_VERSION"), "\ncommit:  ", env!("ONEBASIN_COMMIT"), "\ndevices: ", env!("ONEBASIN_DEVICES"));
