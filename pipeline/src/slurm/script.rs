//! The script of a batch.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::record::{Batch, RunFolder};
use crate::shell::quoted;
use crate::spec::{Resources, parse_bytes};

/// How a job calls this program.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// The spec and the options that the run was given.
    pub arguments: Vec<OsString>,
    /// Variables that decide what the spec says.
    pub variables: Vec<(String, String)>,
}

/// The memory of a job that ran out of it, where the settings say none: twice what is asked for here.
const MEMORY: u64 = 4 << 30;

/// Writes the script of a batch. `after` is what its jobs wait for: `12`, `13_4`.
pub fn script(launch: &Launch, folder: &RunFolder, batch: &Batch, resources: &Resources, after: &[String]) -> String {
    let mut text = String::from("#!/bin/bash\n");
    let place = |part: &str, ending: &str| folder.path().join(format!("{:04}-{part}.{ending}", batch.number));
    let is_array = batch.parts.len() > 1;
    let mut option = |name: &str, value: &str| text.push_str(&format!("#SBATCH --{name}={value}\n"));
    option("job-name", &batch.name);
    option("output", &escaped(&place(if is_array { "%a" } else { "0" }, "log")));
    option("open-mode", "append");
    if is_array {
        option("array", &format!("0-{}", batch.parts.len() - 1));
    }
    if !after.is_empty() {
        option("dependency", &format!("afterany:{}", after.join(":")));
    }
    let words = [
        ("partition", &resources.partition),
        ("account", &resources.account),
        ("qos", &resources.qos),
        ("constraint", &resources.constraint),
        ("time", &resources.time),
        ("gres", &resources.gpus),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            option(name, value);
        }
    }
    option("cpus-per-task", &resources.cpus.unwrap_or(1).to_string());
    let memory = resources.memory.as_deref().and_then(parse_bytes);
    let memory = if batch.raised { Some(2 * memory.unwrap_or(MEMORY)) } else { memory };
    if let Some(bytes) = memory {
        option("mem", &format!("{}M", bytes.div_ceil(1 << 20)));
    }
    text.push_str("#SBATCH --requeue\n");
    for flag in resources.flags.iter().flatten() {
        let _ = writeln!(text, "#SBATCH {flag}");
    }
    text.push('\n');
    for (name, value) in &launch.variables {
        let _ = writeln!(text, "export {name}={}", quoted(value));
    }
    for module in resources.modules.iter().flatten() {
        let _ = writeln!(text, "module load {} || exit 1", quoted(module));
    }
    if let Some(prologue) = &resources.prologue {
        let _ = writeln!(text, "{}", prologue.trim_end());
    }
    let arguments: Vec<String> = launch.arguments.iter().map(|argument| quoted(&argument.to_string_lossy())).collect();
    let _ = writeln!(
        text,
        r#"part=${{SLURM_ARRAY_TASK_ID:-0}}
cd {folder} || exit 1
{program} stages {arguments} --jobs "${{SLURM_CPUS_PER_TASK:-1}}" --batch {batch} --part "$part" &
child=$!
# A request to end is passed on: a training keeps where it is.
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
echo "$code" > {code}
exit "$code""#,
        folder = quoted(&launch.folder.to_string_lossy()),
        program = quoted(&launch.program.to_string_lossy()),
        arguments = arguments.join(" "),
        batch = quoted(&folder.batch_file(batch.number).to_string_lossy()),
        code = format_args!("{}\"$part\".code", quoted(&folder.path().join(format!("{:04}-", batch.number)).to_string_lossy())),
    );
    text
}

/// A path in an option of `sbatch`, which takes `%` and `\` for its own.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace("%a.log", "\u{0}").replace('%', "%%").replace('\u{0}', "%a.log")
}

#[cfg(test)]
mod tests {
    use onebasin_repro::Fingerprint;

    use super::super::record::BatchStage;
    use super::*;
    use crate::stage::StageId;

    #[test]
    fn a_script_says_what_the_settings_do() {
        let folder = RunFolder::new(Path::new("/store"), "smoke", "abcd");
        let stage = BatchStage { stage: StageId::new("train/a"), fingerprint: Fingerprint::of_bytes(b"a") };
        let parts = vec![vec![stage.clone()], vec![stage]];
        let batch = Batch { number: 3, name: folder.job_name(3), kind: "train".to_owned(), raised: true, parts, seconds: vec![1.0, 1.0] };
        let resources = Resources {
            partition: Some("long".to_owned()),
            memory: Some("2G".to_owned()),
            cpus: Some(4),
            modules: Some(vec!["gcc/12".to_owned()]),
            prologue: Some("ulimit -c 0".to_owned()),
            flags: Some(vec!["--exclusive".to_owned()]),
            ..Resources::default()
        };
        let launch = Launch {
            program: "/bin/one basin".into(),
            folder: "/home/it's".into(),
            arguments: ["a.toml", "--set", "seed=1"].map(OsString::from).into(),
            variables: vec![("ONEBASIN_DATA".to_owned(), "/a b".to_owned())],
        };
        insta::assert_snapshot!(script(&launch, &folder, &batch, &resources, &["12".to_owned(), "13_4".to_owned()]), @r#"
        #!/bin/bash
        #SBATCH --job-name=onebasin-smoke-abcd-0003
        #SBATCH --output=/store/jobs/smoke-abcd/0003-%a.log
        #SBATCH --open-mode=append
        #SBATCH --array=0-1
        #SBATCH --dependency=afterany:12:13_4
        #SBATCH --partition=long
        #SBATCH --cpus-per-task=4
        #SBATCH --mem=4096M
        #SBATCH --requeue
        #SBATCH --exclusive

        export ONEBASIN_DATA='/a b'
        module load gcc/12 || exit 1
        ulimit -c 0
        part=${SLURM_ARRAY_TASK_ID:-0}
        cd '/home/it'\''s' || exit 1
        '/bin/one basin' stages a.toml --set seed=1 --jobs "${SLURM_CPUS_PER_TASK:-1}" --batch /store/jobs/smoke-abcd/0003.json --part "$part" &
        child=$!
        # A request to end is passed on: a training keeps where it is.
        trap 'kill -TERM "$child" 2>/dev/null' TERM INT
        wait "$child"; code=$?
        while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
        echo "$code" > /store/jobs/smoke-abcd/0003-"$part".code
        exit "$code"
        "#);
    }
}
