//! Repositories that start programs.
//!
//! Owns what is written into a repository so that a git command of the allowed list executes something:
//! one entry for each way that is known. What is executed is always the same program, which leaves a
//! mark outside the workspace where it can and one inside otherwise. Executes nothing itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Result, bail};

/// Written into the workspace by what must not have been executed; a witness looks for it.
pub(crate) const MARK: &str = "planted-mark";
/// Said by it on stderr, where it may not write.
pub(crate) const CRY: &str = "hostile program started";
/// The program: below the workspace, where an agent could have put it.
const PROGRAM: &str = "planted-program";

/// Name, settings in `.git/config`, attributes in `.gitattributes`. `%P` stands for the program.
// tidy: table
const WAYS: [(&str, &str, &str); 17] = [
    ("fsmonitor", "[core]\n\tfsmonitor = %P\n", ""),
    ("diff-external", "[diff]\n\texternal = %P\n", ""),
    ("textconv", "[diff \"x\"]\n\ttextconv = %P\n", "* diff=x\n"),
    ("diff-command", "[diff \"x\"]\n\tcommand = %P\n", "* diff=x\n"),
    ("filter-clean", "[filter \"x\"]\n\tclean = %P\n\trequired = true\n", "* filter=x\n"),
    ("filter-smudge", "[filter \"x\"]\n\tsmudge = %P\n", "* filter=x\n"),
    ("filter-process", "[filter \"x\"]\n\tprocess = %P\n\trequired = true\n", "* filter=x\n"),
    ("show-signature", "[log]\n\tshowSignature = true\n[gpg]\n\tprogram = %P\n", ""),
    ("gpg-program", "[gpg]\n\tprogram = %P\n", ""),
    ("hooks-path", "[core]\n\thooksPath = planted-hooks\n", ""),
    (
        "ssh-command",
        "[core]\n\tsshCommand = %P\n[remote \"origin\"]\n\turl = a@127.0.0.1:b\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
        "",
    ),
    (
        "ext-url",
        "[remote \"origin\"]\n\turl = ext::%P\n\tpromisor = true\n\tpartialclonefilter = blob:none\n[protocol \"ext\"]\n\tallow = always\n",
        "",
    ),
    ("include-if", "[includeIf \"gitdir:/\"]\n\tpath = ../planted-settings\n", ""),
    ("include", "[include]\n\tpath = ../planted-settings\n", ""),
    ("editor", "[core]\n\teditor = %P\n[sequence]\n\teditor = %P\n", ""),
    ("interactive-filter", "[color]\n\tui = always\n[interactive]\n\tdiffFilter = %P\n", ""),
    (
        "attributes-file",
        "[core]\n\tattributesFile = planted-attributes\n[diff \"x\"]\n\ttextconv = %P\n",
        "",
    ),
];

/// Makes the repository in `workspace` hostile in this way.
pub(crate) fn lay(name: &str, workspace: &Path) -> Result<()> {
    let program = workspace.join(PROGRAM);
    let mark = workspace.join(MARK);
    let script = format!("#!/bin/sh\necho {CRY} >&2\necho attacked >{}\ncat\n", mark.display());
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    match name {
        "program" => return programs(workspace, &["git-planted"]),
        "shadows" => return programs(workspace, &["git", "ls", "cat"]),
        "bare" => return bare(workspace),
        "pointer" => return pointer(workspace),
        "nested" => return nested(workspace),
        "submodule" => return submodule(workspace),
        _ => {}
    }
    let Some((_, settings, attributes)) = WAYS.iter().find(|(way, ..)| *way == name) else {
        bail!("no way is named `{name}`");
    };
    let settings = settings.replace("%P", &program.display().to_string());
    add(&workspace.join(".git/config"), &settings)?;
    fs::write(workspace.join("planted-settings"), "[core]\n\tfsmonitor = ./planted-program\n")?;
    fs::write(workspace.join("planted-attributes"), "* diff=x\n")?;
    if !attributes.is_empty() {
        fs::write(workspace.join(".gitattributes"), attributes)?;
    }
    if name == "hooks-path" {
        fs::create_dir(workspace.join("planted-hooks"))?;
        for hook in ["post-index-change", "pre-commit", "post-checkout"] {
            fs::copy(&program, workspace.join("planted-hooks").join(hook))?;
        }
    }
    fs::write(workspace.join("readme.txt"), "changed\n")?;
    if matches!(name, "show-signature" | "gpg-program") {
        sign(workspace)?;
    }
    Ok(())
}

/// The program under other names too.
fn programs(workspace: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        fs::copy(workspace.join(PROGRAM), workspace.join(name))?;
    }
    Ok(())
}

fn add(path: &Path, text: &str) -> Result<()> {
    let before = fs::read_to_string(path)?;
    fs::write(path, before + text)?;
    Ok(())
}

/// A directory that is a repository without a workspace, in the tree, as an archive could bring it.
fn bare(workspace: &Path) -> Result<()> {
    let git = workspace.join(".git");
    for name in ["HEAD", "objects", "refs"] {
        fs::rename(git.join(name), workspace.join(name))?;
    }
    let program = workspace.join(PROGRAM);
    let settings = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = {}\n",
        program.display()
    );
    fs::write(workspace.join("config"), settings)?;
    fs::remove_dir_all(git)?;
    Ok(())
}

/// `.git` points to a repository in the tree that an agent has written.
fn pointer(workspace: &Path) -> Result<()> {
    lay("fsmonitor", workspace)?;
    fs::rename(workspace.join(".git"), workspace.join("planted-repository"))?;
    fs::write(workspace.join(".git"), "gitdir: planted-repository\n")?;
    Ok(())
}

/// A repository below that git looks into as a submodule, and whose settings start a program.
fn nested(workspace: &Path) -> Result<()> {
    let sub = workspace.join("planted-sub");
    fs::create_dir(&sub)?;
    copy_all(&workspace.join(".git"), &sub.join(".git"))?;
    git(workspace, &["add", "planted-sub"], "")?;
    let program = workspace.join(PROGRAM);
    add(&sub.join(".git/config"), &format!("[core]\n\tfsmonitor = {}\n", program.display()))?;
    Ok(())
}

/// A submodule that is behind, and a program that would bring it up to date.
fn submodule(workspace: &Path) -> Result<()> {
    let sub = workspace.join("planted-sub");
    fs::create_dir(&sub)?;
    copy_all(&workspace.join(".git"), &sub.join(".git"))?;
    let entry = "160000,1111111111111111111111111111111111111111,planted-sub";
    git(workspace, &["update-index", "--add", "--cacheinfo", entry], "")?;
    fs::write(
        workspace.join(".gitmodules"),
        "[submodule \"x\"]\n\tpath = planted-sub\n\turl = ./x\n",
    )?;
    let program = workspace.join(PROGRAM);
    let update = format!(
        "[submodule \"x\"]\n\tactive = true\n\turl = ./x\n\tupdate = !{}\n",
        program.display()
    );
    add(&workspace.join(".git/config"), &update)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Gives the last commit a signature, which whoever shows it has to have checked.
fn sign(workspace: &Path) -> Result<()> {
    let commit = git(workspace, &["cat-file", "commit", "HEAD"], "")?;
    let (head, message) = commit.split_once("\n\n").unwrap_or((&commit, ""));
    let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----";
    let signed = format!("{head}\n{signature}\n\n{message}\n");
    let id = git(workspace, &["hash-object", "-t", "commit", "-w", "--stdin"], &signed)?;
    fs::write(workspace.join(".git/refs/heads/main"), format!("{id}\n"))?;
    Ok(())
}

fn git(workspace: &Path, args: &[&str], input: &str) -> Result<String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new("git")
        .args(args)
        .current_dir(workspace)
        .env("HOME", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().expect("stdin is a pipe").write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
