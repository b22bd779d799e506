//! How a process is told from others of this machine, and of other machines.

use std::fs::{self, File};
use std::io::Read;
use std::sync::OnceLock;

/// The name of this machine.
pub(super) fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default()
    })
}

/// What names the running system; empty where nothing does.
pub(super) fn kernel() -> &'static str {
    static KERNEL: OnceLock<String> = OnceLock::new();
    KERNEL.get_or_init(|| {
        let mut text = String::new();
        let read = File::open("/proc/sys/kernel/random/boot_id").and_then(|file| file.take(64).read_to_string(&mut text));
        match read {
            Ok(_) => text.trim().to_owned(),
            // One machine has one name, and no file system of another that looks like its own.
            Err(_) if cfg!(not(target_os = "linux")) => host().to_owned(),
            Err(_) => String::new(),
        }
    })
}

/// The numbering that a process of this machine is seen in, and when it began there, in ticks; empty where there is no such process.
pub(super) fn born(process: u32) -> String {
    let began = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name of the program comes in parentheses and may hold anything; the start is the 20th word after it.
        let rest = stat.rsplit_once(')')?.1;
        let mut words = rest.split_whitespace();
        let is_over = words.next() == Some("Z");
        words.nth(18).filter(|_| !is_over).map(str::to_owned)
    };
    let names = fs::read_link("/proc/self/ns/pid").ok();
    match (names, began()) {
        (Some(names), Some(began)) => format!("{} {began}", names.display()),
        _ => String::new(),
    }
}

/// The numbering in what [`born`] says.
pub(super) fn numbering(born: &str) -> &str {
    born.split(' ').next().unwrap_or_default()
}
