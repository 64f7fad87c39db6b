//! The search for inputs nobody thought of.
//!
//! Owns how the programs of `fuzz/` are built and run: by the ordinary compiler, with the marks of
//! coverage that libFuzzer reads and without a sanitizer, for all code of ours is safe but one call.
//! Searches on a copy of the corpus; the tree stays as it is. What is found is told byte by byte.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::Verdict;
use crate::call::{Answer, Call};
use crate::packages;

/// The part that this belongs to.
pub(super) const PART: &str = "fuzz";

/// The row of what is tried.
pub(super) const ROW: &str = "searched inputs";

/// For each target.
const SECONDS: u64 = 60;
/// As many as there are cores on the machines that have to pass this.
const BESIDE: usize = 2;
/// Longer inputs are not tried.
const INPUT_BYTES_MAX: u64 = 1 << 15;
/// An input that takes longer, or more, is a finding.
const INPUT_SECONDS_MAX: u64 = 10;
const MEMORY_MIB_MAX: u64 = 2048;
/// What is shown of a longer finding is its beginning; its file has it whole.
const SHOWN_BYTES_MAX: usize = 1 << 16;

/// Counters and comparisons in every function: what `cargo fuzz` asks of a compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Cllvm-args=-simplifycfg-branch-fold-threshold=0 --cfg fuzzing";

/// What came of all targets.
#[derive(Debug, Default)]
pub(super) struct Search {
    tried: u64,
    found: u64,
}

impl Search {
    pub(super) fn verdict(&self) -> Verdict {
        if self.found == 0 { Verdict::Good } else { Verdict::Bad }
    }

    /// As a part prints it.
    pub(super) fn line(&self) -> String {
        let Self { tried, found } = self;
        format!(
            "{{\"name\":\"{ROW}\",\"tried\":{tried},\"lost\":0,\"duplicated\":0,\
             \"wrongly_accepted\":{found},\"wrongly_refused\":0}}"
        )
    }
}

/// Where it is built and where it searches.
struct Place {
    /// Below the target directory, and so never seen by git.
    dir: PathBuf,
    /// The system that is built for, and by: named, so that build scripts get no marks.
    host: String,
}

/// Searches with every target of `fuzz/`, two beside each other.
pub(super) fn search(root: &Path, times: u64) -> Result<Search> {
    packages::install(
        root,
        "g++",
        "builds libFuzzer, which searches for bytes that break a promise",
    )?;
    let place = Place::new(root)?;
    let build = place.build();
    let answer = build.read(root)?;
    if !answer.good {
        bail!("what searches cannot be built; repeat it alone: {build}\n{}", answer.stderr);
    }
    let names = targets(root)?;
    for name in &names {
        place.copy_corpus(root, name)?;
    }
    let (left, search) = (Mutex::new(names.iter()), Mutex::new(Ok(Search::default())));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(name) = { left.lock().expect("nobody panics").next() } {
                    let one = place.search(root, name, times);
                    let mut all = search.lock().expect("nobody panics");
                    match (all.as_mut(), one) {
                        (Ok(all), Ok(one)) => {
                            all.tried += one.tried;
                            all.found += one.found;
                        }
                        (Ok(_), Err(error)) => *all = Err(error),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    search.into_inner().expect("nobody panics")
}

impl Place {
    fn new(root: &Path) -> Result<Self> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let version = Call::new("rustc", &["-vV"]).text(root)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("`rustc -vV` names no host")?.to_owned();
        Ok(Self { dir: root.join(target).join("search"), host })
    }

    fn build(&self) -> Call {
        let manifest = ["--manifest-path", "fuzz/Cargo.toml"];
        let args = [&["build", "--release", "--locked", "--target", &self.host], &manifest[..]];
        Call::cargo(&args.concat())
            .var("CARGO_TARGET_DIR", &self.dir.to_string_lossy())
            .var("RUSTFLAGS", FLAGS)
    }

    fn program(&self, name: &str) -> String {
        self.dir.join(&self.host).join("release").join(name).to_string_lossy().into_owned()
    }

    fn corpus(&self, name: &str) -> PathBuf {
        self.dir.join("corpus").join(name)
    }

    fn copy_corpus(&self, root: &Path, name: &str) -> Result<()> {
        let (from, to) = (root.join("fuzz/corpus").join(name), self.corpus(name));
        let copy = || -> std::io::Result<()> {
            if to.exists() {
                std::fs::remove_dir_all(&to)?;
            }
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
            Ok(())
        };
        copy().with_context(|| format!("the corpus `{}` cannot be copied", from.display()))
    }

    fn search(&self, root: &Path, name: &str, times: u64) -> Result<Search> {
        let found = self.dir.join(format!("found-{name}-"));
        let found = found.to_string_lossy();
        let args = [
            format!("-max_total_time={}", SECONDS * times),
            format!("-max_len={INPUT_BYTES_MAX}"),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
            format!("-artifact_prefix={found}"),
            "-print_final_stats=1".to_owned(),
            self.corpus(name).to_string_lossy().into_owned(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let answer = Call::new(self.program(name), &args).read(root)?;
        let tried = tried(&answer).unwrap_or_default();
        if !answer.good {
            self.tell(name, &answer);
        } else if tried == 0 {
            bail!("the search with `{name}` does not say how much it tried");
        }
        Ok(Search { tried, found: u64::from(!answer.good) })
    }

    /// What was found, and how to see it again.
    fn tell(&self, name: &str, answer: &Answer) {
        const LINES: usize = 40;
        let lines: Vec<&str> = answer.stderr.lines().collect();
        eprintln!("── the search with `{name}` found something");
        eprintln!("{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
        let Some(file) = finding(&answer.stderr) else { return };
        let Ok(bytes) = std::fs::read(file) else { return };
        let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
        eprintln!("repeat it alone, once `cargo xtask faults fuzz` has built the program:");
        eprintln!("echo {} | base64 -d > found", BASE64.encode(shown));
        eprintln!("{} found", Call::new(self.program(name), &[]));
        eprintln!("once mended, it belongs to `fuzz/corpus/{name}/`, which a test repeats");
    }
}

/// How many inputs there were, as libFuzzer says at its end.
fn tried(answer: &Answer) -> Option<u64> {
    const STATISTIC: &str = "stat::number_of_executed_units:";
    let line = answer.stderr.lines().find_map(|line| line.strip_prefix(STATISTIC))?;
    line.trim().parse().ok()
}

/// The file that libFuzzer has put the finding in.
fn finding(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, file)| file)
}

/// By their corpus, which every target has.
fn targets(root: &Path) -> Result<Vec<String>> {
    let corpus = root.join("fuzz/corpus");
    let names = std::fs::read_dir(&corpus)
        .with_context(|| format!("`{}`", corpus.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stderr: &str) -> Answer {
        Answer { good: true, stdout: String::new(), stderr: stderr.to_owned() }
    }

    #[test]
    fn what_a_search_says_is_read() {
        let text = "#2 INITED\nstat::number_of_executed_units: 4711\nstat::peak_rss_mb: 3\n";
        assert_eq!(tried(&answer(text)), Some(4711));
        assert_eq!(tried(&answer("Done")), None);
        let text =
            "artifact_prefix='x'; Test unit written to /t/found-note-crash-00ff\nBase64: AA==";
        assert_eq!(finding(text), Some("/t/found-note-crash-00ff"));
    }

    #[test]
    fn a_finding_is_a_count_of_its_row() {
        let row = Search { tried: 7, found: 1 }.line();
        assert!(super::super::rows::json_of(&row).is_some(), "{row}");
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let names = manifest["bin"].as_array().unwrap().iter();
        let mut names: Vec<_> = names.map(|bin| bin["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(targets(&root).unwrap(), names);
    }
}
