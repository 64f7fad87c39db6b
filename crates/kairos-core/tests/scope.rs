//! The protection of paths.

use kairos_core::gate::scope::{
    Classified, ControlPlane, RULES_MAX, Raise, Reason, RuleError, Scope, Scopes,
};
use kairos_core::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a workspace path")
}

fn scoped(scope: Scope, reason: Reason) -> Classified {
    Classified::Scoped { scope, reason }
}

#[track_caller]
fn check(text: &str, expected: Classified) {
    assert_eq!(Scopes::default().classify(&path(text)), expected, "{text}");
}

#[test]
fn each_part_of_kairos_has_its_scope() {
    check(".kairos/skills/a.md", scoped(Scope::L0, Reason::Skills));
    check(".kairos/skillsets/s/a.rb", scoped(Scope::L0, Reason::Skills));
    check("KairosChain_mcp_server/lib/x.rb", scoped(Scope::L0, Reason::Core));
    check(".kairos/knowledge/release.md", scoped(Scope::L1, Reason::Knowledge));
    check(".kairos/context/today.md", scoped(Scope::L2, Reason::Context));
    check(".kairos/knowledge", scoped(Scope::L0, Reason::OtherKairos));
    check(".kairos/.gitignore", scoped(Scope::L0, Reason::OtherKairos));
    check(".kairos", scoped(Scope::L0, Reason::OtherKairos));
    check("docs/a.md", scoped(Scope::L2, Reason::Workspace));
}

#[test]
fn what_runs_elsewhere_is_core() {
    check(".git/hooks/pre-commit", scoped(Scope::L0, Reason::GitInternals));
    check("vendor/x/.git", scoped(Scope::L0, Reason::GitInternals));
    check(".github/workflows/ci.yml", scoped(Scope::L0, Reason::Ci));
    check(".github/ISSUE_TEMPLATE/bug.md", scoped(Scope::L2, Reason::Workspace));
    check("Jenkinsfile", scoped(Scope::L0, Reason::Ci));
    check("services/a/.env.production", scoped(Scope::L0, Reason::Environment));
    check(".envrc", scoped(Scope::L0, Reason::Environment));
    check("AGENTS.md", scoped(Scope::L0, Reason::AgentConfig));
    check(".claude/settings.json", scoped(Scope::L0, Reason::AgentConfig));
    check(".vscode/tasks.json", scoped(Scope::L0, Reason::EditorConfig));
    check("x.code-workspace", scoped(Scope::L0, Reason::EditorConfig));
    check(".kairos/context/.git/config", scoped(Scope::L0, Reason::GitInternals));
    check(".gitignore", scoped(Scope::L2, Reason::Workspace));
}

#[test]
fn the_control_plane_is_nobodys_to_change() {
    let parts = [
        ("config/daemon.yml", ControlPlane::Config),
        ("config/secrets.yml", ControlPlane::Config),
        ("journal/00000000000000000001.kj", ControlPlane::Journal),
        ("blobs/ab", ControlPlane::Blobs),
        ("run/attach_token", ControlPlane::Run),
        ("logs/kairos.log", ControlPlane::Logs),
        ("state/budget.json", ControlPlane::State),
        ("keys/checkpoint.key", ControlPlane::Keys),
        ("checkpoints/sealed.frontier", ControlPlane::Keys),
        ("journal", ControlPlane::Journal),
    ];
    for (below, part) in parts {
        check(&format!(".kairos/{below}"), Classified::Refused { part });
        check(&format!(".KAIROS/{}", below.to_uppercase()), Classified::Refused { part });
    }
    let scopes = Scopes::new(vec![], vec![path("ops/key.txt")]).expect("scopes");
    let refused = Classified::Refused { part: ControlPlane::Secrets };
    assert_eq!(scopes.classify(&path("ops/key.txt")), refused);
    assert_eq!(scopes.classify(&path("ops/KEY.txt")), refused);
}

#[test]
fn what_protects_at_the_root_protects_at_any_depth() {
    let refused = |part| Classified::Refused { part };
    check("sub/.kairos/config/daemon.yml", refused(ControlPlane::Config));
    check("a/b/.Kairos/Journal/x", refused(ControlPlane::Journal));
    check(".kairos/context/.kairos/run/attach_token", refused(ControlPlane::Run));
    check("sub/.kairos/skills/a.md", scoped(Scope::L0, Reason::Skills));
    check("sub/.kairos/knowledge/a.md", scoped(Scope::L1, Reason::Knowledge));
    check("sub/.kairos/context/a.md", scoped(Scope::L2, Reason::Context));
    check("sub/.kairos/other", scoped(Scope::L0, Reason::OtherKairos));
    check("sub/KairosChain_mcp_server/lib/x.rb", scoped(Scope::L0, Reason::Core));
    // The greatest protection on the way counts.
    check(".kairos/context/.kairos/knowledge/a", scoped(Scope::L1, Reason::Knowledge));
    check(".kairos/knowledge/.kairos/context/a", scoped(Scope::L1, Reason::Knowledge));
    check(".kairos/knowledge/AGENTS.md", scoped(Scope::L0, Reason::AgentConfig));
}

#[test]
fn every_name_that_steers_a_machine_by_itself_is_core() {
    use Reason::{AgentConfig, Ci, EditorConfig, Environment, GitHooks, GitInternals, ToolConfig};
    let names: [(Reason, &[&str]); 7] = [
        (GitInternals, &[".gitattributes", ".gitmodules", ".gitconfig", "git.txt/.GIT./config"]),
        (
            GitHooks,
            &["lefthook.yaml", ".lefthook.toml", "lefthook-local.yml", ".config/lefthook.json"],
        ),
        (GitHooks, &[".lefthook/pre-commit/x", ".husky/pre-push", ".pre-commit-config.yaml"]),
        (
            Ci,
            &[
                ".woodpecker.yaml",
                ".woodpecker/a.yml",
                ".cirrus.star",
                ".drone.yaml",
                "Jenkinsfile.ci",
            ],
        ),
        (
            AgentConfig,
            &[
                "AGENT.md",
                ".junie/guidelines.md",
                ".amazonq/rules/x.md",
                ".rules",
                ".claude.json",
                ".github/hooks/a.json",
                "sub/.cursor/rules/a.mdc",
            ],
        ),
        (EditorConfig, &[".vimrc", ".exrc", ".nvim.lua", "x.sublime-project", ".replit"]),
        (
            ToolConfig,
            &[
                "mise.toml",
                ".mise.toml",
                ".mise.local.toml",
                ".config/mise/config.toml",
                ".config/mise.toml",
                ".cargo/config",
                "crates/a/.cargo/config.toml",
                ".npmrc",
                ".yarnrc.yml",
                ".pnpmfile.cjs",
                "rust-toolchain.toml",
                ".bashrc",
                ".ssh/config",
            ],
        ),
    ];
    for (reason, paths) in names {
        for path in paths {
            check(path, scoped(Scope::L0, reason.clone()));
        }
    }
    check(".envrc", scoped(Scope::L0, Environment));
}

#[test]
fn a_folding_directory_cannot_be_tricked() {
    // U+212A is the Kelvin sign, U+017F the long s, U+200C has no width.
    let skills = || scoped(Scope::L0, Reason::Skills);
    for text in [".KAIROS/Skills/a", ".\u{212a}airo\u{17f}/skills/a", ".kai\u{200c}ros/skills/a"] {
        check(text, skills());
    }
    check(".GIT/config", scoped(Scope::L0, Reason::GitInternals));
    check(".g\u{200d}it/config", scoped(Scope::L0, Reason::GitInternals));
}

#[test]
fn names_that_only_look_alike_are_free() {
    for text in [
        ".kairosx/skills/a",
        "KairosChain_mcp_server2/x",
        "KairosChain_mcp_server",
        "git/x",
        "src/lefthook/mod.rs",
        "cargo/config.toml",
        ".config/app.toml",
        ".github/ISSUE_TEMPLATE/bug.md",
        "docs/rules",
        "package.json",
        "build.rs",
        ".python-version",
        ".editorconfig",
    ] {
        check(text, scoped(Scope::L2, Reason::Workspace));
    }
    check(".kairos/skillsX/a", scoped(Scope::L0, Reason::OtherKairos));
}

fn raise(pattern: &str, scope: Scope) -> Raise {
    Raise { pattern: pattern.to_owned(), scope }
}

#[test]
fn rules_raise_and_never_lower() {
    let rules = vec![
        raise("deploy/**", Scope::L1),
        raise("deploy/prod/*", Scope::L0),
        raise("\u{c9}t\u{e9}/**", Scope::L1),
        raise(".kairos/skills/**", Scope::L1),
    ];
    let scopes = Scopes::new(rules, vec![]).expect("scopes");
    let raised =
        |pattern: &str, scope| scoped(scope, Reason::Raised { pattern: pattern.to_owned() });
    let cases = [
        ("deploy/a/b.yml", raised("deploy/**", Scope::L1)),
        ("deploy", raised("deploy/**", Scope::L1)),
        ("Deploy/a.yml", raised("deploy/**", Scope::L1)),
        ("dep\u{200d}loy/a.yml", raised("deploy/**", Scope::L1)),
        ("\u{e9}T\u{c9}/x", raised("\u{c9}t\u{e9}/**", Scope::L1)),
        ("deploy/\\xff", raised("deploy/**", Scope::L1)),
        ("deploy/prod/a.yml", raised("deploy/prod/*", Scope::L0)),
        ("deploy/prod/a/b.yml", raised("deploy/**", Scope::L1)),
        ("deployed/a.yml", scoped(Scope::L2, Reason::Workspace)),
        (".kairos/skills/a", scoped(Scope::L0, Reason::Skills)),
    ];
    for (text, expected) in cases {
        assert_eq!(scopes.classify(&path(text)), expected, "{text}");
    }
}

#[test]
fn rules_that_cannot_hold_are_refused() {
    let new = |rules| Scopes::new(rules, vec![]).map(|_| ()).expect_err("refused");
    let pattern = "docs/**".to_owned();
    assert_eq!(new(vec![raise("docs/**", Scope::L2)]), RuleError::RaisesNothing { pattern });
    assert!(matches!(new(vec![raise("a[", Scope::L0)]), RuleError::BadGlob { .. }));
    // Taken as they are spelled, though their folded form is no glob.
    for odd in ["[Z-a]x", "x\\ "] {
        assert!(Scopes::new(vec![raise(odd, Scope::L0)], vec![]).is_ok(), "{odd}");
    }
    let many = vec![raise("a", Scope::L0); RULES_MAX + 1];
    assert_eq!(new(many), RuleError::TooMany { count: RULES_MAX + 1 });
}

#[test]
fn scopes_are_ordered_by_protection_and_written_in_lower_case() {
    assert!(Scope::L0 > Scope::L1 && Scope::L1 > Scope::L2);
    assert_eq!(Scope::L1.to_string(), "l1");
    assert_eq!(serde_json::to_string(&Scope::L0).expect("json"), r#""l0""#);
    assert_eq!(Reason::Ci.to_string(), "CI definition");
}
