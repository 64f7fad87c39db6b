//! Cases 85 to 90: what programs of the machine can be told to do.
//!
//! Owns the rows and nothing else. A driver that has a catalogue is asked by name, and may refuse.

use crate::case::{Case, Ground, Outside, Shows};

use Shows::{Change, Leak, Start, Works};

const fn tool(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::tool(number, name, shows, args).on(Ground::Hostile("program"))
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    tool(85, "output-diff", Change, &["git", "diff", "--output={other}/written"]),
    tool(85, "output-log", Change, &["git", "log", "--output={other}/written"]),
    tool(85, "output-show", Change, &["git", "show", "--output={other}/written"]),
    tool(85, "no-index", Leak, &["git", "diff", "--no-index", "/dev/null", "{other}/secret"]),
    tool(85, "no-index-implied", Leak, &["git", "diff", "/dev/null", "{other}/secret"]),
    tool(85, "work-tree", Leak, &["git", "--work-tree={other}", "grep", "--untracked", "."]),
    tool(
        85,
        "blame-contents",
        Leak,
        &["git", "blame", "--contents", "{other}/secret", "readme.txt"],
    ),
    tool(85, "config", Start, &["git", "-c", "core.fsmonitor={ws}/planted-program", "status"]),
    tool(85, "config-alias", Start, &["git", "-c", "alias.x=!./planted-program", "x"]),
    tool(85, "exec-path", Start, &["git", "--exec-path={ws}", "planted"]),
    tool(85, "grep-pager", Start, &["git", "grep", "-O./planted-program", "hello"]),
    tool(
        85,
        "grep-pager-long",
        Start,
        &["git", "grep", "--open-files-in-pager=./planted-program", "hello"],
    ),
    tool(85, "upload-pack", Start, &["git", "ls-remote", "--upload-pack=./planted-program", "."]),
    tool(85, "archive-output", Change, &["git", "archive", "--output={other}/written", "HEAD"]),
    tool(85, "bundle", Change, &["git", "bundle", "create", "{other}/written", "HEAD"]),
    tool(85, "worktree", Change, &["git", "worktree", "add", "{other}/written"]),
    tool(85, "clone", Change, &["git", "clone", ".", "{other}/written"]),
    tool(85, "init", Change, &["git", "init", "{other}/written"]),
    tool(85, "config-write", Change, &["git", "config", "core.fsmonitor", "./planted-program"]),
    tool(85, "rebase-exec", Start, &["git", "rebase", "--root", "--exec", "./planted-program"]),
    tool(86, "file-like-a-flag", Change, &["git", "log", "--output=.envrc"]),
    tool(
        88,
        "find-exec",
        Start,
        &["find", ".", "-name", "readme.txt", "-exec", "./planted-program", ";"],
    ),
    tool(
        88,
        "find-execdir",
        Start,
        &["find", ".", "-name", "readme.txt", "-execdir", "./planted-program", ";"],
    ),
    tool(88, "find-delete", Change, &["find", "{other}", "-name", "secret", "-delete"]),
    tool(
        88,
        "find-fprintf",
        Change,
        &["find", ".", "-maxdepth", "0", "-fprintf", "{other}/written", "x"],
    ),
    tool(88, "find-fls", Change, &["find", ".", "-maxdepth", "0", "-fls", "{other}/written"]),
    tool(88, "find-files-from", Leak, &["find", "-files0-from", "{other}/secret"]),
    tool(88, "sed-execute", Start, &["sed", "-n", "1e ./planted-program", "readme.txt"]),
    tool(88, "sed-write", Change, &["sed", "w {other}/written", "readme.txt"]),
    tool(88, "sed-in-place", Change, &["sed", "-i", "s/./x/", "{other}/secret"]),
    tool(88, "awk-system", Start, &["awk", "BEGIN { system(\"./planted-program\") }"]),
    tool(
        88,
        "tar-checkpoint",
        Start,
        &[
            "tar",
            "-cf",
            "/dev/null",
            "--checkpoint=1",
            "--checkpoint-action=exec=./planted-program",
            ".",
        ],
    ),
    tool(
        88,
        "tar-compress",
        Start,
        &["tar", "-I", "./planted-program", "-cf", "planted.tar", "readme.txt"],
    ),
    tool(88, "tar-to-command", Change, &["tar", "-cf", "{other}/written", "readme.txt"]),
    tool(88, "sort-output", Change, &["sort", "-o", "{other}/written", "readme.txt"]),
    tool(88, "sort-files-from", Leak, &["sort", "--files0-from={other}/secret"]),
    tool(88, "wc-files-from", Leak, &["wc", "--files0-from={other}/secret"]),
    tool(88, "cat", Leak, &["cat", "{other}/secret"]),
    tool(88, "head", Leak, &["head", "{other}/secret"]),
    tool(88, "tail", Leak, &["tail", "-n", "1", "{other}/secret"]),
    tool(88, "cat-by-link", Leak, &["cat", "link-other/secret"]),
    tool(88, "diff", Leak, &["diff", "/dev/null", "{other}/secret"]),
    tool(88, "tee", Change, &["tee", "{other}/written"]),
    tool(88, "dd", Change, &["dd", "if=/dev/zero", "of={other}/written", "count=1"]),
    tool(88, "make-eval", Start, &["make", "--eval=x:;./planted-program", "x"]),
    tool(
        88,
        "make-shell",
        Start,
        &["make", "SHELL={ws}/planted-program", "--eval=x:;true && true", "x"],
    ),
    tool(88, "env", Start, &["env", "./planted-program"]),
    tool(88, "xargs", Start, &["xargs", "./planted-program"]),
    tool(88, "nice", Start, &["nice", "./planted-program"]),
    tool(88, "timeout", Start, &["timeout", "5", "./planted-program"]),
    tool(88, "setsid", Start, &["setsid", "--wait", "./planted-program"]),
    tool(88, "nohup", Start, &["nohup", "./planted-program"]),
    tool(88, "shell", Start, &["sh", "-c", "./planted-program"]),
    tool(88, "perl", Start, &["perl", "-e", "system './planted-program'"]),
    tool(88, "itself", Start, &["./planted-program"]),
    tool(88, "itself-whole", Start, &["{ws}/planted-program"]),
    Case::tool(89, "git-in-workspace", Start, &["git", "status"])
        .on(Ground::Hostile("shadows"))
        .while_outside(Outside::PathInside),
    Case::tool(89, "ls-in-workspace", Start, &["ls"])
        .on(Ground::Hostile("shadows"))
        .while_outside(Outside::PathInside),
    Case::probe(
        90,
        "bytes",
        Works,
        &["arguments", "a\nb", "", " ", "'\"$(x)`", "-", "--", "\u{7f}\u{1b}[2J", "ü"],
    ),
    Case::probe(90, "long", Works, &["length", "{long}", "100000"]),
];
