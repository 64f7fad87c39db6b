//! Each way in which a repository starts programs: planted, asked for plainly to see that it works,
//! and asked for through the rule to see that it does not. Attack cases 33 to 35.

use std::fs;

use kairos_sandbox::catalog::Violation;

use super::git::World;
use super::{catalog, words};

/// Plants something, and checks that each question marks plainly, and none through the rule.
#[track_caller]
fn vector(plant: impl Fn(&World), questions: &[&str]) {
    vector_in("", plant, questions, Answer::Given);
}

/// Whether git can answer at all once it starts nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Given,
    Refused,
}

#[track_caller]
fn vector_in(cwd: &str, plant: impl Fn(&World), questions: &[&str], answer: Answer) {
    let catalog = catalog();
    let rule = catalog.rule("git").unwrap();
    for question in questions {
        // Each on its own: some leave an index behind that asks nothing any more.
        let world = World::new();
        plant(&world);
        world.marked();
        let argv = words(&question.split(' ').collect::<Vec<_>>());
        let output = world.ruled(rule, cwd, &argv).unwrap();
        assert!(!world.marked(), "`git {question}` starts it through the rule");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), answer == Answer::Given, "`git {question}`: {said}");
        world.plain(cwd, question);
        assert!(world.marked(), "`git {question}` starts nothing: the vector proves nothing");
    }
}

fn attributes(world: &World, text: &str) {
    world.write(".gitattributes", text);
}

fn secret_attributes(world: &World, text: &str) {
    fs::create_dir_all(world.path("w/.git/info")).unwrap();
    world.write(".git/info/attributes", text);
}

fn evil(world: &World) -> String {
    world.path("evil").display().to_string()
}

#[test]
fn a_file_system_monitor_is_not_started() {
    let plant = |world: &World| {
        world.git_with(&["config", "core.fsmonitor", &evil(world)]);
    };
    vector(plant, &["status", "diff", "ls-files -m"]);
}

#[test]
fn a_monitor_from_an_included_file_is_not_started() {
    let included = |world: &World, key: &str| {
        world.put(&world.path("more"), &format!("[core]\n\tfsmonitor = {}\n", evil(world)));
        world.git_with(&["config", key, &world.path("more").display().to_string()]);
    };
    vector(|world| included(world, "include.path"), &["status"]);
    vector(|world| included(world, "includeIf.onbranch:main.path"), &["status"]);
}

#[test]
fn a_monitor_from_the_configuration_of_a_worktree_is_not_started() {
    let plant = |world: &World| {
        world.git("config extensions.worktreeConfig true");
        world.git_with(&["config", "--worktree", "core.fsmonitor", &evil(world)]);
    };
    vector(plant, &["status"]);
}

#[test]
fn a_program_for_differences_is_not_started() {
    let external = |world: &World| {
        world.git_with(&["config", "diff.external", &evil(world)]);
    };
    vector(external, &["diff", "diff HEAD"]);
    let command = |world: &World| {
        attributes(world, "*.txt diff=d\n");
        world.git_with(&["config", "diff.d.command", &evil(world)]);
    };
    vector(command, &["diff"]);
}

#[test]
fn a_program_that_shows_files_is_not_started() {
    let textconv = |world: &World| {
        world.git_with(&["config", "diff.d.textconv", &evil(world)]);
        world.git_with(&["config", "diff.d.cachetextconv", "false"]);
    };
    let questions = ["diff", "log -p", "show", "blame a.txt"];
    let open = |world: &World| {
        attributes(world, "*.txt diff=d\n");
        textconv(world);
    };
    vector(open, &questions);
    let secret = |world: &World| {
        secret_attributes(world, "*.txt diff=d\n");
        textconv(world);
    };
    vector(secret, &questions);
}

#[test]
fn a_filter_is_not_started() {
    for key in ["clean", "process"] {
        let filter = |world: &World| {
            world.git_with(&["config", &format!("filter.f.{key}"), &evil(world)]);
            // So that plain git goes on when the process speaks no protocol.
            world.git_with(&["config", "filter.f.required", "false"]);
        };
        let questions = ["status", "diff", "ls-files -m", "blame a.txt"];
        let open = |world: &World| {
            attributes(world, "*.txt filter=f\n");
            filter(world);
            world.write("a.txt", "two\n");
        };
        vector(open, &questions);
        let secret = |world: &World| {
            secret_attributes(world, "*.txt filter=f\n");
            filter(world);
            world.write("a.txt", "two\n");
        };
        vector(secret, &questions);
    }
}

#[test]
fn a_filter_of_an_odd_name_is_not_started() {
    let plant = |world: &World| {
        secret_attributes(world, "*.txt filter=a.B-c\n");
        world.git_with(&["config", "filter.a.B-c.clean", &evil(world)]);
        world.git_with(&["config", "filter.a.B-c.required", "true"]);
    };
    vector(plant, &["status", "diff"]);
}

/// A commit with a signature of `armor`, on top.
fn sign(world: &World, armor: &str) {
    let commit = world.git("cat-file commit HEAD");
    let (head, message) = commit.split_once("\n\n").unwrap();
    let signature = format!("-----BEGIN {armor}-----\n \n QQ==\n -----END {armor}-----");
    let signed = format!("{head}\ngpgsig {signature}\n\n{message}\n");
    world.put(&world.path("commit"), &signed);
    let file = world.path("commit").display().to_string();
    let id = world.git_with(&["hash-object", "-t", "commit", "-w", &file]);
    world.git_with(&["update-ref", "HEAD", &id]);
}

#[test]
fn a_signature_is_not_checked() {
    for (armor, key) in [
        ("PGP SIGNATURE", "gpg.program"),
        ("PGP SIGNATURE", "gpg.openpgp.program"),
        ("SIGNED MESSAGE", "gpg.x509.program"),
        ("SSH SIGNATURE", "gpg.ssh.program"),
    ] {
        let plant = |world: &World| {
            sign(world, armor);
            world.git_with(&["config", key, &evil(world)]);
            world.git_with(&["config", "gpg.ssh.allowedSignersFile", &evil(world)]);
        };
        let shown = |world: &World| {
            plant(world);
            world.git("config log.showSignature true");
        };
        vector(shown, &["log", "show"]);
        let formatted = |world: &World| {
            plant(world);
            world.git("config format.pretty %G?");
        };
        vector(formatted, &["log -1"]);
        let aliased = |world: &World| {
            plant(world);
            world.git("config pretty.mine %G?");
        };
        vector(aliased, &["log -1 --format=mine", "show --pretty=mine"]);
    }
}

#[test]
fn a_bare_repository_in_the_way_is_no_repository() {
    let plant = |world: &World| {
        world.git("init -q --bare bare");
        let bare = world.path("w/bare").display().to_string();
        let config = |key: &str, value: &str| {
            world.git_with(&["--git-dir", &bare, "config", key, value]);
        };
        config("core.bare", "false");
        config("core.worktree", &world.path("w").display().to_string());
        config("core.fsmonitor", &evil(world));
    };
    vector_in("bare", plant, &["status"], Answer::Refused);
}

#[test]
fn a_file_that_points_to_another_repository_leads_to_no_program() {
    let plant = |world: &World| {
        fs::rename(world.path("w/.git"), world.path("w/elsewhere")).unwrap();
        world.write(".git", "gitdir: elsewhere\n");
        world.git_with(&["config", "core.fsmonitor", &evil(world)]);
        world.git_with(&["config", "filter.f.clean", &evil(world)]);
        secret(world);
    };
    fn secret(world: &World) {
        world.write("elsewhere/info/attributes", "*.txt filter=f\n");
    }
    vector(plant, &["status", "diff"]);
}

#[test]
fn hooks_are_not_started() {
    let plant = |world: &World| {
        fs::copy(world.path("evil"), world.path("w/.git/hooks/post-index-change")).unwrap();
        // The index is written again when what it says of a file is old.
        world.write("a.txt", "one\n");
    };
    vector(plant, &["status"]);
    let elsewhere = |world: &World| {
        fs::create_dir(world.path("hooks")).unwrap();
        fs::copy(world.path("evil"), world.path("hooks/post-index-change")).unwrap();
        world.git_with(&["config", "core.hooksPath", &world.path("hooks").display().to_string()]);
        world.write("a.txt", "one\n");
    };
    vector(elsewhere, &["status"]);
}

#[test]
fn a_missing_object_is_not_fetched() {
    let plant = |world: &World| {
        let blob = world.git("rev-parse HEAD:a.txt");
        world.git("init -q --bare ../far");
        world.git("config extensions.partialClone far");
        world.git("config remote.far.promisor true");
        world.git_with(&["config", "remote.far.url", &world.path("far").display().to_string()]);
        // It ends at once: the other side waits for what it says.
        let gone = world.evil("gone", "exit 1");
        world.git_with(&["config", "remote.far.uploadpack", &gone]);
        world.git("config protocol.file.allow always");
        world.git("config protocol.allow always");
        let (dir, file) = blob.split_at(2);
        fs::remove_file(world.path("w/.git/objects").join(dir).join(file)).unwrap();
    };
    let questions = ["diff", "show", "log -p", "show HEAD:a.txt", "blame a.txt", "grep x HEAD"];
    vector_in("", plant, &questions, Answer::Refused);
}

#[test]
fn a_submodule_starts_nothing_of_its_own() {
    vector(|world| submodule(world, "core.fsmonitor"), &["status", "diff"]);
    vector(|world| submodule(world, "filter.f.clean"), &["status", "diff"]);
}

/// A submodule whose own configuration has a program under `key`.
fn submodule(world: &World, key: &str) {
    world.git("init -q sub");
    let inside = |argv: &[&str]| {
        let mut whole = vec!["-C", "sub"];
        whole.extend(argv);
        world.git_with(&whole);
    };
    inside(&["config", "user.name", "a"]);
    inside(&["config", "user.email", "a@example.org"]);
    world.write("sub/s.txt", "one\n");
    inside(&["add", "s.txt"]);
    inside(&["commit", "-q", "-m", "one"]);
    world.git("-c advice.addEmbeddedRepo=false add sub");
    world.git("commit -q -m sub");
    world.write(
        ".gitmodules",
        "[submodule \"sub\"]\n\tpath = sub\n\turl = ./sub\n\tignore = none\n",
    );
    world.git("config submodule.sub.ignore none");
    world.git("config diff.ignoreSubmodules none");
    world.git("config status.submoduleSummary true");
    inside(&["config", key, &evil(world)]);
    world.write("sub/.git/info/attributes", "*.txt filter=f\n");
    world.write("sub/s.txt", "two\n");
    world.marked();
}

#[test]
fn a_merge_that_is_shown_is_not_merged_again() {
    let plant = |world: &World| {
        world.git("checkout -q -f -b other");
        world.write("a.txt", "other\n");
        world.git("commit -q -a -m other");
        world.git("checkout -q main");
        world.write("a.txt", "main\n");
        world.git("commit -q -a -m main");
        world.git("merge -q -s ours -m merge other");
        secret_attributes(world, "*.txt merge=m\n");
        world.git_with(&["config", "merge.m.driver", &evil(world)]);
        world.git("config log.diffMerges remerge");
    };
    vector(plant, &["log -m -p -1", "show -m"]);
}

/// Adding looks into a submodule, whose filters no override knows: git finds no git to start there.
#[test]
fn adding_starts_nothing_of_a_submodule() {
    let catalog = catalog();
    let add = |key: &str, argv: &[&str]| {
        let world = World::new();
        submodule(&world, key);
        let output = world.ruled(catalog.commit_rule(), "", &words(argv)).unwrap();
        assert!(!world.marked(), "{key}: git {argv:?} starts it through the rule");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for key in ["core.fsmonitor", "filter.f.clean"] {
        assert_eq!(add(key, &["add", "--", "a.txt"]), (true, String::new()));
        for argv in [["add", "-A"], ["add", "-u"], ["add", "."], ["add", "sub"]] {
            let (added, said) = add(key, &argv);
            assert!(!added && said.contains("submodule"), "{argv:?}: {said}");
        }
    }
    let world = World::new();
    submodule(&world, "filter.f.clean");
    world.plain("", "add -A");
    assert!(world.marked(), "plain git starts nothing: this proves nothing");
}

/// What the commit of a mandate could start.
#[test]
fn a_commit_starts_nothing() {
    let catalog = catalog();
    let rule = catalog.commit_rule();
    let world = World::new();
    let evil = evil(&world);
    for hook in [
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-index-change",
        "reference-transaction",
        "post-rewrite",
        "pre-auto-gc",
    ] {
        fs::copy(world.path("evil"), world.path("w/.git/hooks").join(hook)).unwrap();
    }
    for (key, value) in [
        ("core.fsmonitor", evil.as_str()),
        ("core.editor", &evil),
        ("sequence.editor", &evil),
        ("commit.gpgSign", "true"),
        ("gpg.program", &evil),
        ("core.pager", &evil),
        ("diff.external", &evil),
        ("interactive.diffFilter", &evil),
        ("core.sshCommand", &evil),
        ("credential.helper", &evil),
        ("gc.auto", "1"),
        ("gc.recentObjectsHook", &evil),
        ("trailer.sign.command", &evil),
        ("trailer.sign.cmd", &evil),
        ("trailer.sign.ifmissing", "add"),
        ("init.templateDir", &evil),
    ] {
        world.git_with(&["-c", "core.fsmonitor=false", "config", key, value]);
    }
    for argv in [&["add", "--", "a.txt"][..], &["commit", "-q", "-s", "-m", "x"]] {
        let output = world.ruled(rule, "", &words(argv)).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {argv:?}: {said}");
        assert!(!world.marked(), "git {argv:?} starts something");
    }
    world.write("a.txt", "three\n");
    world.plain("", "commit -a -m y");
    assert!(world.marked(), "plain git starts nothing: this proves nothing");
    world.git_with(&["-c", "core.fsmonitor=false", "config", "filter.f.clean", "x"]);
    let filter = Violation::Filter { tool: "git".into(), driver: "f".into() };
    assert_eq!(world.ruled(rule, "", &words(&["add", "a.txt"])).unwrap_err(), filter);
}
