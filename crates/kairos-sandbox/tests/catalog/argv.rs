//! What is taken and refused, tool by tool, with the cases of the attack list.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use kairos_sandbox::catalog::{
    CheckError, Effect, Inputs, Place, RepositoryConfig, Risk, Starts, Violation, Writes,
};
use kairos_sandbox::policy::{ExecRule, PathRule, WriteMode};

use super::{accepted, catalog, check, check_words, place, refused, words};

/// Attack cases 85: git's own ways out, before and behind the subcommand.
#[test]
fn git_takes_no_option_that_leads_out() {
    for line in [
        "git diff --output=/tmp/x",
        "git diff --output /tmp/x",
        "git diff --outp=/tmp/x",
        "git diff --outpu=x",
        "git log --output=x",
        "git show --output=x HEAD",
        "git diff -Oorder",
        "git diff -O order",
        "git diff --no-index a b",
        "git diff --no-inde a b",
        "git grep --no-index x",
        "git -c core.fsmonitor=x status",
        "git -ccore.fsmonitor=x status",
        "git --config-env=core.fsmonitor=X status",
        "git -C /etc status",
        "git --exec-path=/x status",
        "git --exec-path status",
        "git --git-dir=/x status",
        "git --git-dir /x status",
        "git --work-tree=/ status",
        "git --namespace=x log",
        "git --super-prefix=x status",
        "git --attr-source=HEAD status",
        "git -p log",
        "git --paginate log",
        "git diff --ext-diff",
        "git diff --ext-dif",
        "git log -p --ext-diff",
        "git diff --textconv",
        "git show --textconv HEAD:a",
        "git blame --textconv a",
        "git grep -O x",
        "git grep -Oless x",
        "git grep --open-files-in-pager x",
        "git grep --open-files-in-pager=less x",
        "git grep --open x",
        "git grep -iO x",
        "git log --show-signature",
        "git log --format=%G? -1",
        "git log --pretty=format:%h%GK",
        "git log --remerge-diff",
        "git log --diff-merges=remerge",
        "git log --stdin",
        "git diff --submodule=diff",
        "git diff --ignore-submodules=none",
        "git status --ignore-submodules=none",
        "git status -v",
        "git status --verbose",
        "git ls-files --recurse-submodules",
        "git blame --contents /etc/passwd a",
        "git blame -S /etc/passwd a",
        "git fetch --upload-pack=x",
        "git ls-remote --upload-pack=x .",
        "git push",
        "git add a",
        "git commit -m x",
        "git config core.pager x",
        "git difftool -x x",
        "git st",
        "git",
        "git --",
        "git -",
        "git -- status",
        "git --no-pager",
    ] {
        refused(line);
    }
}

#[test]
fn git_names_the_reason() {
    assert_eq!(
        refused("git diff --output=/tmp/x"),
        "`--output` of `git diff` is refused: it writes a file wherever it is told to"
    );
    assert_eq!(
        refused("git diff --outp=/tmp/x"),
        "`--output` of `git diff` is refused: it writes a file wherever it is told to"
    );
    assert_eq!(refused("git push"), "`git push` is refused: it uses the network");
    assert_eq!(refused("git frob"), "`git` has no rule for `frob`");
    assert_eq!(refused("git diff --frob"), "`git diff` has no rule for the option `--frob`");
    assert_eq!(
        refused("git diff --cache"),
        "`--cache` of `git diff` is cut short, and only `--cached` is read"
    );
    assert_eq!(refused("git log -n"), "`-n` of `git log` needs a value");
    assert_eq!(refused("git diff --cached=x"), "`--cached` of `git diff` takes no value");
    assert_eq!(
        refused("git diff a /etc/passwd"),
        "`/etc/passwd` is refused for `git diff`: it names something outside the workspace"
    );
}

#[test]
fn git_takes_what_looks_at_a_repository() {
    for line in [
        "git status",
        "git status --porcelain",
        "git status --porcelain=v2 -z",
        "git status -sb -uno",
        "git diff",
        "git diff HEAD~1",
        "git diff HEAD@{1} -- a.txt",
        "git diff -C -M50% -U5 --stat=80",
        "git diff --cached --name-only",
        "git diff main...topic",
        "git log",
        "git log -5 --oneline --graph",
        "git log -n 5 --format=%H%n%(describe)",
        "git log --pretty=oneline stash@{0}",
        "git log --grep=a|b --author $(x)",
        "git log -L1,5:a.txt",
        "git log -p -c --cc",
        "git show HEAD:a.txt",
        "git show --no-patch",
        "git rev-parse --show-toplevel",
        "git rev-parse --git-dir",
        "git rev-parse --abbrev-ref HEAD",
        "git rev-parse",
        "git ls-files -m -o --exclude-standard",
        "git ls-files a*b",
        "git blame -L 1,5 a.txt",
        "git grep -n -e x -- a.txt",
        "git grep -e ( x",
        "git --no-pager diff",
        "git diff -- --output=x",
        "git diff -- -O",
        "git status -- --",
    ] {
        accepted(line);
    }
}

/// Attack case 86: a file that is named like an option.
#[test]
fn a_file_named_like_an_option_is_named_behind_two_dashes() {
    let rewritten = accepted("git diff -- --output=x");
    let behind = rewritten.argv.iter().position(|a| a == "--").unwrap();
    assert_eq!(rewritten.argv[behind..], ["--", "--output=x"]);
    assert_eq!(accepted("cat -- --output=x").argv, ["cat", "--", "--output=x"]);
    assert_eq!(accepted("cat ./--output=x").argv, ["cat", "./--output=x"]);
    let Err(CheckError::Violation(violation)) = check("cat --output=x") else { panic!() };
    let hint = "a file of that name is meant by `-- --output=x` or `./--output=x`";
    assert_eq!(violation.hint().as_deref(), Some(hint));
}

/// Attack case 87.
#[test]
fn pandoc_starts_nothing_and_reads_the_workspace() {
    for line in [
        "pandoc -Fx in.md",
        "pandoc -F x in.md",
        "pandoc -sFx in.md",
        "pandoc --filter=x in.md",
        "pandoc --filt=x in.md",
        "pandoc --lua-filter=x in.md",
        "pandoc --lua-f x in.md",
        "pandoc -Lx in.md",
        "pandoc -d x in.md",
        "pandoc -dx in.md",
        "pandoc --defaults=x",
        "pandoc -Hx in.md",
        "pandoc -o /outside in.md",
        "pandoc -o/outside in.md",
        "pandoc --output=/outside in.md",
        "pandoc --output=../../outside in.md",
        "pandoc /etc/passwd",
        "pandoc http://x",
        "pandoc HTTPS://x",
        "pandoc file:///etc/passwd",
        "pandoc -t evil.lua in.md",
        "pandoc -f ./evil.lua in.md",
        "pandoc -t=evil.lua in.md",
        "pandoc --resource-path=/etc in.md",
        "pandoc --css=http://x in.md",
        "pandoc --css http://x in.md",
        "pandoc --metadata-file=/etc/passwd in.md",
        "pandoc --template=/etc/passwd in.md",
        "pandoc --template=http://x in.md",
        "pandoc --template",
        "pandoc --data-dir=/x in.md",
        "pandoc --extract-media=m in.md",
        "pandoc --pdf-engine=/usr/bin/xelatex in.md",
        "pandoc --pdf-engine=wkhtmltopdf in.md",
        "pandoc --pdf-engine-opt=-shell-escape in.md",
        "pandoc --pdf-engine-opt=-output-directory=/t in.md",
        "pandoc --bibliography=http://x in.md",
        // Seen with pandoc 2.17: it writes that file.
        "pandoc in.md +RTS -Sx",
        "pandoc -V +RTS in.md",
    ] {
        refused(line);
    }
    let rewritten = accepted("pandoc -s -f markdown+smart -t html5 --toc -o out.html in.md");
    assert_eq!(
        rewritten.argv,
        words(&[
            "pandoc",
            "--pdf-engine-opt=-no-shell-escape",
            "-s",
            "-f",
            "markdown+smart",
            "-t",
            "html5",
            "--toc",
            "-o",
            "out.html",
            "in.md"
        ])
    );
    assert_eq!(rewritten.grant.writes, Writes::Files);
    accepted("pandoc @file");
    accepted("pandoc -so ../out.pdf --pdf-engine xelatex in.md");
    check_words("pandoc", &["a b", "-V", "title=$(x); `y` {z}"]).unwrap();
}

#[test]
fn tex_never_escapes_to_a_shell() {
    for line in [
        "xelatex -shell-escape a.tex",
        "xelatex --shell-escape a.tex",
        "xelatex -enable-write18 a.tex",
        "xelatex --enable-write18 a.tex",
        "xelatex -shell-esc a.tex",
        "xelatex -shell-restricted a.tex",
        "xelatex -no-shell-escape -shell-escape a.tex",
        "pdflatex -cnf-line=shell_escape=t a.tex",
        "pdflatex -cnf a.tex",
        "xelatex -output-driver=x a.tex",
        "lualatex --lua=x a.tex",
        "lualatex --luaonly x",
        "lualatex --socket a.tex",
        "lualatex --no-parse-first-line a.tex",
        "xelatex -output-directory=/x a.tex",
        "xelatex -output-directory /x a.tex",
        "xelatex -interaction=errorstopmode a.tex",
        "xelatex \\input{x}",
        "xelatex &fmt a.tex",
        "xelatex a.tex \\write18{x}",
        "xelatex a.tex b.tex",
        "xelatex /etc/passwd",
        "xelatex -fmt=x a.tex",
    ] {
        refused(line);
    }
    let rewritten = accepted("xelatex --halt-on-error a.tex");
    let injected = ["-no-shell-escape", "-interaction=nonstopmode", "-no-parse-first-line"];
    assert_eq!(rewritten.argv[1..4], injected);
    // It knows no first line, and a socket instead.
    let injected = ["-no-shell-escape", "-interaction=nonstopmode", "-no-socket"];
    assert_eq!(accepted("lualatex a.tex").argv[1..4], injected);
    assert!(rewritten.env.contains(&("shell_escape".to_owned(), "f".into())));
    accepted("xelatex -no-shell-escape --interaction=nonstopmode -output-directory out a.tex");
}

/// Attack case 88, as far as the tools are in the catalogue.
#[test]
fn no_tool_is_made_to_start_another() {
    for line in [
        "cargo --config build.rustc-wrapper=x build",
        "cargo build --config=build.rustc-wrapper=x",
        "cargo build --conf build.rustc-wrapper=x",
        "cargo +nightly build",
        "cargo -Zunstable build",
        "cargo build -Z x",
        "cargo build --manifest-path /etc/Cargo.toml",
        "cargo build --target-dir /tmp/x",
        "cargo install x",
        "cargo nextest run",
        "npm test --script-shell=./x",
        "npm test --script-sh ./x",
        "npm --prefix /x test",
        "npm test --prefix=/x",
        "npm run x --userconfig=./x",
        "npm install",
        "npm exec x",
        "npm run -- $(x)",
        "rg --pre=x y",
        "rg --pre x y",
        "rg --hostname-bin=x y",
        "rg -z x",
        "rg -f/etc/passwd",
        "rg -f=/etc/passwd",
        "find . -exec x ;",
        "find . -execdir x ;",
        "find . -ok x ;",
        "find . -delete",
        "find . -fprintf /tmp/x %p",
        "find . -fprint x",
        "find . -name x -o -delete",
        "find /etc -name x",
        "find . -newer /etc/passwd",
        "find . -name",
        "find -exe",
        "find . -type f x",
        "tar --to-command=x -tf a.tar",
        "tar -tf a.tar --checkpoint=1 --checkpoint-action=exec=x",
        "tar -I x -tf a.tar",
        "tar -tIx -f a.tar",
        "tar --use-compress-program=x -tf a.tar",
        "tar --use-comp=x -tf a.tar",
        "tar xf a.tar",
        "tar tf a.tar",
        "tar -xf a.tar",
        "tar -f a.tar",
        "tar -tf /etc/a.tar",
        "sort --compress-program=x a",
        "sort --compress-prog=x a",
        "sort -o /tmp/x a",
        "sort -T /x a",
        "uniq a /tmp/x",
        "uniq a b c",
        "diff -l a b",
        "diff a /etc/passwd",
        "tail -f a",
        "tail --follow=name a",
        "make --eval=x",
        "make -C /x",
        "make CC=x",
        "make SHELL=x",
        "make $(x)",
        "make -f /etc/x",
        "make -f -",
        "sed -i.%/x s/a/b/ a",
        "sed --follow-symlinks s/a/b/ a",
        "gawk -lx 1",
        "gawk -i inplace 1 a",
        "jq --args . a",
        "jq -f /etc/x a",
        "jq --slurpfile a /etc/x .",
        "wc --files0-from=/etc/x",
        "ls /etc",
        "ls ../..",
        "cat /w/../etc/passwd",
    ] {
        refused(line);
    }
}

#[test]
fn wrappers_interpreters_and_what_talks_to_others_need_an_entry() {
    for name in [
        "sh",
        "bash",
        "python",
        "python3",
        "perl",
        "ruby",
        "node",
        "awk",
        "env",
        "xargs",
        "nice",
        "timeout",
        "busybox",
        "nohup",
        "setsid",
        "sudo",
        "strace",
        "curl",
        "wget",
        "ssh",
        "rsync",
        "nc",
        "go",
        "docker",
        "less",
        "vim",
        "dd",
        "kairos",
        "git-write",
        "mount",
    ] {
        let refusal = check(name).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("`{name}` is refused: ")), "{refusal}");
    }
    assert_eq!(refused("git2"), "`git2` is in no catalogue");
    assert_eq!(refused("/usr/bin/git"), "`/usr/bin/git` is a path, and a command is named");
    assert_eq!(refused("./x"), "`./x` is a path, and a command is named");
    assert_eq!(refused("../sh"), "`../sh` is a path, and a command is named");
}

#[test]
fn what_a_shell_would_read_is_an_argument_here() {
    for argument in ["a;b", "a|b", "$(x)", "`x`", "{a}", "a&b", "a>b", "*", "~", "!x", "#x", "a\nb"]
    {
        let rewritten = check_words("cat", &[argument]).unwrap();
        assert_eq!(rewritten.argv, words(&["cat", argument]));
    }
}

#[test]
fn common_work_is_taken() {
    for line in [
        "ls -la",
        "ls -1 --color=auto ../x",
        "cat a b -",
        "head -5 a",
        "head -n -5 a",
        "head -n5 a",
        "tail -n +3 a",
        "tail -20 a",
        "wc -l a",
        "sort -k2,2n -t, -u a",
        "sort -o out a",
        "uniq -c a",
        "uniq a out",
        "cut -d: -f1 a",
        "tr a-z A-Z",
        "diff -u a b",
        "cmp -s a b",
        "grep -rn --include=*.rs x .",
        "rg -n -g *.rs x src",
        "rg --files",
        "find . -name *.rs -newer a -mtime -1 -size +10k -print0",
        "find -L . ( -name -x -o -empty ) -prune",
        "find",
        "jq .a[0] x.json",
        "jq --arg a b --argjson c 1 . x.json",
        "jq -rn now",
        "sed -n 1,5p a",
        "sed -i s/a/b/ a",
        "gawk -F: {print} a",
        "tar -tf a.tar",
        "tar --list -zvf a.tgz x",
        "make",
        "make -j4 all sub/x.o",
        "make -f x.mk test",
        "cargo build --release",
        "cargo test a::b -- --nocapture",
        "cargo run -p x -- --anything",
        "cargo --offline check --all-targets",
        "cargo fmt --check",
        "cargo fmt -- --check",
        "cargo clippy --workspace --all-targets -- -D warnings",
        "cargo test -p x --lib --features a,b -- --test-threads=1",
        "cargo tree -e normal -i x",
        "git log --oneline origin/main..HEAD -- src",
        "git log --since=yesterday --no-merges --format=%h",
        "git diff --stat main...HEAD -- . :(exclude)vendor",
        "git show --stat --format=fuller HEAD~3",
        "git status --short --branch --untracked-files=no",
        "git blame -w -C -L10,+5 HEAD -- src/a.rs",
        "grep -rIn --exclude-dir=.git -e a -e b .",
        "find . -type f -not -path ./target/* -maxdepth 3 -printf %p",
        "ls -lah --color=never",
        "sort -t: -k2 a",
        "tar -tvf a.tar.xz",
        "npm test",
        "npm test -- --grep x",
        "npm run build",
        "echo -n --anything",
        "test -f a",
        "true",
    ] {
        accepted(line);
    }
}

#[test]
fn a_rule_says_what_it_gives() {
    let grant = |line: &str| accepted(line).grant;
    let status = grant("git status");
    assert_eq!(
        (status.risk, status.writes, status.starts),
        (Risk::Low, Writes::Nothing, Starts::Itself)
    );
    assert_eq!(status.inputs, Inputs::none());
    assert_eq!(status.effect(status.writes.mode()), Effect::Read);
    let cargo = grant("cargo test");
    assert_eq!(
        (cargo.risk, cargo.writes, cargo.starts),
        (Risk::Medium, Writes::Files, Starts::Any)
    );
    assert_eq!(cargo.scratch, ["target"]);
    assert_eq!(cargo.effect(WriteMode::Overlay), Effect::Promotion);
    assert_eq!(cargo.effect(WriteMode::Direct), Effect::Opaque);
    assert_eq!(grant("sort a").writes, Writes::Nothing);
    assert_eq!(grant("sort -o b a").writes, Writes::Files);
    assert_eq!(grant("uniq a b").writes, Writes::Files);
    assert_eq!(grant("sed s/a/b/ a").writes, Writes::Nothing);
    assert_eq!(grant("sed -i s/a/b/ a").writes, Writes::Files);
    let Inputs::Bound { named, globs } = grant("make -f x.mk").inputs else { panic!() };
    assert_eq!(named, [std::path::Path::new("sub/x.mk")]);
    assert!(globs.contains(&"Makefile".to_owned()));
}

#[test]
fn git_is_given_flags_and_variables_that_take_its_programs_away() {
    let rewritten = accepted("git --no-pager diff --stat HEAD");
    let argv: Vec<&str> = rewritten.argv.iter().map(|a| a.to_str().unwrap()).collect();
    for pair in ["core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.bareRepository=explicit"]
    {
        let at = argv.iter().position(|a| *a == pair).unwrap();
        assert_eq!(argv[at - 1], "-c");
    }
    let subcommand = argv.iter().position(|a| *a == "diff").unwrap();
    assert_eq!(
        argv[subcommand..],
        ["diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--stat", "HEAD"]
    );
    let env = |name: &str| {
        rewritten.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_str().unwrap())
    };
    assert_eq!(env("GIT_ATTR_SOURCE"), Some("4b825dc642cb6eb9a060e54bf8d69288fbee4904"));
    assert_eq!(env("GIT_CEILING_DIRECTORIES"), Some("/"));
    assert_eq!(env("GIT_EXTERNAL_DIFF"), None);
}

#[test]
fn a_policy_gives_what_the_rule_says_and_nothing_else() {
    let policy = accepted("git status").policy(&place());
    let path: Vec<_> = policy.env.set.iter().filter(|(name, _)| name == "PATH").collect();
    assert_eq!(path, [&("PATH".into(), "/nonexistent".into())]);
    assert_eq!((policy.writes, policy.exec), (WriteMode::ReadOnly, ExecRule::Listed(Vec::new())));
    assert_eq!((policy.write, policy.read), (vec![PathRule::required("/w")], Vec::new()));
    let home = place().with_home("/home-of-a");
    let check = catalog().check("cargo", &words(&["test"]), &home).unwrap();
    let policy = check.policy(&home);
    assert_eq!((policy.writes, policy.exec), (WriteMode::Overlay, ExecRule::Any));
    assert!(policy.read.contains(&PathRule::optional("/home-of-a/.cargo/registry")));
    assert!(policy.env.set.contains(&("CARGO_HOME".into(), "/home-of-a/.cargo".into())));
    let target = "/w/sub/target";
    assert!(policy.env.set.contains(&("CARGO_TARGET_DIR".into(), target.into())));
    let caches = check.caches(&home, Path::new("/caches"));
    assert_eq!(caches.len(), 1);
    assert_eq!(
        (caches[0].at.as_path(), caches[0].kept.parent()),
        (target.as_ref(), Some("/caches".as_ref()))
    );
    for (path, kept) in [("sub/target/x", false), ("target/x", true), ("sub/targets", true)] {
        assert_eq!(check.is_kept(&home, path.as_ref()), kept, "{path}");
    }
    let npm = accepted("npm test");
    assert!(npm.caches(&place(), Path::new("/caches")).is_empty());
    assert!(!npm.is_kept(&place(), "sub/node_modules/x/y".as_ref()));
    // Without a home nothing speaks of one.
    let policy = accepted("cargo test").policy(&place());
    assert_eq!(policy.read, Vec::new());
    assert!(policy.env.set.iter().all(|(name, _)| name != "CARGO_HOME"));
}

#[test]
fn git_says_that_it_needs_the_configuration() {
    let nowhere = Place::new("/w", "/w").unwrap();
    let rule = catalog();
    let rule = rule.rule("git").unwrap();
    let needs = Violation::NoRepository { tool: "git".into() };
    assert_eq!(rule.check(&words(&["status"]), &nowhere), Err(needs));
    let question = rule.question(&nowhere).unwrap();
    assert_eq!(question.argv[question.argv.len() - 3..], ["config", "--list", "-z"]);
    assert!(catalog().rule("cat").unwrap().question(&nowhere).is_none());
}

#[test]
fn a_commit_is_refused_where_a_filter_would_change_what_is_stored() {
    let catalog = catalog();
    let rule = catalog.commit_rule();
    let check = |listing: &[u8]| {
        let place = Place::new("/w", "/w").unwrap();
        let place = place.with_repository(RepositoryConfig::parse(listing).unwrap());
        rule.check(&words(&["add", "a"]), &place).map(|rewritten| rewritten.grant)
    };
    let grant = check(b"core.bare\nfalse\0").unwrap();
    assert_eq!(grant.effect(grant.writes.mode()), Effect::Probed);
    let filter = Violation::Filter { tool: "git".into(), driver: "lfs".into() };
    assert_eq!(check(b"filter.lfs.clean\nx\0"), Err(filter));
    for argv in [
        &["commit"][..],
        &["commit", "--amend", "-m", "x"],
        &["commit", "-m", "x", "--trailer", "a: b"],
        &["commit", "-am", "x"],
        &["commit", "-S", "-m", "x"],
        &["commit", "-F", "/etc/passwd"],
        &["add", "-p"],
        &["add", "-f", "x"],
        &["push"],
    ] {
        assert!(rule.check(&words(argv), &place()).is_err(), "{argv:?}");
    }
    rule.check(&words(&["commit", "-m", "x\n\nKairos-Step: y"]), &place()).unwrap();
}

/// Attack case 90.
#[test]
fn bytes_are_passed_on_as_they_are_or_refused() {
    let check = |argument: Vec<u8>| {
        catalog().check("cat", &[OsString::from_vec(argument)], &place()).map(|r| r.argv)
    };
    let odd = b"a\nb\xff\xfe%s\"'".to_vec();
    assert_eq!(check(odd.clone()).unwrap(), ["cat".into(), OsString::from_vec(odd)]);
    let violation = |error| CheckError::Violation(error);
    assert_eq!(check(b"a\0b".to_vec()), Err(violation(Violation::Nul { index: 0 })));
    let long = 128 * 1024;
    assert_eq!(check(vec![b'a'; long]), Err(violation(Violation::Long { index: 0, bytes: long })));
    assert!(check(vec![b'a'; long - 1]).is_ok());
    let many = vec![OsString::from("a"); 16 * 1024 + 1];
    let error = catalog().check("cat", &many, &place()).unwrap_err();
    assert_eq!(error, violation(Violation::Many { arguments: many.len() }));
    let large = vec![OsString::from("a".repeat(100_000)); 11];
    let error = catalog().check("cat", &large, &place()).unwrap_err();
    assert_eq!(error, violation(Violation::Large { bytes: 11 * 100_009 }));
    assert_eq!(catalog().check("cat", &[], &place()).unwrap().argv, ["cat"]);
}

/// No option is read where the bytes are no text: another encoding could hide one.
#[test]
fn an_option_is_text() {
    for bytes in [&b"--outp\xffut=x"[..], b"-\xff", b"-O\xff", b"--\xff"] {
        let argv = [OsString::from("diff"), OsString::from_vec(bytes.to_vec())];
        assert!(catalog().check("git", &argv, &place()).is_err(), "{bytes:?}");
    }
}

/// Numbers that look drawn, the same every time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Whatever stands beside whatever: nothing is lost, moved or added behind what was asked, and what
/// leads out never passes.
#[test]
fn what_is_taken_is_what_was_asked_and_nothing_that_leads_out() {
    const WORDS: [&str; 40] = [
        "status",
        "diff",
        "log",
        "show",
        "grep",
        "ls-files",
        "test",
        "run",
        "build",
        "a",
        "b.txt",
        "-",
        "--",
        "",
        "-n",
        "5",
        "-n5",
        "-p",
        "-o",
        "-e",
        "-f",
        "-c",
        "-C",
        "-O",
        "-Ox",
        "--output=x",
        "--output",
        "--outp",
        "--no-index",
        "--ext-diff",
        "--textconv",
        "--cached",
        "--stat",
        "-exec",
        "-name",
        "/etc/passwd",
        "../../x",
        "HEAD@{1}",
        "$(x)",
        "--format=%G?",
    ];
    const OUT: [&str; 7] = [
        "--output",
        "--output=x",
        "--outp",
        "--no-index",
        "--ext-diff",
        "--textconv",
        "--format=%G?",
    ];
    let names: Vec<String> = catalog().names().map(str::to_owned).collect();
    let mut draws = Draws(7);
    let mut taken = 0;
    for _ in 0..60_000 {
        let name = &names[draws.below(names.len())];
        let argv: Vec<&str> =
            (0..draws.below(6)).map(|_| WORDS[draws.below(WORDS.len())]).collect();
        let Ok(rewritten) = check_words(name, &argv) else { continue };
        taken += 1;
        let asked = words(&argv);
        // A subcommand stands before what is put in behind it.
        let rest = asked.get(1..).unwrap_or_default();
        assert!(
            rewritten.argv.ends_with(&asked) || rewritten.argv.ends_with(rest),
            "{name} {argv:?}"
        );
        assert!(asked.iter().all(|word| rewritten.argv.contains(word)), "{name} {argv:?}");
        // Of the others a word may be a pattern, or the argument of what they start.
        let options = argv.iter().take_while(|word| **word != "--");
        let leads_out = |word: &&str| OUT.contains(word) || word.starts_with("-O");
        assert!(name != "git" || !options.copied().any(|word| leads_out(&word)), "{argv:?}");
    }
    assert!(taken > 1_000, "only {taken} were taken");
}
