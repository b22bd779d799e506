//! Tells the program which commit and which features it is built from.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of, below the folder of the workspace. Other files can change without changing the program.
const SOURCES: [&str; 6] = ["Cargo.toml", "Cargo.lock", "pipeline/Cargo.toml", "pipeline/build.rs", "pipeline/src", "pipeline/assets"];

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the folder of the package"));
    let root = manifest.parent().expect("the package lies in the workspace").to_owned();
    let sources = sources(&root);
    for source in &sources {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rustc-env=ONEBASIN_COMMIT={}", commit(&root, &sources).unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo::rustc-env=ONEBASIN_TOOLCHAIN={}", toolchain().unwrap_or_else(|| "unknown".to_owned()));
    let mut devices = vec!["cpu"];
    for (variable, device) in [("CARGO_FEATURE_NDARRAY", "ndarray"), ("CARGO_FEATURE_CUDA", "cuda"), ("CARGO_FEATURE_WGPU", "wgpu")] {
        if std::env::var_os(variable).is_some() {
            devices.push(device);
        }
    }
    println!("cargo::rustc-env=ONEBASIN_DEVICES={}", devices.join(", "));
}

/// `rustc 1.95.0 (1a2b3c4d5 2026-04-14)`.
fn toolchain() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The paths that make the program, as far as they are there.
fn sources(root: &Path) -> Vec<String> {
    let mut sources: Vec<String> = SOURCES.map(str::to_owned).into();
    if let Ok(libraries) = std::fs::read_dir(root.join("workspace")) {
        for library in libraries.flatten() {
            let name = library.file_name().to_string_lossy().into_owned();
            sources.extend(["Cargo.toml", "build.rs", "src"].map(|part| format!("workspace/{name}/{part}")));
        }
    }
    sources.retain(|source| root.join(source).exists());
    sources.sort();
    sources
}

/// The commit that is checked out, with `-dirty` where the sources differ from it. `None` where this is no clone, or there is no git.
fn commit(root: &Path, sources: &[String]) -> Option<String> {
    let git = |arguments: &[&str]| -> Option<String> {
        // Looking must not refresh the index: that is a write.
        let output = Command::new("git").arg("--no-optional-locks").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // A copy without a history, inside of another project's clone, is not that project's commit.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Whatever moves the head writes one of these.
    for path in ["HEAD", "logs/HEAD", "packed-refs"].map(str::to_owned).into_iter().chain(git(&["symbolic-ref", "--quiet", "HEAD"])) {
        let path = root.join(git(&["rev-parse", "--git-path", &path])?);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let mut status = vec!["status", "--porcelain", "--untracked-files=normal", "--"];
    status.extend(sources.iter().map(String::as_str));
    let dirty = if git(&status)?.is_empty() { "" } else { "-dirty" };
    Some(format!("{head}{dirty}"))
}
