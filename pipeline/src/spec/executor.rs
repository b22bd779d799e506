//! `[executor]`: where stages run. No result depends on it, and it enters no recipe.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the table.
pub const EXECUTOR: &str = "executor";

/// The kinds of stages there are, as recipes name them.
pub const KINDS: [&str; 26] = [
    "align",
    "classes",
    "curve",
    "curve-plane",
    "cycle",
    "features",
    "import",
    "iterates",
    "line",
    "margins",
    "merge",
    "moments",
    "norms",
    "path",
    "plane",
    "plot",
    "point",
    "predict",
    "prune",
    "repair",
    "seen",
    "similarity",
    "survey",
    "tabulate",
    "train",
    "variances",
];

/// `[executor]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Executor {
    /// How jobs of a Slurm cluster are asked for.
    #[serde(default)]
    pub slurm: Slurm,
}

/// `[executor.slurm]`: what jobs ask for, and how stages are packed into them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Slurm {
    /// The partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Whose budget is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The quality of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// What nodes must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// The limit of a job, as `sbatch --time` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Of a job, as `sbatch --mem` takes it: `8G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Of a job; as many stages run side by side in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<usize>,
    /// As `sbatch --gres` takes them: `gpu:1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<String>,
    /// Environment modules that are loaded first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// Lines of the shell that are run first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prologue: Option<String>,
    /// More options of `sbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// The length to which short stages are packed: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How often the queue is asked: `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<String>,
    /// The most jobs of one array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<usize>,
    /// The same for stages of one kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Resources>,
}

/// `[executor.slurm.kinds.KIND]`: what jobs of stages of one kind ask for, in place of what all do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Resources {
    /// The partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Whose budget is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The quality of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// What nodes must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// The limit of a job, as `sbatch --time` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Of a job: `8G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Of a job; as many stages run side by side in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<usize>,
    /// As `sbatch --gres` takes them: `gpu:1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<String>,
    /// Environment modules that are loaded first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// Lines of the shell that are run first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prologue: Option<String>,
    /// More options of `sbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
}

impl Resources {
    /// These, and where they are silent, others.
    #[must_use]
    pub fn or(self, other: Resources) -> Resources {
        Resources {
            partition: self.partition.or(other.partition),
            account: self.account.or(other.account),
            qos: self.qos.or(other.qos),
            constraint: self.constraint.or(other.constraint),
            time: self.time.or(other.time),
            memory: self.memory.or(other.memory),
            cpus: self.cpus.or(other.cpus),
            gpus: self.gpus.or(other.gpus),
            modules: self.modules.or(other.modules),
            prologue: self.prologue.or(other.prologue),
            flags: self.flags.or(other.flags),
        }
    }
}

impl Slurm {
    /// The length to which short stages are packed where nothing is said.
    pub const TARGET: Duration = Duration::from_secs(30 * 60);
    /// How often the queue is asked where nothing is said.
    pub const POLL: Duration = Duration::from_secs(15);
    /// The most jobs of one array where nothing is said: what Slurm allows unless it is told otherwise.
    pub const ARRAY: usize = 1000;

    /// These settings, and where they are silent, others: those of the site below those of the spec.
    #[must_use]
    pub fn or(self, other: Slurm) -> Slurm {
        let all = self.common().or(other.common());
        let mut kinds = other.kinds;
        for (kind, own) in self.kinds {
            let below = kinds.remove(&kind).unwrap_or_default();
            kinds.insert(kind, own.or(below));
        }
        let Resources { partition, account, qos, constraint, time, memory, cpus, gpus, modules, prologue, flags } = all;
        let (target, poll, array) = (self.target.or(other.target), self.poll.or(other.poll), self.array.or(other.array));
        Slurm { partition, account, qos, constraint, time, memory, cpus, gpus, modules, prologue, flags, target, poll, array, kinds }
    }

    /// What a job of stages of a kind asks for.
    pub fn resources(&self, kind: &str) -> Resources {
        self.kinds.get(kind).cloned().unwrap_or_default().or(self.common())
    }

    fn common(&self) -> Resources {
        let Slurm { partition, account, qos, constraint, time, memory, cpus, gpus, modules, prologue, flags, .. } = self.clone();
        Resources { partition, account, qos, constraint, time, memory, cpus, gpus, modules, prologue, flags }
    }

    /// The length to which short stages are packed.
    pub fn target(&self) -> Duration {
        self.target.as_deref().and_then(|text| humantime::parse_duration(text).ok()).unwrap_or(Slurm::TARGET)
    }

    /// How often the queue is asked.
    pub fn poll(&self) -> Duration {
        self.poll.as_deref().and_then(|text| humantime::parse_duration(text).ok()).unwrap_or(Slurm::POLL)
    }

    /// What is wrong, if anything: the path of the key below the table, what, and a hint.
    pub fn fault(&self) -> Option<(Vec<String>, String, &'static str)> {
        let here = |key: &str| vec![key.to_owned()];
        for (key, text) in [("target", &self.target), ("poll", &self.poll)] {
            if let Some(text) = text
                && humantime::parse_duration(text).is_err()
            {
                return Some((here(key), format!("`{text}` is not a duration"), "write `90s`, `30m` or `2h`"));
            }
        }
        if self.array.is_some_and(|most| !(1..=4_000_000).contains(&most)) {
            return Some((here("array"), "an array has from 1 to 4000000 jobs".to_owned(), "`scontrol show config` tells MaxArraySize"));
        }
        if let Some(kind) = self.kinds.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
            let what = format!("no stage is of the kind `{kind}`; kinds are {}", KINDS.join(", "));
            return Some((vec!["kinds".to_owned(), kind.clone()], what, "`onebasin explain SPEC STAGE` shows the kind of a stage"));
        }
        let named = self.kinds.iter().map(|(kind, resources)| (vec!["kinds".to_owned(), kind.clone()], resources.clone()));
        for (path, resources) in [(Vec::new(), self.common())].into_iter().chain(named) {
            let at = |key: &str| path.iter().cloned().chain([key.to_owned()]).collect::<Vec<String>>();
            if resources.cpus.is_some_and(|cpus| !(1..=4096).contains(&cpus)) {
                return Some((at("cpus"), "a job has from 1 to 4096 CPUs".to_owned(), "leave it out for 1"));
            }
            if let Some(memory) = &resources.memory
                && parse_bytes(memory).is_none()
            {
                return Some((at("memory"), format!("`{memory}` is not an amount of memory"), "write `800M`, `8G` or `1.5T`"));
            }
            let texts = [
                ("partition", &resources.partition),
                ("account", &resources.account),
                ("qos", &resources.qos),
                ("constraint", &resources.constraint),
                ("time", &resources.time),
                ("gpus", &resources.gpus),
            ];
            for (key, text) in texts {
                if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control())) {
                    return Some((at(key), "it becomes one word of a job's script".to_owned(), "leave out spaces"));
                }
            }
            if let Some(flag) = resources.flags.iter().flatten().find(|flag| !flag.starts_with('-') || flag.contains('\n')) {
                return Some((at("flags"), format!("`{flag}` is no option of `sbatch`"), "write each as `--name=value`"));
            }
        }
        None
    }
}

/// `8G` in bytes: a number with K, M, G or T for powers of 1024; without a letter, mebibytes, as Slurm has it.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_suffix(['B', 'b']).unwrap_or(text);
    let text = text.strip_suffix('i').unwrap_or(text);
    let (number, power) = match text.chars().last()?.to_ascii_uppercase() {
        'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        'T' => (&text[..text.len() - 1], 40),
        last if last.is_ascii_digit() => (text, 20),
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    let bytes = number * 2_f64.powi(power);
    (1.0..1e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_says_what_all_jobs_do_not_and_the_spec_stands_over_the_site() {
        let site: Slurm = toml::from_str("partition = \"all\"\ncpus = 2\n[kinds.train]\npartition = \"long\"\ngpus = \"gpu:1\"\n").unwrap();
        let spec: Slurm = toml::from_str("cpus = 4\n[kinds.train]\ntime = \"1:00:00\"\n").unwrap();
        let both = spec.or(site);
        let train = both.resources("train");
        assert_eq!((train.partition.as_deref(), train.time.as_deref(), train.cpus), (Some("long"), Some("1:00:00"), Some(4)));
        assert_eq!(train.gpus.as_deref(), Some("gpu:1"));
        assert_eq!(both.resources("merge").partition.as_deref(), Some("all"));
    }

    #[test]
    fn memory_is_read_as_slurm_reads_it() {
        let cases = [("8G", 8 << 30), ("512", 512 << 20), ("1.5M", 3 << 19), ("2GiB", 2 << 30), ("4kb", 4096)];
        assert!(cases.iter().all(|(text, bytes)| parse_bytes(text) == Some(*bytes)));
        assert!(["", "G", "-1G", "x", "nanM", "1P"].iter().all(|text| parse_bytes(text).is_none()));
    }

    #[test]
    fn settings_that_no_script_can_have_are_found_with_their_place() {
        let fault = |text: &str| toml::from_str::<Slurm>(text).unwrap().fault().map(|(path, ..)| path.join("."));
        assert_eq!(fault("target = \"30m\"\ncpus = 2\nflags = [\"--exclusive\"]"), None);
        for (text, at) in [
            ("target = \"soon\"", "target"),
            ("array = 0", "array"),
            ("cpus = 0", "cpus"),
            ("partition = \"a b\"", "partition"),
            ("kinds = { train = { memory = \"much\" } }", "kinds.train.memory"),
            ("kinds = { trian = { partition = \"long\" } }", "kinds.trian"),
            ("flags = [\"x\"]", "flags"),
        ] {
            assert_eq!(fault(text).as_deref(), Some(at));
        }
    }
}
