//! The shipped rules: that they read, and that they know the tools they speak of.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::options::{Arity, Known};
use super::super::place::Place;
use super::super::refused::Refused;
use super::super::scan::Scan;
use super::*;

#[test]
fn the_shipped_rules_read_and_no_name_stands_twice() {
    let mut names: Vec<String> =
        shipped().unwrap().into_iter().map(|shipped| shipped.rule.name).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_rule_that_says_nothing_known_does_not_read() {
    let tool = |form: &str| {
        let text = format!("[[tool]]\nname = \"x\"\nstyle = \"gnu\"\n[tool.form.\"*\"]\n{form}");
        read(&text).unwrap_err().to_string()
    };
    assert_eq!(tool("operands = [\"pth*\"]"), "`pth` means nothing in the rule of `x`");
    assert_eq!(tool("sets = [\"a\"]"), "`a` means nothing in the rule of `x`");
    assert_eq!(tool("accept = [\"-a\", \"-a\"]"), "the options of `x` do not read");
    assert_eq!(tool("acept = []"), "a rules file does not read");
}

/// What a tool says it takes behind a spelling, as far as its complaint tells.
#[derive(Debug, PartialEq, Eq)]
enum Real {
    Nothing,
    Value,
    /// A value or none, or nothing can be told.
    Perhaps,
    Unknown,
}

fn says(dir: &Path, argv: &[&str]) -> String {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).to_lowercase()
}

/// Asks the tool with the option last, and for a long one with a value that it must not have.
fn real(dir: &Path, argv: &[&str], spelling: &str) -> Real {
    let has = |said: &str, words: &[&str]| words.iter().any(|word| said.contains(word));
    let alone = says(dir, &[argv, &[spelling]].concat());
    let unknown =
        ["unrecognized", "unknown option", "unknown switch", "invalid option", "bad flag"];
    if has(&alone, &["requires a value", "requires an argument"]) {
        return Real::Value;
    }
    let is_long = spelling.starts_with("--");
    let with = if is_long {
        says(dir, &[argv, &[&format!("{spelling}=1")]].concat())
    } else {
        String::new()
    };
    match (has(&alone, &unknown), is_long) {
        // Some options of git are known with their value alone.
        (true, true) if !has(&with, &unknown) => Real::Perhaps,
        (true, _) => Real::Unknown,
        (false, true)
            if has(&with, &["allow an argument", "takes no value"]) || has(&with, &unknown) =>
        {
            Real::Nothing
        }
        (false, _) => Real::Perhaps,
    }
}

fn agrees(arity: &Arity, real: &Real) -> bool {
    match (arity, real) {
        (Arity::Required(_) | Arity::Last(_), real) => *real == Real::Value,
        (Arity::Flag, real) => matches!(real, Real::Nothing | Real::Perhaps),
        (Arity::Optional(_) | Arity::Attached(_), real) => *real == Real::Perhaps,
        (Arity::Several(_), _) => true,
    }
}

/// A rule that thinks an option takes a value where the tool reads another option there, or the other
/// way round, would let that option through. Asked are the tools this machine has, of the versions
/// whose complaints can be read; an option it does not know yet is no mistake.
#[test]
fn each_option_takes_what_the_real_tool_says_it_takes() {
    const COMPLAIN_AS_GNU: [&str; 18] = [
        "ls",
        "cat",
        "head",
        "tail",
        "wc",
        "sort",
        "uniq",
        "cut",
        "tr",
        "diff",
        "cmp",
        "grep",
        "stat",
        "du",
        "sha256sum",
        "sed",
        "tar",
        "make",
    ];
    let dir = tempfile::tempdir().unwrap();
    let git = |line: &str| says(dir.path(), &line.split(' ').collect::<Vec<_>>());
    git("git init -q");
    git("git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x");
    let mut asked = 0;
    let mut wrong = Vec::new();
    for Shipped { rule, .. } in shipped().unwrap() {
        let table = rule.table.as_ref().unwrap();
        let is_git = rule.program == "git";
        let complains = COMPLAIN_AS_GNU.contains(&rule.name.as_str()) && {
            says(dir.path(), &[&rule.program, "--no-such-option"]).contains("unrecognized option")
        };
        let forms: BTreeMap<&str, &Form> = match &table.forms {
            Forms::Only(form) if complains => [("", &**form)].into(),
            Forms::Subcommands { known, .. } if is_git => {
                known.iter().map(|(name, form)| (name.as_str(), form)).collect()
            }
            _ => continue,
        };
        // What it does not know it shows.
        for (name, form) in forms.into_iter().filter(|(name, _)| *name != "rev-parse") {
            let argv: Vec<&str> =
                [rule.program.as_str(), name].into_iter().filter(|word| !word.is_empty()).collect();
            for (spelling, known) in &form.options.known {
                let Known::Taken(arity) = known else { continue };
                if spelling == Options::DIGITS {
                    continue;
                }
                let real = real(dir.path(), &argv, spelling);
                asked += 1;
                if real != Real::Unknown && !agrees(arity, &real) {
                    wrong.push(format!("{argv:?} {spelling}: {arity:?}, really {real:?}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(asked > 300, "only {asked} options could be asked about");
}

/// Ways to write an option that some tool reads as that option.
fn spellings(refused: &str, style: Style, options: &Options) -> Vec<Vec<String>> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut all = vec![own(&[refused]), own(&[refused, "x"]), own(&["x", refused])];
    let letters = refused.trim_start_matches('-').len();
    if style == Style::Find {
        return vec![own(&[refused]), own(&["x", refused]), own(&["x", "-print", refused])];
    }
    if refused.starts_with("--") || style == Style::Long {
        all.push(own(&[&format!("{refused}=x")]));
        let shortest = refused.len() - letters + 1;
        all.extend((shortest..refused.len()).map(|end| own(&[&refused[..end]])));
    } else {
        all.push(own(&[&format!("{refused}x")]));
        let flags = options.known.iter().filter(|(flag, known)| {
            **known == Known::Taken(Arity::Flag) && flag.len() == 2 && *flag != "--"
        });
        all.extend(flags.map(|(flag, _)| own(&[&format!("{flag}{}", &refused[1..])])));
    }
    if style == Style::Long {
        all.push(own(&[&format!("-{refused}")]));
    }
    all
}

#[test]
fn a_refused_option_is_refused_in_every_spelling() {
    let place = Place::new("/w", "/w").unwrap();
    let anything = Operands { more: Some(Kind::Text), ..Operands::default() };
    let mut tried = 0;
    for Shipped { rule, .. } in shipped().unwrap() {
        let table = rule.table.as_ref().unwrap();
        let globals = [("before the subcommand", &table.globals)];
        let forms: Vec<(&str, &Options)> = match &table.forms {
            Forms::Only(form) => vec![("", &form.options)],
            Forms::Subcommands { known, .. } => {
                known.iter().map(|(name, form)| (name.as_str(), &form.options)).collect()
            }
        };
        for (name, options) in forms.into_iter().chain(globals) {
            let title = format!("{} {name}", rule.name);
            let style = if table.style == Style::Tar { Style::Gnu } else { table.style };
            let scan = Scan { title: &title, options, operands: &anything, place: &place };
            let refused =
                options.known.iter().filter(|(_, known)| matches!(known, Known::Refused(_)));
            for (spelling, _) in refused {
                for argv in spellings(spelling, style, options) {
                    // The first operand of these ends options, for the tool too.
                    if style == Style::Posix && argv[0] == "x" {
                        continue;
                    }
                    // What is cut short may be an option of its own.
                    if options
                        .get(&argv[0])
                        .is_some_and(|(_, known)| matches!(known, Known::Taken(_)))
                    {
                        continue;
                    }
                    let words: Vec<_> = argv.iter().map(OsString::from).collect();
                    let read = scan.read(style, &words);
                    tried += 1;
                    assert!(read.is_err(), "`{title} {argv:?}` is taken, and `{spelling}` refused");
                }
            }
        }
    }
    assert!(tried > 2_000, "only {tried} spellings were tried");
}

#[test]
fn no_name_is_both_in_the_catalogue_and_refused() {
    let refused = Refused::read();
    for Shipped { rule, .. } in shipped().unwrap() {
        assert_eq!(refused.reason(&rule.name), None, "{}", rule.name);
    }
}
