//! Which program this is.

use serde::{Deserialize, Serialize};

/// `0.1.0 (1a2b3c4d5e6f-dirty)`: version and commit. The build script asks git for the commit; outside of a clone it is `unknown`.
pub const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("ONEBASIN_COMMIT"), ")");

/// As [`SHORT`], with the commit and the devices of this build on lines of their own.
pub const LONG: &str = concat!(env!("CARGO_PKG_VERSION"), "\ncommit:  ", env!("ONEBASIN_COMMIT"), "\ndevices: ", env!("ONEBASIN_DEVICES"));

/// The version alone.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What this program was built from and with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Build {
    /// The version of the package.
    pub version: String,
    /// The first characters of the commit, or `unknown`.
    pub commit: String,
    /// Whether the sources differed from that commit.
    pub dirty: bool,
    /// The compiler, as it names itself.
    pub toolchain: String,
    /// The devices built in.
    pub devices: Vec<String>,
}

impl Build {
    /// This program.
    pub fn this() -> Build {
        let commit = env!("ONEBASIN_COMMIT");
        let clean = commit.strip_suffix("-dirty");
        Build {
            version: VERSION.to_owned(),
            commit: clean.unwrap_or(commit).to_owned(),
            dirty: clean.is_some(),
            toolchain: env!("ONEBASIN_TOOLCHAIN").to_owned(),
            devices: env!("ONEBASIN_DEVICES").split(", ").map(str::to_owned).collect(),
        }
    }
}
