//! The copy of the workspace that is broken and mended, and cargo in it. It owns `target/mutants`, and nothing that it
//! starts writes outside of that.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::data::Mutant;
use super::verdict::Outcome;
use crate::Result;

/// How often a test that runs is looked after.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

pub(super) struct Tree {
    /// `target/mutants`.
    home: PathBuf,
}

/// Files that are broken, and their texts before.
pub(super) struct Broken {
    before: Vec<(PathBuf, String)>,
}

impl Tree {
    /// Copies the tracked files. What is the same already keeps its time, so that cargo builds only what has changed.
    pub(super) fn copy(root: &Path) -> Result<Self> {
        let home = root.join("target/mutants");
        let tree = home.join("tree");
        fs::create_dir_all(home.join("tmp"))?;
        fs::create_dir_all(&tree)?;
        let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
        if !listed.status.success() {
            return Err("`git ls-files` failed: the mutants need a checkout".into());
        }
        let mut tracked = BTreeSet::new();
        for path in String::from_utf8(listed.stdout)?.split('\0').filter(|path| !path.is_empty()) {
            let (from, to) = (root.join(path), tree.join(path));
            // A file that is deleted and still tracked.
            if !from.is_file() {
                continue;
            }
            let text = fs::read(&from)?;
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::create_dir_all(to.parent().unwrap_or(&tree))?;
                fs::write(&to, text)?;
            }
            tracked.insert(to);
        }
        remove_others(&tree, &tracked)?;
        Ok(Self { home })
    }

    /// Makes the mutant's edits; refuses all of them if one does not fit.
    pub(super) fn break_with(&self, mutant: &Mutant) -> Result<Broken> {
        let mut broken = Broken { before: Vec::new() };
        let mut after: Vec<(PathBuf, String)> = Vec::new();
        for edit in mutant.edits() {
            let path = self.home.join("tree").join(&edit.file);
            if let Some((_, text)) = after.iter_mut().find(|(known, _)| *known == path) {
                *text = edit.make(text)?;
                continue;
            }
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", edit.file))?;
            after.push((path.clone(), edit.make(&text)?));
            broken.before.push((path, text));
        }
        for (path, text) in after {
            fs::write(path, text)?;
        }
        Ok(broken)
    }

    /// Builds the mutant's test; false if it does not compile.
    pub(super) fn build(&self, mutant: &Mutant) -> Result<bool> {
        let (target, _) = mutant.target_and_test()?;
        Ok(self.cargo(mutant, &target)?.arg("--no-run").status()?.success())
    }

    /// Runs the mutant's one test, no longer than the limit.
    pub(super) fn test(&self, mutant: &Mutant, limit: Duration) -> Result<Outcome> {
        let (target, test) = mutant.target_and_test()?;
        // A group of its own: what the test has started ends with it.
        let mut child =
            self.cargo(mutant, &target)?.args(["--", "--exact", test]).process_group(0).spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id())?);
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                // Most often nobody is left.
                let _ = killpg(group, Signal::SIGKILL);
                return Ok(match status.success() {
                    true => Outcome::Passed(fs::read_to_string(self.output())?),
                    false => Outcome::Failed,
                });
            }
            if Instant::now() >= deadline {
                killpg(group, Signal::SIGKILL)?;
                child.wait()?;
                return Ok(Outcome::TimedOut);
            }
            std::thread::sleep(LOOK_PERIOD);
        }
    }

    /// The compiler's first error in the last build.
    pub(super) fn first_error(&self) -> Result<String> {
        let output = String::from_utf8_lossy(&fs::read(self.output())?).into_owned();
        Ok(output.lines().find(|line| line.starts_with("error")).unwrap_or("does not build").to_owned())
    }

    /// How the output of the last build or test ends.
    pub(super) fn last_words(&self) -> Result<String> {
        const LINES: usize = 20;
        let output = String::from_utf8_lossy(&fs::read(self.output())?).into_owned();
        let lines: Vec<&str> = output.lines().collect();
        Ok(lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }

    fn cargo(&self, mutant: &Mutant, target: &[&str]) -> Result<Command> {
        let output = File::create(self.output())?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .arg("test")
            .args(target)
            .current_dir(self.home.join("tree"))
            .env("CARGO_TARGET_DIR", self.home.join("target"))
            .env("TMPDIR", self.home.join("tmp"))
            .env("CARGO_TERM_COLOR", "never")
            // Nobody looks at a mutant in a debugger, and linking is most of the time.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "0")
            .envs(&mutant.env)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(cargo)
    }

    fn output(&self) -> PathBuf {
        self.home.join("output")
    }
}

impl Broken {
    /// Puts the texts back. A run that is killed before leaves that to the next one's copy.
    pub(super) fn mend(self) -> Result<()> {
        for (path, text) in self.before {
            fs::write(path, text)?;
        }
        Ok(())
    }
}

/// Removes what is not tracked any more, or an old test would still be built.
fn remove_others(directory: &Path, tracked: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            remove_others(&path, tracked)?;
        } else if !tracked.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
