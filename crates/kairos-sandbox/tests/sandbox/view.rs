//! What a command sees, and what it does not.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::common::{command, compiled, give, policy, run, sandbox, says, workspace};
use kairos_sandbox::{
    EnvPolicy, ExecRule, Exit, Layer, PathRule, Policy, Requirement, State, Unenforceable,
    WriteMode, compile, probe,
};

#[test]
fn the_environment_is_what_the_policy_says() {
    let dir = workspace();
    let mut policy = policy(dir.path(), WriteMode::ReadOnly);
    policy.env = EnvPolicy::empty();
    assert_eq!(run(&policy, &["env"]).expect("runs").stdout.bytes(), b"");
    policy.env.set.push(("A".into(), "b".into()));
    // Every process of a test has this one.
    policy.env.allow.push("CARGO_MANIFEST_DIR".into());
    let given = String::from_utf8(run(&policy, &["env"]).expect("runs").stdout.bytes());
    let expected = format!("A=b\nCARGO_MANIFEST_DIR={}\n", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(given.expect("text"), expected);
}

#[test]
fn a_secret_outside_does_not_exist() {
    let (dir, outside) = (workspace(), workspace());
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "hidden").expect("write");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("mode");
    symlink(&secret, dir.path().join("link")).expect("link");
    symlink("/", dir.path().join("root")).expect("link");
    let policy = policy(dir.path(), WriteMode::Direct);
    let path = secret.display();
    for words in [
        format!("cat {path}"),
        "cat link".to_owned(),
        format!("cat root{path}"),
        format!("cat /proc/self/root{path}"),
        format!("cat /proc/self/cwd/../../..{path}"),
        format!("stat {path}"),
        "cat /etc/shadow".to_owned(),
        "cat /proc/1/environ".to_owned(),
        "ls /proc/1/root/".to_owned(),
        "ls /home /root /var /sys /run".to_owned(),
    ] {
        let said = says(&policy, &words);
        assert!(said.contains("No such file or directory"), "{words}: {said}");
    }
}

#[test]
fn only_what_is_named_can_be_written() {
    let dir = workspace();
    let policy = policy(dir.path(), WriteMode::Direct);
    for place in ["/usr/x", "/etc/x", "/x", "/dev/x", "/bin/x"] {
        let said = says(&policy, &format!(": > {place}"));
        assert!(said.contains("Read-only") || said.contains("ermission denied"), "{place}: {said}");
    }
    assert_eq!(
        says(&policy, "for d in /tmp /dev/shm $HOME; do echo x > $d/x; cat $d/x; done"),
        "x\nx\nx\n"
    );
    assert_eq!(says(&policy, "ls /dev/shm $HOME"), "/agent:\n\n/dev/shm:\n");
}

#[test]
fn there_is_no_network() {
    let dir = workspace();
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let said = says(
        &policy,
        &format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached; ls /sys/class/net"),
    );
    assert!(!said.contains("reached"), "{said}");
    let outcome = run(&policy, &["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")]);
    let outcome = outcome.expect("runs");
    let said = String::from_utf8_lossy(&outcome.stderr.bytes()).into_owned();
    assert!(said.contains("Operation not permitted"), "{said}");
    listener.set_nonblocking(true).expect("a flag");
    assert!(listener.accept().is_err());
}

#[test]
fn nobody_outside_can_be_named() {
    let dir = workspace();
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    let own = std::process::id();
    let said = says(&policy, &format!("kill -0 {own}; kill -9 -1; echo $$"));
    assert!(said.contains("No such process"), "{said}");
    let said = says(&policy, "kill -9 1; unshare -Ur true; unshare -r true; mount -t tmpfs x /tmp");
    assert_eq!(said.matches("not permitted").count() + said.matches("denied").count(), 3, "{said}");
}

#[test]
fn what_was_written_is_not_executed_unless_anything_may_be() {
    let dir = workspace();
    let script = dir.path().join("x.sh");
    std::fs::write(&script, "#!/bin/sh\necho executed\n").expect("write");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    give(&script);
    let mut policy = policy(dir.path(), WriteMode::Direct);
    let words = "./x.sh; cp /bin/true /tmp/t && /tmp/t && echo copied";
    let said = says(&policy, words);
    assert_eq!(said.matches("ermission denied").count(), 2, "{said}");
    policy.exec = ExecRule::Any;
    assert_eq!(says(&policy, words), "executed\ncopied\n");
    policy.writes = WriteMode::ReadOnly;
    policy.exec = ExecRule::System;
    assert_eq!(says(&policy, "./x.sh"), "executed\n");
    policy.exec = ExecRule::Listed(vec!["/usr/bin/cat".into()]);
    let said = says(&policy, "cat x.sh >/dev/null && echo cat; head x.sh; ./x.sh");
    assert!(said.starts_with("cat\n") && said.matches("ermission denied").count() == 2, "{said}");
}

#[test]
fn a_program_outside_the_system_is_shown_alone() {
    let (dir, tools) = (workspace(), workspace());
    let tool = tools.path().join("tool");
    std::fs::copy("/bin/cat", &tool).expect("copy");
    std::fs::write(tools.path().join("other"), "x").expect("write");
    give(&tool);
    let mut cat = command(dir.path(), &["cat", &tools.path().join("other").to_string_lossy()]);
    cat.binary = kairos_sandbox::Binary::open(&tool).expect("a program");
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    let outcome = sandbox().run(cat, &compiled(&policy)).expect("runs");
    assert_eq!(outcome.exit, Exit::Code(1));
    assert!(String::from_utf8_lossy(&outcome.stderr.bytes()).contains("No such file"));
}

#[test]
fn protected_paths_stay_and_cannot_be_moved_away() {
    let dir = workspace();
    let git = dir.path().join(".git");
    for path in [git.clone(), git.join("hooks"), git.join("objects")] {
        std::fs::create_dir(&path).expect("directory");
        give(&path);
    }
    for path in [git.join("config"), git.join("hooks/pre-commit")] {
        std::fs::write(&path, "ours").expect("write");
        give(&path);
    }
    let mut policy = policy(dir.path(), WriteMode::Direct);
    policy.protect =
        [".git/hooks", ".git/config", ".kairos", ".envrc"].map(PathRule::optional).into();
    for words in [
        "echo theirs > .git/config",
        "rm .git/config",
        "mv x .git/config",
        "echo theirs > .git/hooks/pre-commit",
        "echo theirs > .git/hooks/post-commit",
        "rm -r .git/hooks",
        "mv .git/hooks h",
        "mv .git g",
        "rm -rf .git",
    ] {
        let outcome =
            run(&policy, &["sh", "-c", &format!("echo theirs > x; {words}")]).expect("runs");
        assert_ne!(outcome.exit, Exit::Code(0), "{words}");
        assert_eq!(std::fs::read_to_string(git.join("config")).expect("there"), "ours", "{words}");
        let hooks: Vec<_> = std::fs::read_dir(git.join("hooks")).expect("there").collect();
        assert_eq!(hooks.len(), 1, "{words}");
    }
    // What is not protected is there to be written.
    assert_eq!(
        says(&policy, "mkdir -p .git/objects && echo o > .git/objects/o && cat .git/objects/o"),
        "o\n"
    );
    let outcome = run(&policy, &["sh", "-c", "ln -s x .kairos"]).expect("runs");
    assert_eq!(outcome.appeared, [dir.path().join(".kairos")]);
    let outcome = run(&policy, &["sh", "-c", "rm .kairos; mkdir .kairos"]).expect("runs");
    assert_eq!(outcome.appeared, [dir.path().join(".kairos")]);
    assert!(!dir.path().join(".envrc").exists(), "nothing is left to stand for what is absent");
}

#[test]
fn a_root_that_became_another_one_is_refused() {
    let dir = workspace();
    let root = dir.path().join("w");
    std::fs::create_dir(&root).expect("directory");
    give(&root);
    let policy = compiled(&policy(&root, WriteMode::Direct));
    std::fs::rename(&root, dir.path().join("gone")).expect("rename");
    symlink("/usr", &root).expect("link");
    let refused = sandbox().run(command(dir.path(), &["true"]), &policy);
    assert!(refused.is_err(), "{refused:?}");
    std::fs::remove_file(&root).expect("remove");
    std::fs::create_dir(&root).expect("directory");
    give(&root);
    let refused = sandbox().run(command(&root, &["true"]), &policy).expect_err("another directory");
    assert!(refused.to_string().contains("is another file now"), "{refused}");
}

#[test]
fn a_link_inside_a_write_root_leads_no_root_out_of_it() {
    let (dir, outside) = (workspace(), workspace());
    symlink(outside.path(), dir.path().join("inner")).expect("link");
    let inner = PathRule::optional(dir.path().join("inner"));
    for write in [true, false] {
        let mut policy = policy(dir.path(), WriteMode::Direct);
        if write { &mut policy.write } else { &mut policy.read }.push(inner.clone());
        assert!(matches!(compile(&policy, &probe()), Err(Unenforceable::Root { .. })));
    }
    std::fs::remove_file(dir.path().join("inner")).expect("remove");
    std::fs::create_dir(dir.path().join("inner")).expect("directory");
    let mut policy = policy(dir.path(), WriteMode::Direct);
    policy.read.push(inner);
    let said = says(&policy, "echo x > inner/x; echo y > y && cat y");
    assert!(said.contains("Read-only") && said.contains('y'), "{said}");
}

#[test]
fn each_layer_that_is_missing_is_named_in_the_refusal() {
    let dir = workspace();
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    for layer in Layer::ALL {
        let host = probe().without(layer, "taken away");
        let optional = matches!(layer, Layer::Landlock | Layer::Cgroup);
        match compile(&policy, &host) {
            Ok(compiled) => {
                assert!(optional, "{layer}");
                let absent = State::Absent { why: "taken away".into() };
                assert_eq!(compiled.enforcement().of(layer), &absent);
            }
            Err(Unenforceable::Layer { layer: named, why }) => {
                assert_eq!((named, why.as_str(), optional), (layer, "taken away", false));
            }
            Err(other) => panic!("{layer}: {other}"),
        }
        let policy = Policy {
            layers: policy.layers.clone().with(layer, Requirement::Require),
            ..policy.clone()
        };
        assert!(compile(&policy, &host).is_err(), "{layer}");
    }
}

#[test]
fn a_layer_that_is_switched_off_is_told_and_the_others_hold() {
    let (dir, outside) = (workspace(), workspace());
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "hidden").expect("write");
    for layer in [Layer::Landlock, Layer::Seccomp] {
        let mut policy = policy(dir.path(), WriteMode::Direct);
        policy.layers = policy.layers.with(layer, Requirement::Off);
        let tries = [
            format!("cat {}", secret.display()),
            "touch /usr/x".to_owned(),
            format!("kill -0 {}", std::process::id()),
            "unshare -Ur true".to_owned(),
            "mount -t tmpfs x /tmp".to_owned(),
        ];
        let words = tries.map(|words| format!("{words} 2> /dev/null || echo held"));
        let outcome = run(&policy, &["sh", "-c", &words.join("; ")]).expect("runs");
        assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes()), "held\n".repeat(5), "{layer}");
        let absent = State::Absent { why: "switched off".into() };
        assert_eq!(outcome.enforcement.of(layer), &absent);
    }
    for layer in Layer::ALL {
        let optional = matches!(layer, Layer::Landlock | Layer::Seccomp | Layer::Cgroup);
        let mut policy = policy(dir.path(), WriteMode::Direct);
        policy.layers = policy.layers.with(layer, Requirement::Off);
        assert_eq!(compile(&policy, &probe()).is_ok(), optional, "{layer}");
    }
}

#[test]
fn a_hash_is_of_what_is_explained_and_changes_with_it() {
    let dir = workspace();
    let read_only = compiled(&policy(dir.path(), WriteMode::ReadOnly));
    let again = compiled(&policy(dir.path(), WriteMode::ReadOnly));
    let direct = compiled(&policy(dir.path(), WriteMode::Direct));
    assert_eq!((read_only.hash(), read_only.explain()), (again.hash(), again.explain()));
    assert_ne!(read_only.hash(), direct.hash());
}

#[test]
fn a_protected_path_behind_a_link_is_protected_where_it_leads() {
    let dir = workspace();
    for path in ["real", "real/hooks", "elsewhere"] {
        std::fs::create_dir(dir.path().join(path)).expect("directory");
        give(&dir.path().join(path));
    }
    symlink("real", dir.path().join(".git")).expect("link");
    symlink("../elsewhere", dir.path().join("real/links")).expect("link");
    let mut policy = policy(dir.path(), WriteMode::Direct);
    policy.protect = [".git/hooks", "real/links"].map(PathRule::optional).into();
    for words in [
        "echo x > real/hooks/x",
        "echo x > .git/hooks/x",
        "echo x > elsewhere/x",
        "mv real r",
        "mv elsewhere e",
    ] {
        let outcome = run(&policy, &["sh", "-c", words]).expect("runs");
        assert_ne!(outcome.exit, Exit::Code(0), "{words}");
    }
    let outcome = run(&policy, &["sh", "-c", "rm .git; mkdir .git .git/hooks"]).expect("runs");
    assert_eq!(outcome.appeared, [dir.path().join(".git/hooks")]);
}

#[test]
fn what_is_hidden_is_empty_and_stays_so() {
    let dir = workspace();
    let state = dir.path().join(".kairos");
    std::fs::create_dir(&state).expect("directory");
    std::fs::write(state.join("token"), "secret").expect("write");
    std::fs::write(dir.path().join(".env"), "secret").expect("write");
    [state.clone(), state.join("token"), dir.path().join(".env")].iter().for_each(|at| give(at));
    for writes in [WriteMode::ReadOnly, WriteMode::Direct, WriteMode::Overlay] {
        let mut policy = policy(dir.path(), writes);
        policy.hide = [".kairos", ".env"].map(PathRule::optional).into();
        assert_eq!(says(&policy, "ls -A .kairos; cat .env"), "");
        for words in ["echo x > .kairos/x", "echo x > .env", "mv .kairos k", "rm .env"] {
            let outcome = run(&policy, &["sh", "-c", words]).expect("runs");
            assert_ne!(outcome.exit, Exit::Code(0), "{words}");
        }
        assert_eq!(std::fs::read_to_string(dir.path().join(".env")).expect("there"), "secret");
    }
}

#[test]
fn a_directory_of_the_host_is_no_stream() {
    let dir = workspace();
    let mut ls = command(dir.path(), &["ls"]);
    ls.stdin = kairos_sandbox::Stdin::Fd(std::fs::File::open("/").expect("open").into());
    let refused = sandbox().run(ls, &compiled(&policy(dir.path(), WriteMode::ReadOnly)));
    assert!(refused.is_err());
}
