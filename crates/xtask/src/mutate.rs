//! `cargo xtask mutate`: each precaution taken out in turn, and the test that has to notice.
//!
//! Owns the scratch copy of the tree, in which one text at a time is replaced, and the verdict: the
//! named test is green without the change and red with it. Never touches the tree itself. The table
//! is in `table`; an entry whose text does not stand in its file exactly once is an error, so the
//! table cannot rot.

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::Verdict;
use crate::call::Call;
use crate::table::{Edge, render};
use table::{MUTATIONS, Mutation, Test};

/// A test that has not noticed by then has not noticed.
const TEST_LIMIT: Duration = Duration::from_secs(300);

/// What a test said of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Green,
    Red,
    /// Nothing: the tree does not build, or there is no such test.
    Nothing,
}

pub(crate) fn mutate(root: &Path, names: &[&str]) -> Result<Verdict> {
    let chosen = chosen(names)?;
    for mutation in &chosen {
        mutation.applied(root)?;
    }
    let scratch = Scratch::make(root)?;
    let mut sound = BTreeMap::new();
    for mutation in &chosen {
        sound.entry(mutation.test).or_insert_with(|| scratch.said(mutation.test));
    }
    let mut rows = Vec::new();
    let mut good = true;
    for mutation in &chosen {
        let before = sound[&mutation.test];
        let after = scratch.said_with(mutation)?;
        let noticed = (before, after) == (Said::Green, Said::Red);
        good &= noticed;
        println!("{}: {}", mutation.name, if noticed { "noticed" } else { "NOT NOTICED" });
        rows.push(mutation.cells(before, after));
    }
    let columns = ["what is taken out", "where", "noticed by", "without", "with"];
    print!("{}", render(&columns.map(|column| (column, Edge::Left)), &rows));
    let noticed = rows.iter().filter(|row| row[3..] == ["green", "red"]).count();
    println!("{noticed} of {} noticed", rows.len());
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Mutation>> {
    for name in names {
        if !MUTATIONS.iter().any(|mutation| mutation.name == *name) {
            let all = MUTATIONS.map(|mutation| mutation.name).join("\n  ");
            bail!("no mutation is named `{name}`; there are:\n  {all}");
        }
    }
    let wanted = |mutation: &&Mutation| names.is_empty() || names.contains(&mutation.name);
    Ok(MUTATIONS.iter().filter(wanted).collect())
}

impl Mutation {
    /// Its file with the text replaced.
    fn applied(&self, root: &Path) -> Result<String> {
        let path = root.join(self.file);
        let text = fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
        match text.matches(self.old).count() {
            1 => Ok(text.replacen(self.old, self.new, 1)),
            n => bail!(
                "`{}`: its text stands {n} times in `{}`, not once; the table is in \
                 `crates/xtask/src/mutate/table.rs`:\n{}",
                self.name,
                self.file,
                self.old
            ),
        }
    }

    fn cells(&self, before: Said, after: Said) -> Vec<String> {
        let file = self.file.trim_start_matches("crates/").replace("/src/", " ");
        let test = format!("{} {}", self.test.package, self.test.name);
        let said = |said| match said {
            Said::Green => "green",
            Said::Red => "red",
            Said::Nothing => "nothing",
        };
        [self.name, &file, &test, said(before), said(after)].map(str::to_owned).to_vec()
    }
}

/// A copy of the tree with a target directory of its own.
struct Scratch {
    tree: PathBuf,
    target: String,
}

impl Scratch {
    fn make(root: &Path) -> Result<Self> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let base = root.join(target).join("mutate");
        let tree = base.join("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree).context("the old scratch copy stays")?;
        }
        let list = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"];
        let list = Call::new("git", &[&list[..], &["--exclude-standard"]].concat());
        for file in list.text(root)?.split_terminator('\0') {
            let (from, to) = (root.join(file), tree.join(file));
            // Deleted and not yet committed.
            if !from.is_file() {
                continue;
            }
            fs::create_dir_all(to.parent().expect("it lies in the tree"))?;
            fs::copy(&from, &to).with_context(|| format!("`{file}` cannot be copied"))?;
        }
        Ok(Self { tree, target: base.join("target").display().to_string() })
    }

    fn said_with(&self, mutation: &Mutation) -> Result<Said> {
        let path = self.tree.join(mutation.file);
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, mutation.applied(&self.tree)?)?;
        let said = self.said(mutation.test);
        fs::write(&path, whole)?;
        Ok(said)
    }

    fn said(&self, test: Test) -> Said {
        let cargo = |more: &[&str]| {
            let args = ["test", "--quiet", "--locked", "-p", test.package, "--test", test.target];
            Call::cargo(&[&args[..], more].concat()).var("CARGO_TARGET_DIR", &self.target)
        };
        let listed = cargo(&["--", "--exact", test.name, "--list"]).read(&self.tree);
        if !listed.is_ok_and(|answer| answer.good && answer.stdout.contains(test.name)) {
            return Said::Nothing;
        }
        match cargo(&["--", "--exact", test.name]).quiet_within(&self.tree, TEST_LIMIT) {
            Ok(true) => Said::Green,
            Ok(false) => Said::Red,
            Err(_) => Said::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_the_table_stands_in_its_file_once() {
        let root = crate::root().unwrap();
        for mutation in &MUTATIONS {
            let applied = mutation.applied(&root).unwrap();
            assert!(applied.contains(mutation.new), "{}", mutation.name);
        }
    }

    #[test]
    fn every_mutation_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = MUTATIONS.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), MUTATIONS.len());
        assert!(names.len() >= 16);
    }
}
