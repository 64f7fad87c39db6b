//! Cases 27 to 35: git's own files, what agents and editors read, and settings that start programs.
//!
//! Owns the rows and nothing else. A program that a repository starts says so on stderr and leaves a mark;
//! the command itself is what a mandate would ask for.

use crate::case::{Case, Ground, Outside, Shows, USUAL, Wish, Writes};

use Shows::{Change, Start, Works};

/// An object that is not there, and that git would ask another repository for.
const MISSING: &str = "1111111111111111111111111111111111111111";

const fn write(number: u8, name: &'static str, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, Change, args)
}

const fn make(name: &'static str, args: &'static [&'static str]) -> Case {
    Case::probe(28, name, Change, args).on(Ground::Plain)
}

const fn overlay(name: &'static str, args: &'static [&'static str]) -> Case {
    make(name, args).wishing(Wish { writes: Writes::Overlay, ..USUAL })
}

/// A git command in a repository that is hostile in the way it is named after.
const fn git(
    number: u8,
    way: &'static str,
    name: &'static str,
    args: &'static [&'static str],
) -> Case {
    Case::tool(number, name, Start, args).on(Ground::Hostile(way))
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    write(27, "hook", &["make-tree", ".git/hooks/post-checkout", "#!/bin/sh\n"]),
    write(27, "hook-sample", &["write", ".git/hooks/pre-commit.sample"]),
    write(27, "config", &["write", ".git/config"]),
    write(27, "config-lock", &["replace", ".git/config", "[core]\n\tfsmonitor = ./x\n"]),
    write(27, "attributes", &["make-tree", ".git/info/attributes", "* filter=x\n"]),
    write(27, "exclude", &["write", ".git/info/exclude"]),
    write(27, "head", &["write-into", ".git/HEAD", "ref: refs/heads/other\n"]),
    write(27, "config-worktree", &["make-tree", ".git/config.worktree", "[core]\n"]),
    write(27, "commondir", &["make-tree", ".git/commondir", "../planted\n"]),
    write(27, "modules", &["make-tree", ".git/modules/x/config", "[core]\n"]),
    write(27, "hooks-away", &["rename-at", ".git/hooks", ".git/hooks.away"]),
    write(27, "config-away", &["rename-at", ".git/config", ".git/config.away"]),
    write(27, "hook-mode", &["chmod", ".git/hooks/pre-commit.sample"]),
    make("git", &["make-tree", ".git/config", "[core]\n\tfsmonitor = ./x\n"]),
    make("git-dir", &["make-dir", ".git"]),
    make("git-file", &["write", ".git"]),
    make("claude", &["make-tree", ".claude/settings.json", "{}\n"]),
    make("codex", &["make-tree", ".codex/config.toml", "\n"]),
    make("agents", &["make-tree", ".agents/x", "\n"]),
    make("cursor", &["make-tree", ".cursor/rules/x", "\n"]),
    make("mcp", &["write", ".mcp.json"]),
    make("vscode", &["make-tree", ".vscode/tasks.json", "{}\n"]),
    make("idea", &["make-tree", ".idea/workspace.xml", "\n"]),
    make("envrc", &["write", ".envrc"]),
    make("cargo", &["make-tree", ".cargo/config.toml", "[build]\n"]),
    make("husky", &["make-tree", ".husky/pre-commit", "\n"]),
    make("npmrc", &["write", ".npmrc"]),
    make("gitmodules", &["write", ".gitmodules"]),
    make("kairos", &["make-tree", ".kairos/config.yml", "\n"]),
    make("by-rename", &["rename-new", ".claude/settings.json"]),
    make("by-link", &["link-new", ".vscode"]),
    make("daemon-killed", &["make-tree-and-linger", ".claude/settings.json", "{}\n"])
        .wishing(Wish { writes: Writes::Overlay, outside: Outside::DriverKilled, ..USUAL }),
    overlay("overlay-git", &["make-tree", ".git/config", "[core]\n\tfsmonitor = ./x\n"]),
    overlay("overlay-claude", &["make-tree", ".claude/settings.json", "{}\n"]),
    overlay("overlay-by-link", &["link-new", ".vscode"]),
    overlay("overlay-envrc", &["write", ".envrc"]),
    write(29, "gitfile", &["write-into", ".git", "gitdir: planted\n"]).on(Ground::Pointer),
    write(29, "gitfile-replaced", &["replace", ".git", "gitdir: planted\n"]).on(Ground::Pointer),
    write(29, "repository-behind", &["write", "../ws.git/config"]).on(Ground::Pointer),
    write(29, "hooks-behind", &["make-tree", "../ws.git/hooks/post-checkout", "\n"])
        .on(Ground::Pointer),
    write(30, "main-hooks", &["make-tree", "../main/.git/hooks/post-commit", "\n"])
        .on(Ground::Worktree),
    write(30, "main-config", &["write", "../main/.git/config"]).on(Ground::Worktree),
    write(30, "main-info", &["write", "../main/.git/info/exclude"]).on(Ground::Worktree),
    write(30, "own-commondir", &["write", "../main/.git/worktrees/ws/commondir"])
        .on(Ground::Worktree),
    write(30, "gitfile", &["write-into", ".git", "gitdir: planted\n"]).on(Ground::Worktree),
    write(31, "hooks-by-link", &["make-tree", ".git/hooks/post-checkout", "\n"])
        .on(Ground::LinkedHooks),
    write(31, "hooks-themselves", &["make-tree", "hooks.real/post-checkout", "\n"])
        .on(Ground::LinkedHooks),
    write(31, "link-replaced", &["replace", ".git/hooks", "\n"]).on(Ground::LinkedHooks),
    Case::probe(31, "starts", Works, &["read", "readme.txt"]).on(Ground::LinkedHooks),
    write(32, "git-away", &["rename-at", ".git", "git.away"]),
    write(32, "git-exchanged", &["exchange", ".git"]),
    git(33, "nested", "nested-status", &["git", "status"]),
    git(34, "fsmonitor", "fsmonitor-status", &["git", "status"]),
    git(34, "fsmonitor", "fsmonitor-diff", &["git", "diff"]),
    git(34, "fsmonitor", "fsmonitor-ls-files", &["git", "ls-files", "-m"]),
    git(34, "diff-external", "external-diff", &["git", "diff"]),
    git(34, "diff-external", "external-log", &["git", "log", "-p", "--ext-diff"]),
    git(34, "textconv", "textconv-diff", &["git", "diff"]),
    git(34, "textconv", "textconv-log", &["git", "log", "-p"]),
    git(34, "textconv", "textconv-show", &["git", "show"]),
    git(34, "textconv", "textconv-blame", &["git", "blame", "readme.txt"]),
    git(34, "textconv", "textconv-grep", &["git", "grep", "--textconv", "hello"]),
    git(34, "textconv", "textconv-status", &["git", "status", "-v", "-v"]),
    git(34, "diff-command", "command-diff", &["git", "diff"]),
    git(34, "filter-clean", "clean-status", &["git", "status"]),
    git(34, "filter-clean", "clean-diff", &["git", "diff"]),
    git(34, "filter-clean", "clean-ls-files", &["git", "ls-files", "-m"]),
    git(34, "filter-process", "process-status", &["git", "status"]),
    git(34, "filter-process", "process-diff", &["git", "diff"]),
    git(34, "show-signature", "signature-log", &["git", "log"]),
    git(34, "show-signature", "signature-show", &["git", "show"]),
    git(34, "gpg-program", "signature-format", &["git", "log", "--format=%G?"]),
    git(34, "bare", "bare-status", &["git", "status"]),
    git(34, "pointer", "pointer-status", &["git", "status"]),
    git(34, "attributes-file", "attributes-diff", &["git", "diff"]),
    git(35, "include-if", "include-if-status", &["git", "status"]),
    git(35, "include", "include-status", &["git", "status"]),
    git(35, "hooks-path", "hooks-path-commit", &["git", "commit", "-a", "-m", "x"]),
    git(35, "ssh-command", "ssh-missing-object", &["git", "show", MISSING]),
    git(35, "ext-url", "ext-missing-object", &["git", "show", MISSING]),
    git(35, "filter-smudge", "smudge-checkout", &["git", "checkout", "--", "readme.txt"]),
    git(
        35,
        "filter-smudge",
        "smudge-cat-file",
        &["git", "cat-file", "--filters", "HEAD:readme.txt"],
    ),
    git(35, "editor", "editor-commit", &["git", "commit", "-a"]),
    git(35, "interactive-filter", "filter-interactive", &["git", "add", "-p"]),
    git(35, "submodule", "submodule-update", &["git", "submodule", "update", "--no-fetch"]),
];
