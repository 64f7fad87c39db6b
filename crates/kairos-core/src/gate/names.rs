//! Names that are protected wherever they stand.
//!
//! Owns the tables and what matches in them. Never looks at a path as a whole: `scope` asks for each
//! of its components.
//!
//! The test for a name: does a program outside this gate run what the file says, or take orders from
//! it, when somebody commits, pushes, opens the directory, starts a shell, an agent or a debugger in
//! it, or lets an editor load the project? What only a deliberate build or test runs (makefiles,
//! scripts, manifests) is the work itself and stays free.
//!
//! All of them stand in lower case, as names are compared.

use crate::gate::scope::Reason;

/// The reason the first of `names`, which are folded, is protected with everything below it.
pub(super) fn named(names: &[&str]) -> Option<Reason> {
    let [first, rest @ ..] = names else { return None };
    let whole = WHOLE.iter().find(|(_, list)| list.contains(first));
    let below = || {
        let next = rest.first()?;
        BELOW.iter().find(|(_, name, list)| name == first && list.contains(next)).map(|row| &row.0)
    };
    let begins = || BEGIN.iter().find(|(start, _)| first.starts_with(start)).map(|row| &row.1);
    let ends = || END.iter().find(|(end, _)| first.ends_with(end)).map(|row| &row.1);
    whole.map(|row| &row.0).or_else(below).or_else(begins).or_else(ends).cloned()
}

/// Names as they stand.
const WHOLE: &[(Reason, &[&str])] = &[
    (Reason::GitInternals, &[".git", ".gitmodules", ".gitattributes", ".gitconfig", ".lfsconfig"]),
    (
        Reason::GitHooks,
        &[
            ".git-hooks",
            ".githooks",
            ".husky",
            ".lefthook",
            ".lefthook-local",
            ".overcommit.yml",
            ".trunk",
            "husky.config.js",
            "prek.toml",
        ],
    ),
    (
        Reason::Ci,
        &[
            ".appveyor.yml",
            ".azure-pipelines",
            ".build.yml",
            ".builds",
            ".buildkite",
            ".ci",
            ".circleci",
            ".gocd.yaml",
            ".harness",
            ".readthedocs.yaml",
            ".readthedocs.yml",
            ".renovaterc",
            ".renovaterc.json",
            ".scrutinizer.yml",
            ".semaphore",
            ".teamcity",
            ".tekton",
            ".travis.yml",
            "amplify.yml",
            "appveyor.yml",
            "bitbucket-pipelines.yml",
            "bitrise.yml",
            "buildspec.yaml",
            "buildspec.yml",
            "cloudbuild.json",
            "cloudbuild.yaml",
            "cloudbuild.yml",
            "codefresh.yml",
            "codeowners",
            "jenkinsfile",
            "netlify.toml",
            "render.yaml",
            "renovate.json",
            "renovate.json5",
            "vercel.json",
            "wercker.yml",
        ],
    ),
    (Reason::Environment, &[".direnv", ".flaskenv", ".renviron", ".shadowenv.d"]),
    (
        Reason::AgentConfig,
        &[
            ".agent",
            ".agents",
            ".amazonq",
            ".amp",
            ".augment",
            ".augment-guidelines",
            ".cline",
            ".codeium",
            ".codex",
            ".cody",
            ".continue",
            ".continuerules",
            ".copilot",
            ".crush",
            ".crush.json",
            ".devin",
            ".factory",
            ".firebender",
            ".gemini",
            ".goose",
            ".goosehints",
            ".grok",
            ".junie",
            ".kilocode",
            ".kilocodemodes",
            ".kiro",
            ".mcp.json",
            ".openhands",
            ".openhands_instructions",
            ".opencode",
            ".plandex",
            ".qwen",
            ".roo",
            ".roomodes",
            ".rovodev",
            ".ruler",
            ".rules",
            ".rulesync",
            ".tabnine",
            ".trae",
            ".warp",
            ".zencoder",
            "agent.md",
            "agents.local.md",
            "agents.md",
            "agents.override.md",
            "claude.local.md",
            "claude.md",
            "codex.md",
            "copilot-instructions.md",
            "crush.json",
            "crush.md",
            "gemini-extension.json",
            "gemini.md",
            "grok.md",
            "opencode.json",
            "opencode.jsonc",
            "qwen.md",
            "replit.md",
            "skill.md",
            "warp.md",
        ],
    ),
    (
        Reason::EditorConfig,
        &[
            ".devcontainer",
            ".devcontainer.json",
            ".dir-locals-2.el",
            ".dir-locals.el",
            ".emacs",
            ".emacs.d",
            ".exrc",
            ".fleet",
            ".gvimrc",
            ".helix",
            ".idea",
            ".idx",
            ".lapce",
            ".lazy.lua",
            ".lite_project.lua",
            ".local.vimrc",
            ".lvimrc",
            ".nova",
            ".nvim",
            ".nvim.lua",
            ".nvimrc",
            ".project",
            ".replit",
            ".settings",
            ".vim",
            ".vimrc",
            ".vscode",
            ".zed",
            "_exrc",
            "_vimrc",
        ],
    ),
    (
        Reason::ToolConfig,
        &[
            ".bazelrc",
            ".bundle",
            ".cshrc",
            ".gdbearlyinit",
            ".gdbinit",
            ".ghci",
            ".gnupg",
            ".hg",
            ".iex.exs",
            ".inputrc",
            ".irbrc",
            ".jj",
            ".kshrc",
            ".lldbinit",
            ".login",
            ".logout",
            ".mkshrc",
            ".mvn",
            ".netrc",
            ".npmrc",
            ".pam_environment",
            ".pdbrc",
            ".pnp.cjs",
            ".pnp.loader.mjs",
            ".profile",
            ".pryrc",
            ".rprofile",
            ".rtx.toml",
            ".screenrc",
            ".ssh",
            ".tcshrc",
            ".tmux.conf",
            ".xinitrc",
            ".xonshrc",
            ".xprofile",
            ".xsessionrc",
            "bunfig.toml",
            "rust-toolchain",
            "rust-toolchain.toml",
        ],
    ),
];

/// Entries of directories that are free otherwise.
const BELOW: &[(Reason, &str, &[&str])] = &[
    (
        Reason::Ci,
        ".github",
        &["actions", "dependabot.yaml", "dependabot.yml", "renovate.json", "workflows"],
    ),
    (Reason::Ci, ".gitea", &["actions", "workflows"]),
    (Reason::Ci, ".forgejo", &["actions", "workflows"]),
    (Reason::Ci, ".gitlab", &["agents", "ci"]),
    (
        Reason::AgentConfig,
        ".github",
        &[
            "agents",
            "chatmodes",
            "copilot",
            "copilot-setup-steps.yml",
            "hooks",
            "instructions",
            "prompts",
            "skills",
        ],
    ),
    (Reason::AgentConfig, ".gitlab", &["duo"]),
    (Reason::ToolConfig, ".cargo", &["config", "config.toml"]),
    (
        Reason::ToolConfig,
        ".config",
        &[
            "autostart",
            "environment.d",
            "fish",
            "gdb",
            "git",
            "jj",
            "mise",
            "nushell",
            "powershell",
            "systemd",
            "tmux",
        ],
    ),
    (Reason::EditorConfig, ".config", &["helix", "nvim", "zed"]),
    (Reason::ToolConfig, ".yarn", &["plugins", "releases"]),
    (Reason::ToolConfig, "gradle", &["wrapper"]),
    (Reason::ToolConfig, "mise", &["config.toml"]),
];

/// What names begin with.
const BEGIN: &[(&str, Reason)] = &[
    (".huskyrc", Reason::GitHooks),
    (".lefthook-local.", Reason::GitHooks),
    (".lefthook.", Reason::GitHooks),
    (".lintstagedrc", Reason::GitHooks),
    (".pre-commit", Reason::GitHooks),
    (".simple-git-hooks.", Reason::GitHooks),
    ("lefthook-local.", Reason::GitHooks),
    ("lefthook.", Reason::GitHooks),
    ("lint-staged.config.", Reason::GitHooks),
    ("simple-git-hooks.", Reason::GitHooks),
    (".cirrus.", Reason::Ci),
    (".drone.", Reason::Ci),
    (".gitlab-ci", Reason::Ci),
    (".woodpecker", Reason::Ci),
    ("azure-pipelines.", Reason::Ci),
    ("jenkinsfile.", Reason::Ci),
    (".autoenv", Reason::Environment),
    (".env", Reason::Environment),
    (".aider.conf", Reason::AgentConfig),
    (".aider.model", Reason::AgentConfig),
    (".claude", Reason::AgentConfig),
    (".clinerules", Reason::AgentConfig),
    (".coderabbit.", Reason::AgentConfig),
    (".cursor", Reason::AgentConfig),
    (".roorules", Reason::AgentConfig),
    (".windsurf", Reason::AgentConfig),
    (".gitpod.", Reason::EditorConfig),
    (".bash", Reason::ToolConfig),
    (".mise.", Reason::ToolConfig),
    (".pnpmfile.", Reason::ToolConfig),
    (".yarnrc", Reason::ToolConfig),
    (".zlog", Reason::ToolConfig),
    (".zprofile", Reason::ToolConfig),
    (".zsh", Reason::ToolConfig),
    ("mise.", Reason::ToolConfig),
];

/// What names end in.
const END: &[(&str, Reason)] =
    &[(".code-workspace", Reason::EditorConfig), (".sublime-project", Reason::EditorConfig)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::scope::fold;

    #[test]
    fn names_in_the_tables_are_written_as_they_are_compared() {
        let whole = WHOLE.iter().flat_map(|row| row.1.iter());
        let below = BELOW.iter().flat_map(|row| row.2.iter().chain([&row.1]));
        let parts = BEGIN.iter().chain(END).map(|row| &row.0);
        for name in whole.chain(below) {
            assert_eq!(fold(name.as_bytes()), *name);
        }
        for part in parts {
            assert_eq!(part.to_ascii_lowercase(), *part);
        }
    }

    #[test]
    fn each_name_stands_in_the_tables_once() {
        let mut met = std::collections::BTreeSet::new();
        for name in WHOLE.iter().flat_map(|row| row.1.iter()) {
            assert!(met.insert(*name), "{name}");
            let begins = BEGIN.iter().find(|(start, _)| name.starts_with(start));
            assert_eq!(begins, None, "{name}");
        }
    }
}
