//! Configuration files as people write them, good and bad.

use std::path::{Path, PathBuf};

use kairos_core::budget::Price;
use kairos_core::rules::NamedPrice;
use kairos_core::schedule::MissedPolicy;
use kairos_core::schedule::definition::Concurrency;
use kairos_engine::Retention;
use kairos_wire::mandate::RiskBudget;

use super::Env;
use super::problem::{File, Problem, Problems, Told};
use super::resolve::{Paths, Resolved, load};
use super::show::{check, show};

mod commands;
mod page;

fn shipped() -> Vec<NamedPrice> {
    vec![NamedPrice { name: "priced".into(), price: Price { input: 1, ..Price::default() } }]
}

/// Reads the files below a new root; a file not given is missing.
fn read(daemon: &str, schedules: &str, secrets: &str) -> Result<Resolved, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::below(dir.path());
    std::fs::create_dir_all(dir.path().join(".kairos/config")).unwrap();
    let files = [(&paths.daemon, daemon), (&paths.schedules, schedules), (&paths.secrets, secrets)];
    for (path, text) in files {
        if !text.is_empty() {
            std::fs::write(path, text).unwrap();
        }
    }
    let env = Env::from([("ANTHROPIC_API_KEY", "from-env"), ("MY_KEY", "from-secret")]);
    load(dir.path(), &paths, &env, &shipped())
}

/// The problems as `FILE:LINE:COLUMN [text] message | hint`, the file by its name.
fn told(result: Result<Resolved, Problems>) -> Vec<String> {
    let problems = match result {
        Ok(resolved) => resolved.warnings,
        Err(problems) => problems.0,
    };
    let rows = problems.iter().map(Problem::row);
    rows.map(|row| {
        let name = Path::new(&row.file).file_stem().unwrap().to_str().unwrap().to_owned();
        let place = row.line.zip(row.column).map(|(l, c)| format!(":{l}:{c}")).unwrap_or_default();
        let text = row.text.map(|text| format!(" [{text}]")).unwrap_or_default();
        let hint = row.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{name}{place}{text} {}{hint}", row.message)
    })
    .collect()
}

#[test]
fn missing_files_mean_their_defaults() {
    let resolved = read("", "", "").unwrap();
    assert_eq!(resolved.schedules.len(), 0);
    assert!(resolved.options.model.is_none());
    assert_eq!(resolved.options.tick_interval_ms, 10_000);
    assert_eq!(resolved.options.graceful_timeout_ms, 120_000);
    assert_eq!(resolved.rules.day.calls, Some(10_000));
    assert_eq!(resolved.rules.mandate_usd_micros_max, 1_000_000);
    assert_eq!(resolved.rules.proposal_ttl_ms, 28_800_000);
}

#[test]
fn kairos_chain_files_load_unchanged() {
    let daemon = "\u{feff}# KairosChain\r\nmode: daemon\r\ntick_interval: \"10\"\r\n\
                  graceful_timeout: 1_20\r\npid_path: .kairos/run/daemon.pid\r\n";
    let schedules = "\
defaults: &d
  timezone: UTC
";
    assert_eq!(
        told(read(daemon, schedules, "")),
        ["schedules:1:1 [defaults] unknown key `defaults` | known here: `schedules`"]
    );
    let schedules = "\
schedules:
  - &first
    name: weekly
    cron: 0 9 * * 1
    timezone:
    enabled: yes
    missed_policy: catch_up_bounded
    max_catch_up_runs: 3
    stale_after: 48 H
    concurrency: reject
    project_scope: docs
    mandate:
      goal: tidy
      max_cycles: '3'
      risk_budget: medium
      allow_llm_upload: [l2]
      decide_hints: [short]
  - <<: *first
    name: 2024
";
    let secrets = "\
secrets:
  - {name: K, source: env, env_var: MY_KEY, scoped_to: ['llm_*']}
  - {name: F, source: file, file_path: .kairos/key}
  - {name: C, source: keychain}
";
    let resolved = read(daemon, schedules, secrets).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(resolved.options.graceful_timeout_ms, 120_000);
    assert_eq!(resolved.warnings.len(), 0, "{:?}", resolved.warnings);
    let [weekly, second] = &resolved.schedules[..] else { panic!("two schedules") };
    assert_eq!((weekly.name.as_str(), second.name.as_str()), ("weekly", "2024"));
    assert_eq!((weekly.timed.timing.zone(), weekly.enabled), (Some("UTC"), true));
    let bounded = MissedPolicy::CatchUpBounded { max: 3, stale_after_ms: 172_800_000 };
    assert_eq!((weekly.missed, weekly.concurrency), (bounded, Concurrency::Reject));
    assert_eq!(weekly.mandate.project_scope.as_deref(), Some("docs"));
    assert_eq!(weekly.mandate.max_cycles, Some(3));
    let env = Env::from([("MY_KEY", "v")]);
    assert_eq!(resolved.secrets.get("K", &["llm_call"], &env).unwrap().expose(), "v");
    assert!(resolved.secrets.get("K", &["git"], &env).is_err());
    let later = resolved.secrets.get("C", &["llm_call"], &env).unwrap_err().to_string();
    assert_eq!(later, "secret `C` comes from `keychain`, which this version cannot ask");
}

#[test]
fn each_wrong_key_of_the_daemon_is_told_with_its_place() {
    let model = "model: {provider: anthropic, name: priced";
    let cases = [
        ("mode: repl", "daemon:1:7 [repl] mode `repl` is not `daemon` | the only mode there is"),
        (
            "tick_intervall: 5",
            "daemon:1:1 [tick_intervall] unknown key `tick_intervall` | did you mean `tick_interval`?",
        ),
        (
            "log: {colour: red}",
            "daemon:1:7 [colour] unknown key `colour` | known here: `level`, `max_bytes`, `keep`",
        ),
        (
            "wal_dir: wal",
            "daemon:1:1 [wal_dir] unknown key `wal_dir` | KairosChain had it, kairos does not; delete it",
        ),
        ("http: none", "daemon:1:1 [http] unknown key `http` | not in this version"),
        ("tick_interval: 0", "daemon:1:16 [0] `tick_interval` is out of range | 0.001s to 1d"),
        (
            "tick_interval: -1",
            "daemon:1:16 [-1] `-1` is not a duration | a number of seconds, or text such as `15s`, `10m`, `8h`, `2d`",
        ),
        ("max_running: many", "daemon:1:14 [many] expected a whole number, found `many`"),
        ("max_running: 65", "daemon:1:14 [65] `max_running` is out of range | 1 to 64"),
        (
            "mode: daemon\nmode: daemon",
            "daemon:2:1 [mode] key `mode` stands here twice | KairosChain took the last one; keep one of them",
        ),
        (
            "day_zone: Zurich",
            "daemon:1:11 [Zurich] `Zurich` is not a time zone | did you mean `Europe/Zurich`?",
        ),
        (
            "log: {level: loud}",
            "daemon:1:14 [loud] `loud` is not known here | one of `debug`, `info`, `warn`, `error`",
        ),
        ("log: {max_bytes: big}", "daemon:1:18 [big] expected a size such as `16MiB`, found `big`"),
        (
            "budget: {calls_per_day: 0}",
            "daemon:1:25 [0] `budget.calls_per_day` is 0, which would stop everything for good | 1 or more; delete the key for the default. To stop everything, stop the daemon",
        ),
        (
            "budget: {usd_per_day: -5}",
            "daemon:1:23 [-5] expected an amount of USD with at most six decimals, found `-5`",
        ),
        (
            "scopes: [{path: 'a[', scope: l0}]",
            "daemon:1:17 ['a['] scope rule `a[` is not a glob | such as `deploy/**`",
        ),
        (
            "scopes: [{path: a, scope: l2}]",
            "daemon:1:27 [l2] scope rule `a` asks for l2, but a rule can only raise | `l0` or `l1`",
        ),
        ("- a", "daemon:1:1 [- a] expected a mapping, found a list"),
        (&format!("{model}x}}"), "daemon: -"),
        (
            "model: {provider: openai, name: other, base_url: 'https://e.org/v1', api_key: 'secret:K'}",
            "daemon:1:33 [other] model `other` has no price, and caps in USD hold | add to `model:`, with its USD for a million tokens:\n  prices:\n    {input: 3, output: 15}",
        ),
        (
            &format!("{model}, api_key: 'secret:X'}}"),
            "daemon:1:53 ['secret:X'] no secret is called `X` | secrets are named in secrets.yml",
        ),
        (
            "model: {provider: openai, name: priced}",
            "daemon:1:8 [{] no API key: environment variable `OPENAI_API_KEY` is not set | set it, or add `api_key: \"secret:NAME\"`",
        ),
    ];
    let secrets = "secrets: [{name: K, source: env, env_var: MY_KEY}]\n";
    for (text, expected) in cases {
        if expected == "daemon: -" {
            assert!(read(text, "", secrets).is_ok(), "{text}: longest prefix has a price");
            continue;
        }
        assert_eq!(told(read(text, "", secrets)), [expected], "{text}");
    }
}

#[test]
fn each_wrong_key_of_a_schedule_is_told_with_its_place() {
    let cases = [
        (
            "cron: '61 * * * *'",
            "schedules:3:12 [61] `61` is out of range for the minute field | allowed: *, 0-59, ranges, `A~B` for one at random, and lists of these",
        ),
        (
            "cron: '0 0 31 2 *'",
            "schedules:3:16 [31] `31` in the day of month field is in none of its months | allowed: a day that one of its months has",
        ),
        (
            "cron: */5 * * * *",
            "schedules:3:11 [*/5 * * * *] the expression is not in quotes | quote the expression: YAML gives `*` and `@` at the start a meaning",
        ),
        (
            "cron: @daily",
            "schedules:3:11 [@daily] the expression is not in quotes | quote the expression: YAML gives `*` and `@` at the start a meaning",
        ),
        (
            "cron: '0 0 L-3,15W * 1#6'",
            "schedules:3:26 [1#6] `1#6` does not say which one of the month, in the day of week field | allowed: `5L` for the last Friday, `1#1` to `1#5` for one Monday of the month",
        ),
        (
            "cron: '0,*/61 * * * *'",
            "schedules:3:14 [*/61] the step in `*/61` of the minute field is wider than its range | a step within 0-59, or the value itself",
        ),
        (
            "cron: '@daily'\n    timezone: Europe/Zurch",
            "schedules:4:15 [Europe/Zurch] `Europe/Zurch` is not a time zone | did you mean `Europe/Zurich`?",
        ),
        (
            "cron: '@daily'\n    trigger: {webhook: {secret: 'secret:a'}}",
            "schedules:4:14 [{] `cron` and `trigger` both say when it is due | keep one of them",
        ),
        (
            "trigger: {hook: 3}",
            "schedules:3:15 [hook] unknown key `hook` | known here: `webhook`, `path`, `settle`",
        ),
        (
            "trigger: {}",
            "schedules:3:14 [{] nothing says what the trigger is | `webhook: {secret: \"secret:NAME\"}` or `path: GLOB`",
        ),
        (
            "trigger: {path: 'inbox/**', webhook: {secret: 'secret:a'}}",
            "schedules:3:21 ['inbox/**'] `webhook` and `path` both say what makes it due | keep one of them",
        ),
        (
            "trigger: {path: 'inbox/**', settle: 2h}",
            "schedules:3:41 [2h] `settle` is out of range | `1s` to `1h`",
        ),
        (
            "trigger: {path: ../inbox}",
            "schedules:3:21 [../inbox] `../inbox` leads out of the workspace | globs are relative to the workspace",
        ),
        (
            "trigger: {webhook: {secret: hunter2}}",
            "schedules:3:33 [hunter2] a webhook's secret never stands in this file | write `secret: \"secret:NAME\"` and name it in secrets.yml",
        ),
        (
            "trigger: {webhook: {secret: 'secret:a'}}\n    condition: {exists: a}",
            "schedules:4:16 [{] `condition` says nothing beside `trigger` | it is looked at when a clock makes the schedule due",
        ),
        (
            "cron: '@daily'\n    condition: {exist: a}",
            "schedules:4:17 [exist] unknown key `exist` | did you mean `exists`?",
        ),
        (
            "cron: '@daily'\n    condition: {}",
            "schedules:4:16 [{] nothing says what the condition is | one of `exists: PATH`, `changed: GLOB`, `contains: {path: PATH, text: TEXT}`, `command: [NAME, ARGUMENT]`",
        ),
        (
            "cron: '@daily'\n    condition: {exists: a, changed: b}",
            "schedules:4:37 [b] `exists` and `changed` both say what must hold | keep one of them",
        ),
        (
            "cron: '@daily'\n    condition: {exists: /etc/passwd}",
            "schedules:4:25 [/etc/passwd] `/etc/passwd` is absolute, expected a path relative to the workspace",
        ),
        (
            "cron: '@daily'\n    condition: {exists: .kairos/run/x}",
            "schedules:4:25 [.kairos/run/x] `.kairos/run/x` is the daemon's own | a condition is about the workspace",
        ),
        (
            "cron: '@daily'\n    condition: {changed: ../*}",
            "schedules:4:26 [../*] `../*` leads out of the workspace | globs are relative to the workspace",
        ),
        (
            "cron: '@daily'\n    condition: {changed: 'a[1'}",
            "schedules:4:26 ['a[1'] `a[1` is not a glob | unclosed character class; missing ']'",
        ),
        (
            "cron: '@daily'\n    condition: {contains: {path: a, text: ''}}",
            "schedules:4:43 [''] `text` has 0 bytes | 1 to 65536",
        ),
        (
            "cron: '@daily'\n    condition: {contains: {path: a}}",
            "schedules:4:27 [{] key `text` is missing",
        ),
        (
            "cron: '@daily'\n    every: 15m",
            "schedules:4:12 [15m] `cron` and `every` both say when it is due | keep one of them",
        ),
        (
            "enabled: true",
            "schedules:2:11 [a] nothing says when it is due | one of `cron`, `every`, `at`, `trigger`",
        ),
        (
            "every: 0s",
            "schedules:3:12 [0s] `every` is out of range | whole seconds, from `1s` to `366d`",
        ),
        (
            "every: 400d",
            "schedules:3:12 [400d] `every` is out of range | whole seconds, from `1s` to `366d`",
        ),
        (
            "every: 1.5s",
            "schedules:3:12 [1.5s] `every` is out of range | whole seconds, from `1s` to `366d`",
        ),
        (
            "every: soon",
            "schedules:3:12 [soon] `soon` is not a duration | a number of seconds, or text such as `15s`, `10m`, `8h`, `2d`",
        ),
        (
            "every: 1h\n    timezone: Europe/Zurich",
            "schedules:4:15 [Europe/Zurich] `timezone` says nothing beside `every` | an interval counts elapsed time",
        ),
        (
            "at: 2026-13-01T09:00",
            "schedules:3:9 [2026-13-01T09:00] `2026-13-01T09:00` is not a date with a time of day | such as `2026-12-01T09:00`, in the schedule's timezone",
        ),
        (
            "at: 2020-01-01T09:00",
            "schedules:3:9 [2020-01-01T09:00] 2020-01-01T09:00:00 is past | it is not due any more; `kairos schedule fire` fires it",
        ),
        (
            "at: 2030-03-31T02:30\n    timezone: Europe/Zurich\n    dst: {gap: skip}",
            "schedules:3:9 [2030-03-31T02:30] the clock skips 2030-03-31T02:30:00 in this zone, and `dst` wants nothing run | it is never due",
        ),
        (
            "cron: '@daily'\n    jitter: 25h",
            "schedules:4:13 [25h] `jitter` is out of range | whole seconds, up to `24h`",
        ),
        (
            "cron: '@daily'\n    max_queued: 17",
            "schedules:4:17 [17] `max_queued` is out of range | 1 to 16",
        ),
        (
            "cron: '@daily'\n    id: b\n  - name: b\n    cron: '@daily'",
            "schedules:5:11 [b] two schedules are `b` over time | the first one is on line 2; an `id`, or else the name, is what a schedule was before",
        ),
        (
            "cron: '@daily'\n    enabled: maybe",
            "schedules:4:14 [maybe] expected true or false, found `maybe`",
        ),
        (
            "cron: '@daily'\n    enabled: 'false'",
            "schedules:4:14 ['false'] `enabled` is text and read as false; KairosChain read it as true | write it without quotes",
        ),
        (
            "cron: '@daily'\n    concurrency: quene",
            "schedules:4:18 [quene] `quene` is not known here | did you mean `queue`?",
        ),
        (
            "cron: '@daily'\n    mandate: {verify: ['make; x']}",
            "schedules:4:24 ['make; x'] `;` in `make; x` is for a shell, and there is none; write the command as a list: [cargo, test]",
        ),
        (
            "cron: '@daily'\n    mandate: {verify: [{run: cargo test}]}",
            "schedules:4:24 [{] unknown key `run` | known here: `file`, `contains`, `command`",
        ),
        (
            "cron: '@daily'\n    mandate: {max_cycles: 51}",
            "schedules:4:27 [51] `51` is out of range: 1 to 50 cycles",
        ),
        (
            "cron: '@daily'\n    mandate: {files: ['a[']}",
            "schedules:4:23 ['a['] `a[` is not a glob | unclosed character class; missing ']'",
        ),
        (
            "cron: '@daily'\n    mandate: {files: [a, ../x]}",
            "schedules:4:26 [../x] `../x` leads out of the workspace | globs are relative to the workspace",
        ),
        (
            "cron: '@daily'\n    mandate: {files: /etc/**}",
            "schedules:4:22 [/etc/**] `/etc/**` leads out of the workspace | globs are relative to the workspace",
        ),
        (
            "cron: '@daily'\n    mandate: {allowed_actions: [code_edti]}",
            "schedules:4:33 [code_edti] `code_edti` is not an action | did you mean `code_edit`?",
        ),
        (
            "cron: '@daily'\n    mandate: {risk_budget: high}",
            "schedules:4:28 [high] risk budget `high` counts as `low` here | a schedule that may act so says `allow_high_risk: true`",
        ),
        (
            "cron: '@daily'\n    mandate: {checkpoint_every: 2}",
            "schedules:4:33 [2] `checkpoint_every` is not acted on by this version | it changes nothing",
        ),
        (
            "cron: '0 0 */2 * 1'",
            "schedules:3:16 [*/2] fires on days that both fields name; KairosChain took either | to have either, write the steps as a range such as `1-31/2`",
        ),
        (
            "cron: '0 0 1-31 * 1'",
            "schedules:3:16 [1-31] fires on days that either field names; KairosChain wanted both | write `*` for the field that names every day",
        ),
        (
            "cron: '010 0 * * *'",
            "schedules:3:12 [010] numbers are decimal here; KairosChain read a leading 0 as octal | write the number without the leading 0, or `8` for what it was",
        ),
        (
            "cron: '@daily'\n  - name: a\n    cron: '@daily'",
            "schedules:4:11 [a] schedule `a` stands here twice | the first one is on line 2; names are what tells them apart",
        ),
    ];
    for (text, expected) in cases {
        let file = format!("schedules:\n  - name: a\n    {text}\n");
        let mut found = told(read("", &file, ""));
        found.retain(|line| !line.contains("has no goal"));
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn the_cause_is_an_error_and_never_a_warning_before_it() {
    let schedules = "schedules:\n  \
        - {name: a, cron: '30 2 * * *', timezone: Europe/Zurich, mandate: {goal: g}}\n  \
        - {name: b, cron: x, mandate: {goal: g}}\n";
    let problems = read("", schedules, "").unwrap_err();
    assert!(!problems.0[0].is_error(), "a warning was found first");
    let cause = problems.to_string();
    assert_eq!(
        (cause.lines().count(), cause.contains("schedules.yml:3:21: ")),
        (1, true),
        "{cause}"
    );
    assert!(!problems.render(false).contains("the clock goes"));
    let many = "schedules:\n".to_owned() + &"  - {name: b, cron: x}\n".repeat(25);
    let cause = read("", &many, "").unwrap_err().to_string();
    assert_eq!(cause.lines().count(), 21);
    assert!(cause.ends_with("5 more errors: `kairos config check` tells them all"), "{cause}");
}

#[test]
fn a_change_of_the_clock_is_no_news_to_whoever_wrote_what_it_does() {
    let warned = |rule: &str| {
        let schedule = format!("timezone: Europe/Zurich, mandate: {{goal: g}}, {rule}");
        let told = told(read("", &format!("schedules: [{{name: a, {schedule}}}]\n"), ""));
        told.iter().filter(|line| line.contains("the clock")).count()
    };
    assert_eq!(warned("cron: '30 2 * * *'"), 2);
    assert_eq!(warned("cron: '30 2 * * *', dst: {gap: run_after}"), 1);
    assert_eq!(warned("cron: '30 2 * * *', dst: {gap: run_after, fold: first}"), 0);
    // Such a rule follows elapsed time, whatever is written.
    assert_eq!(warned("cron: '*/30 2 * * *', dst: {gap: run_after, fold: first}"), 2);
    assert_eq!(warned("at: '2098-03-30T02:30'"), 1);
    assert_eq!(warned("at: '2098-03-30T02:30', dst: {gap: run_after}"), 0);
    assert_eq!(warned("at: '2098-03-30T02:30', dst: {gap: skip}"), 1);
    assert_eq!(warned("at: '2098-03-30T03:30'"), 0);
}

#[test]
fn a_warning_is_new_once_and_where_another_entry_has_it() {
    let warnings = |count: usize| {
        let entries = "  - {name: x, cron: '30 2 * * *', timezone: Europe/Zurich}\n".repeat(count);
        let file = File::new(Path::new("s.yml"), &format!("# moved\n{}", entries));
        let line = |n: usize| Problem::warning(&file, file.from(n + 2, 1), "skips".to_owned());
        (0..count).map(line).collect::<Vec<_>>()
    };
    let (two, three) = (warnings(2), warnings(3));
    let told = Told::of(&two);
    assert_eq!(told.new_among(&two).len(), 0);
    assert_eq!(told.new_among(&three).len(), 1);
    assert_eq!(Told::default().new_among(&two).len(), 2);
}

#[test]
fn show_says_whose_the_schedules_are() {
    let from = |schedules: &str| {
        let rows = show(&read("", schedules, "").unwrap());
        rows.into_iter().find(|row| row.key == "schedules").unwrap().origin
    };
    assert_eq!((from("schedules: []\n").as_str(), from("").as_str()), ("schedules.yml", "default"));
}

#[test]
fn every_problem_is_found_at_once() {
    let schedules = "schedules:\n  - {name: a, cron: x}\n  - {name: b}\n";
    let found = told(read("mode: x\nmax_running: 0\n", schedules, "secrets: 3\n"));
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn an_entry_tells_everything_that_is_wrong_with_it() {
    let schedules = "schedules:
  - nmae: nightly
    cron: '61 * * * *'
    enabled: maybe
    concurrency: quene
    mandate: {gaol: x, max_cycles: 99, verify: [cargo test, {file: a, contains: b}]}
";
    let expected = [
        "schedules:2:5 [nmae] unknown key `nmae` | did you mean `name`?",
        "schedules:4:14 [maybe] expected true or false, found `maybe`",
        "schedules:5:18 [quene] `quene` is not known here | did you mean `queue`?",
        "schedules:6:15 [gaol] unknown key `gaol` | did you mean `goal`?",
        "schedules:6:36 [99] `99` is out of range: 1 to 50 cycles",
        "schedules:2:5 [nmae: nightly] key `name` is missing",
    ];
    assert_eq!(told(read("", schedules, "")), expected);
    let daemon = "max_runing: 2\ntick_interval: 0\nlog: {level: loud}\nmodel: {name: x}\n";
    let expected = [
        "daemon:1:1 [max_runing] unknown key `max_runing` | did you mean `max_running`?",
        "daemon:3:14 [loud] `loud` is not known here | one of `debug`, `info`, `warn`, `error`",
        "daemon:4:8 [{] key `provider` is missing",
    ];
    assert_eq!(told(read(daemon, "", "")), expected);
    let daemon = "max_runing: 2\ntick_interval: 0\nlog: {level: loud, keep: 9999}\n";
    let expected = [
        "daemon:1:1 [max_runing] unknown key `max_runing` | did you mean `max_running`?",
        "daemon:3:14 [loud] `loud` is not known here | one of `debug`, `info`, `warn`, `error`",
        "daemon:2:16 [0] `tick_interval` is out of range | 0.001s to 1d",
        "daemon:3:26 [9999] `log.keep` is out of range | 0 to 1000 files",
    ];
    assert_eq!(told(read(daemon, "", "")), expected);
    let secrets = "secrets:\n  - {name: K, sorce: env, env_vra: X}\n";
    let expected = [
        "secrets:2:15 [sorce] unknown key `sorce` | did you mean `source`?",
        "secrets:2:27 [env_vra] unknown key `env_vra` | did you mean `env_var`?",
        "secrets:2:5 [{] key `source` is missing",
    ];
    assert_eq!(told(read("", "", secrets)), expected);
}

#[test]
fn a_file_that_cannot_be_read_says_so_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::below(dir.path());
    std::fs::create_dir_all(&paths.daemon).unwrap();
    std::fs::write(&paths.schedules, b"\xff").unwrap();
    let said = told(load(dir.path(), &paths, &Env::default(), &[]));
    let expected = [
        "daemon cannot be read: not a regular file",
        "schedules cannot be read: stream did not contain valid UTF-8 | it must be UTF-8 text",
    ];
    assert_eq!(said, expected);
}

#[test]
fn high_risk_counts_where_it_is_allowed() {
    let file = "schedules:\n  - {name: a, cron: '@daily', allow_high_risk: true, mandate: {risk_budget: high}}\n";
    let resolved = read("", file, "").unwrap();
    assert_eq!(resolved.schedules[0].mandate.risk_budget, Some(RiskBudget::High));
    assert_eq!(resolved.schedules[0].mandate.goal, "a");
}

#[test]
fn a_problem_is_drawn_with_its_line_and_a_mark_under_the_text() {
    let problems = read("", "schedules:\n  - name: a\n    cron: '0 25 * * *'\n", "").unwrap_err();
    let drawn = problems.render(false);
    assert!(drawn.contains("`25` is out of range for the hour field"), "{drawn}");
    assert!(drawn.contains("schedules.yml:3:14"), "{drawn}");
    assert!(drawn.contains("cron: '0 25 * * *'"), "{drawn}");
}

#[test]
fn no_key_is_ever_shown() {
    let daemon = "model: {provider: anthropic, name: priced, api_key: a-verysecretvalue}\n";
    let problems = read(daemon, "", "").unwrap_err();
    let shown = format!("{}{}{:?}", problems.render(false), problems, problems.0[0].row());
    assert!(!shown.contains("verysecret"), "{shown}");
    let daemon = "model: {provider: anthropic, name: priced}\n";
    let resolved = read(daemon, "", "").unwrap();
    assert!(!format!("{resolved:?}{:?}", show(&resolved)).contains("from-env"));
}

#[test]
fn show_says_where_a_value_comes_from() {
    let resolved = read("max_running: 2\nlog: {keep: 3}\n", "", "").unwrap();
    let rows = show(&resolved);
    let row = |key: &str| {
        let row = rows.iter().find(|row| row.key == key).unwrap();
        format!("{} {}", row.value, row.origin)
    };
    assert_eq!(row("max_running"), "2 daemon.yml:1");
    assert_eq!(row("log.keep"), "3 daemon.yml:2");
    assert_eq!(row("tick_interval"), "10s default");
    assert_eq!(row("log.max_bytes"), "16MiB default");
    let resolved = read("model: {provider: anthropic, name: priced}\n", "", "").unwrap();
    let rows = show(&resolved);
    let key = rows.iter().find(|row| row.key == "model.api_key").unwrap();
    assert_eq!((&*key.value, &*key.origin), ("***", "ANTHROPIC_API_KEY"));
}

#[test]
fn retention_has_defaults_and_bounds() {
    let read_retention = |daemon| {
        let resolved = read(daemon, "", "").unwrap_or_else(|p| panic!("{p}"));
        let Retention { days, bytes, .. } = resolved.options.retention;
        (days, bytes)
    };
    assert_eq!(read_retention(""), (90, 2 << 30));
    assert_eq!(read_retention("retention: {bytes: 32MiB}\n"), (90, 32 << 20));
    assert_eq!(read_retention("retention: {days: 1}\n"), (1, 2 << 30));
    let free = |daemon| read(daemon, "", "").unwrap().options.retention.free_bytes;
    assert_eq!(free(""), 256 << 20);
    assert_eq!(free("retention: {keep_free: 0}\n"), 0);
    let little = read("retention: {bytes: 32MiB}\n", "", "").unwrap().warnings;
    assert_eq!(little.len(), 1, "{little:?}");
    assert!(little[0].to_string().contains("leaves little to delete"), "{}", little[0]);
    let shown = show(&read("retention: {bytes: 64MiB}\n", "", "").unwrap());
    let row = |key| shown.iter().find(|row| row.key == key).unwrap();
    assert_eq!((&*row("retention.days").value, &*row("retention.days").origin), ("90", "default"));
    let bytes = row("retention.bytes");
    assert_eq!((&*bytes.value, &*bytes.origin), ("64MiB", "daemon.yml:1"));
    let problems =
        read("retention: {days: 0, bytes: 2000000GiB}\n", "", "").unwrap_err().to_string();
    assert!(problems.contains("`retention.days` is out of range"), "{problems}");
    assert!(problems.contains("`retention.bytes` is out of range"), "{problems}");
}

#[test]
fn a_cap_below_what_always_stays_is_refused_with_the_least() {
    for (given, told) in [("16MiB", "16MiB"), ("0", "0B"), ("33554431", "33554431B")] {
        let problems = read(&format!("retention: {{bytes: {given}}}\n"), "", "");
        let problems = problems.unwrap_err().to_string();
        let message =
            format!("`retention.bytes` is `{told}`, less than `32MiB`: the newest segments");
        assert!(problems.contains(&message), "{problems}");
        assert!(problems.contains("32MiB or more; the default is 2GiB"), "{problems}");
    }
}

#[test]
fn check_of_named_files_needs_no_root() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.yml");
    std::fs::write(&path, "schedules: [{name: a, cron: '@daily', mandate: {goal: g}}]\n").unwrap();
    let env = Env::default();
    let report = check(dir.path(), std::slice::from_ref(&path), &env, &[]);
    assert_eq!(report.render(false), format!("{}: ok\n", path.display()));
    let report = check(dir.path(), &[dir.path().join("none.yml")], &env, &[]);
    assert!(!report.row().ok);
}

#[test]
fn witnesses_are_files_branches_and_servers() {
    let daemon = "\
checkpoint:
  publish:
    - {file: ../kairos.note}
    - {git: 'git@example.com:audit.git'}
    - {git: /srv/audit.git, ref: notes/kairos}
    - {http: 'https://witness.example/add?key=abc'}
";
    let resolved = read(daemon, "", "").unwrap_or_else(|p| panic!("{p}"));
    let named: Vec<_> = resolved.options.witnesses.iter().map(ToString::to_string).collect();
    let expected = [
        "file ../kairos.note",
        "git git@example.com:audit.git kairos-checkpoints",
        "git /srv/audit.git notes/kairos",
        "http https://witness.example/add",
    ];
    assert_eq!(named, expected, "what may be secret in a URL is not shown");
    let shown = show(&resolved);
    let row = shown.iter().find(|row| row.key == "checkpoint.publish").unwrap();
    assert_eq!((row.value.as_str(), row.origin.as_str()), (&*expected.join(", "), "daemon.yml:2"));
}

#[test]
fn each_witness_that_cannot_be_one_is_told_with_its_place() {
    let daemon = "\
checkpoint:
  publish:
    - {}
    - {file: a.note, http: 'http://127.0.0.1/'}
    - {file: a.note, ref: b}
    - {file: ..}
    - {git: --upload-pack=evil}
    - {git: 'ext::sh -c evil'}
    - {git: 'http://example.com/a.git'}
    - {git: a.git, ref: ../b}
    - {http: 'ftp://example.com/'}
    - {http: 'https://me:secret@example.com/'}
    - {file: a.note}
    - {file: a.note}
    - {files: a.note}
";
    let one = "one of `file`, `git` and `http` | one entry for each";
    let remote = "a path, `ssh://…`, `user@host:path` or `https://…`";
    let branch = "no name of a branch | such as `kairos-checkpoints`";
    let expected = [
        "daemon:15:8 [files] unknown key `files` | did you mean `file`?".to_owned(),
        format!("daemon:3:7 [{{] a witness is {one}"),
        format!("daemon:4:7 [{{] a witness is {one}"),
        "daemon:5:27 [b] key `ref` belongs to `git` | delete it".to_owned(),
        "daemon:6:14 [..] `..` names no file | a file, replaced each time".to_owned(),
        format!(
            "daemon:7:13 [--upload-pack=evil] `--upload-pack=evil` is no git remote | {remote}"
        ),
        format!("daemon:8:13 ['ext::sh -c evil'] `ext::sh -c evil` is no git remote | {remote}"),
        "daemon:9:13 ['http://example.com/a.git'] a git remote without encryption proves little | \
         use `ssh://` or `https://`"
            .to_owned(),
        format!("daemon:10:25 [../b] `../b` is {branch}"),
        "daemon:11:14 ['ftp://example.com/'] it is no http or https URL | such as \
         `https://witness.example/add`"
            .to_owned(),
        "daemon:12:14 ['https://me:secret@example.com/'] a password never stands in this file | \
         notes are public: a witness needs none"
            .to_owned(),
        "daemon:14:7 [{] `file a.note` stands here twice | delete one".to_owned(),
    ];
    assert_eq!(told(read(daemon, "", "")), expected);
}

#[test]
fn a_schedule_without_a_goal_is_asked_for_one() {
    let schedules = "schedules:\n  - {name: tidy, cron: '@daily'}\n";
    let resolved = read("", schedules, "").unwrap();
    assert_eq!(resolved.schedules[0].mandate.goal, "tidy");
    let warned = "schedules:2:12 [tidy] `tidy` has no goal, so its name stands for it | write `goal:` under `mandate:`";
    assert_eq!(told(Ok(resolved)), [warned]);
}

#[test]
fn swapped_letters_are_put_back() {
    let told = told(read("modle: {provider: anthropic}\n", "", ""));
    assert_eq!(told, ["daemon:1:1 [modle] unknown key `modle` | did you mean `model`?"]);
}

#[test]
fn check_reads_the_playbook_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join(".kairos/config");
    std::fs::create_dir_all(&config).unwrap();
    let daemon = config.join("daemon.yml");
    std::fs::write(&daemon, "model: {provider: playbook, file: p.yml}\n").unwrap();
    let problem = |named: &[PathBuf]| {
        let report = check(dir.path(), named, &Env::default(), &[]);
        report.problems.first().map(|problem| problem.line())
    };
    let missing = "1:35: cannot read `p.yml`: No such file or directory (os error 2)";
    let hint = format!("hint: the path starts at `{}`", dir.path().display());
    let told = format!("{}:{missing}\n{hint}", daemon.display());
    assert_eq!(problem(&[]).as_ref(), Some(&told));
    assert_eq!(problem(std::slice::from_ref(&daemon)), Some(told));
    std::fs::write(dir.path().join("p.yml"), "answers: []\n").unwrap();
    assert_eq!(problem(&[]), None);
}

#[test]
fn a_mandate_file_is_drawn_like_the_others() {
    let read = |text| crate::config::mandate(Path::new("m.yml"), text).map_err(|p| p.to_string());
    let told = "m.yml:2:1: unknown key `gaol` (did you mean `goal`?)";
    assert_eq!(read("files: [a]\ngaol: x\n").unwrap_err(), told);
    assert_eq!(read("goal: x\n").unwrap().goal, "x");
}

#[test]
fn a_zone_in_other_letters_goes_by_the_same_data() {
    let zone = |name| super::zone::with_digest(name).expect("it is known");
    assert_eq!(zone("europe/ZURICH"), zone("Europe/Zurich"));
}

/// As long as a file may be: an edit of each letter would take more room than there is.
#[test]
fn a_text_much_longer_than_every_name_is_like_none_of_them() {
    let name = "Europe/Zurich".repeat(2 << 20);
    let unknown = super::zone::zone(&name).expect_err("there is none");
    assert_eq!(unknown.near, None);
    let near = super::zone::zone("Europe/Zurch").expect_err("there is none").near;
    assert_eq!(near, Some("Europe/Zurich"));
}

/// Read, one of these ends the process.
#[test]
fn a_glob_of_many_alternatives_in_each_other_is_refused() {
    let deep = format!("{}b{}", "{a,".repeat(300_000), "}".repeat(300_000));
    for entry in [
        format!("trigger: {{path: \"{deep}\"}}, mandate: {{goal: g}}"),
        format!("cron: '@daily', condition: {{changed: \"{deep}\"}}, mandate: {{goal: g}}"),
        format!("cron: '@daily', mandate: {{goal: g, files: [\"{deep}\"]}}"),
    ] {
        let text = format!("schedules: [{{name: n, {entry}}}]\n");
        let checked = super::draft::check_text(std::path::Path::new("schedules.yml"), &text);
        let said: Vec<_> = checked.problems.iter().map(|problem| problem.row().message).collect();
        assert_eq!(said, ["a glob has more than 64 `{`"]);
    }
}
