//! Reads an argv as its tool would.
//!
//! Owns the styles in which tools read options, and the refusal of everything a rule does not name.
//! Where two tools could read the same bytes differently the scan refuses: a value in an argument of
//! its own never begins with a dash, no option is cut short, no short option's value begins with `=`.
//! Pure; changes no argument.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::kind::Kind;
use super::options::{Arity, Known, Options};
use super::place::Place;
use super::violation::{Violation, shown};

/// How a tool tells options from operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Style {
    /// Short options in clusters, long ones with two dashes, operands anywhere, `--` ends options.
    Gnu,
    /// As `Gnu`, and the first operand ends options.
    Posix,
    /// Long options with one dash or two.
    Long,
    /// Operands, then an expression whose words may begin with a dash.
    Find,
    /// As `Gnu`, and the first argument is an option: without a dash it would be read as options.
    Tar,
    /// No options at all.
    Plain,
}

/// What stands where no option does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Operands {
    /// By position.
    pub(crate) first: Vec<Kind>,
    /// All further ones; none are taken without it.
    pub(crate) more: Option<Kind>,
    /// All after `--`, where they differ.
    pub(crate) rest: Option<Kind>,
    /// Options that stand in for the first operand.
    pub(crate) instead: Vec<String>,
    /// Without so many the tool would read standard input as what it executes.
    pub(crate) least: usize,
}

/// What an argv turned out to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Options by their spelling.
    pub(crate) options: BTreeSet<String>,
    /// Files whose content is executed, relative to the workspace.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) writes: bool,
}

/// One reading of one argv.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) title: &'a str,
    pub(crate) options: &'a Options,
    pub(crate) operands: &'a Operands,
    pub(crate) place: &'a Place,
}

/// An operand, and whether it stands behind `--`.
type Operand<'a> = (&'a OsStr, bool);

impl Scan<'_> {
    /// Reads `argv` whole, or says what of it is refused.
    pub(crate) fn read(&self, style: Style, argv: &[OsString]) -> Result<Said, Violation> {
        let mut said = Said::default();
        let operands = match style {
            Style::Gnu => self.gnu(argv, false, &mut said)?,
            Style::Tar => {
                self.first_is_option(argv)?;
                self.gnu(argv, false, &mut said)?
            }
            Style::Posix => self.gnu(argv, true, &mut said)?,
            Style::Long => self.long_only(argv, &mut said)?,
            Style::Find => self.find(argv, &mut said)?,
            Style::Plain => argv.iter().map(|argument| (argument.as_os_str(), false)).collect(),
        };
        self.judge(&operands, &mut said)?;
        Ok(said)
    }

    fn gnu<'a>(
        &self,
        argv: &'a [OsString],
        first_operand_ends: bool,
        said: &mut Said,
    ) -> Result<Vec<Operand<'a>>, Violation> {
        let mut operands = Vec::new();
        let mut left = argv.iter().map(OsString::as_os_str);
        while let Some(argument) = left.next() {
            let bytes = argument.as_bytes();
            let ended = if bytes == b"--" {
                operands.extend(left.by_ref().map(|operand| (operand, true)));
                break;
            } else if bytes == b"-" || !bytes.starts_with(b"-") {
                operands.push((argument, false));
                first_operand_ends
            } else if bytes.starts_with(b"--") {
                self.long(argument, &mut left, said)?
            } else {
                self.cluster(argument, &mut left, said)?
            };
            if ended {
                operands.extend(left.by_ref().map(|operand| (operand, false)));
            }
        }
        Ok(operands)
    }

    fn long_only<'a>(
        &self,
        argv: &'a [OsString],
        said: &mut Said,
    ) -> Result<Vec<Operand<'a>>, Violation> {
        let mut operands = Vec::new();
        let mut left = argv.iter().map(OsString::as_os_str);
        while let Some(argument) = left.next() {
            match argument.as_bytes() {
                b"--" => {
                    operands.extend(left.by_ref().map(|operand| (operand, true)));
                }
                bytes if bytes.len() > 1 && bytes[0] == b'-' => {
                    let one_dash = bytes.strip_prefix(b"-").filter(|rest| rest[0] == b'-');
                    self.long(OsStr::from_bytes(one_dash.unwrap_or(bytes)), &mut left, said)?;
                }
                _ => operands.push((argument, false)),
            }
        }
        Ok(operands)
    }

    /// `find`: what begins with a dash, and the four signs, begin the expression.
    fn find<'a>(
        &self,
        argv: &'a [OsString],
        said: &mut Said,
    ) -> Result<Vec<Operand<'a>>, Violation> {
        // These stand before the paths; the words of an expression never look like them.
        let leading = |bytes: &[u8]| matches!(bytes, b"-H" | b"-L" | b"-P");
        let begins = |argument: &OsStr| {
            let bytes = argument.as_bytes();
            bytes.starts_with(b"-") || matches!(bytes, b"(" | b")" | b"!" | b",")
        };
        let leads = argv.iter().take_while(|argument| leading(argument.as_bytes())).count();
        let paths = argv[leads..].iter().take_while(|argument| !begins(argument)).count();
        let (paths, expression) = argv[leads..].split_at(paths);
        let mut left = expression.iter().map(OsString::as_os_str);
        while let Some(word) = left.next() {
            if !begins(word) {
                return Err(self.no_place(word));
            }
            let (spelling, arity) = self.known(word, word)?;
            // Predicates take what follows whatever it looks like: `-mtime -1`, `-name -x`.
            let wanted = match arity {
                Arity::Flag => &[],
                Arity::Required(kind) => std::slice::from_ref(kind),
                Arity::Several(kinds) => kinds.as_slice(),
                Arity::Last(_) | Arity::Attached(_) | Arity::Optional(_) => {
                    return Err(self.unknown(word));
                }
            };
            for kind in wanted {
                let value = left.next().ok_or_else(|| self.no_value(spelling))?;
                self.value(spelling, kind, value, said)?;
            }
            said.options.insert(spelling.to_owned());
        }
        Ok(paths.iter().map(|path| (path.as_os_str(), false)).collect())
    }

    /// One long option. Answers whether no option follows.
    fn long<'a>(
        &self,
        argument: &'a OsStr,
        left: &mut impl Iterator<Item = &'a OsStr>,
        said: &mut Said,
    ) -> Result<bool, Violation> {
        let bytes = argument.as_bytes();
        let equals = bytes.iter().position(|b| *b == b'=');
        let name = OsStr::from_bytes(&bytes[..equals.unwrap_or(bytes.len())]);
        let attached = equals.map(|at| OsStr::from_bytes(&bytes[at + 1..]));
        let (spelling, arity) = self.known(name, argument)?;
        match (arity, attached) {
            (Arity::Flag, None) => {}
            (Arity::Optional(kind), None) => said.writes |= kind.writes(),
            (Arity::Flag | Arity::Several(_), Some(_)) => {
                return Err(Violation::Value {
                    tool: self.title.to_owned(),
                    option: spelling.to_owned(),
                });
            }
            (Arity::Attached(_), None) => return Err(self.no_value(spelling)),
            (
                Arity::Required(kind)
                | Arity::Last(kind)
                | Arity::Attached(kind)
                | Arity::Optional(kind),
                Some(value),
            ) => self.value(spelling, kind, value, said)?,
            (Arity::Required(kind) | Arity::Last(kind), None) => {
                self.next(spelling, kind, left, said)?;
            }
            (Arity::Several(kinds), None) => {
                kinds.iter().try_for_each(|kind| self.next(spelling, kind, left, said))?;
            }
        }
        said.options.insert(spelling.to_owned());
        Ok(matches!(arity, Arity::Last(_)))
    }

    /// Short options in one argument. Answers whether no option follows.
    fn cluster<'a>(
        &self,
        argument: &'a OsStr,
        left: &mut impl Iterator<Item = &'a OsStr>,
        said: &mut Said,
    ) -> Result<bool, Violation> {
        let letters = &argument.as_bytes()[1..];
        if letters.iter().all(u8::is_ascii_digit)
            && let Some((_, Known::Taken(_))) = self.options.get(Options::DIGITS)
        {
            said.options.insert(Options::DIGITS.to_owned());
            return Ok(false);
        }
        for (at, letter) in letters.iter().enumerate() {
            let short = [b'-', *letter];
            let (spelling, arity) = self.known(OsStr::from_bytes(&short), argument)?;
            said.options.insert(spelling.to_owned());
            let rest = OsStr::from_bytes(&letters[at + 1..]);
            let kind = match arity {
                Arity::Flag => continue,
                Arity::Several(_) if !rest.is_empty() => return Err(self.unknown(argument)),
                Arity::Several(kinds) => {
                    kinds.iter().try_for_each(|kind| self.next(spelling, kind, left, said))?;
                    return Ok(false);
                }
                Arity::Optional(kind) if rest.is_empty() => {
                    said.writes |= kind.writes();
                    return Ok(false);
                }
                Arity::Attached(_) if rest.is_empty() => return Err(self.no_value(spelling)),
                Arity::Required(kind)
                | Arity::Last(kind)
                | Arity::Attached(kind)
                | Arity::Optional(kind) => kind,
            };
            if rest.is_empty() {
                self.next(spelling, kind, left, said)?;
            } else if rest.as_bytes()[0] == b'=' {
                // Some tools drop this sign and some do not: the value would be another.
                let option = spelling.to_owned();
                return Err(Violation::Equals { option, value: shown(rest) });
            } else {
                self.value(spelling, kind, rest, said)?;
            }
            return Ok(matches!(arity, Arity::Last(_)));
        }
        Ok(false)
    }

    /// What is known of the option that `name` spells; `argument` is where it stands.
    fn known<'s>(
        &'s self,
        name: &OsStr,
        argument: &OsStr,
    ) -> Result<(&'s str, &'s Arity), Violation> {
        let tool = || self.title.to_owned();
        let Some(text) = name.to_str() else { return Err(self.unknown(argument)) };
        let refused = |option: &str, reason: &str| Violation::Refused {
            tool: tool(),
            option: option.to_owned(),
            reason: reason.to_owned(),
        };
        match self.options.get(text) {
            Some((spelling, Known::Taken(arity))) => Ok((spelling, arity)),
            Some((spelling, Known::Refused(reason))) => Err(refused(spelling, reason)),
            None => match self.options.beginning_with(text).filter(|_| text.len() > 2) {
                Some((whole, Known::Refused(reason))) => Err(refused(whole, reason)),
                Some((whole, Known::Taken(_))) => Err(Violation::Abbreviated {
                    tool: tool(),
                    option: shown(name),
                    whole: whole.to_owned(),
                }),
                None => Err(self.unknown(argument)),
            },
        }
    }

    /// Takes the next argument as a value.
    fn next<'a>(
        &self,
        spelling: &str,
        kind: &Kind,
        left: &mut impl Iterator<Item = &'a OsStr>,
        said: &mut Said,
    ) -> Result<(), Violation> {
        let value = left.next().ok_or_else(|| self.no_value(spelling))?;
        let bytes = value.as_bytes();
        // A tool that takes no value here would read an option.
        let is_count = *kind == Kind::Number && bytes.iter().skip(1).all(u8::is_ascii_digit);
        if bytes.len() > 1 && bytes[0] == b'-' && !is_count {
            return Err(Violation::Dashed { option: spelling.to_owned(), value: shown(value) });
        }
        self.value(spelling, kind, value, said)
    }

    fn value(
        &self,
        of: &str,
        kind: &Kind,
        value: &OsStr,
        said: &mut Said,
    ) -> Result<(), Violation> {
        kind.test(value, self.place).map_err(|why| Violation::Unfit {
            of: of.to_owned(),
            value: shown(value),
            why,
        })?;
        said.writes |= kind.writes();
        if *kind == Kind::Input
            && let Some(path) = self.place.inside(value)
        {
            said.inputs.push(path);
        }
        Ok(())
    }

    /// Judges operands, once it is known which options stand in for the first.
    fn judge(&self, operands: &[Operand], said: &mut Said) -> Result<(), Violation> {
        let instead = self.operands.instead.iter().any(|option| said.options.contains(option));
        let mut first = self.operands.first.iter().skip(usize::from(instead));
        if operands.len() + usize::from(instead) < self.operands.least {
            return Err(Violation::NoOperand { tool: self.title.to_owned() });
        }
        for (operand, behind_dashes) in operands {
            let rest = self.operands.rest.as_ref().filter(|_| *behind_dashes);
            let kind = first.next().or(rest).or(self.operands.more.as_ref());
            let kind = kind.ok_or_else(|| self.no_place(operand))?;
            self.value(self.title, kind, operand, said)?;
        }
        Ok(())
    }

    fn first_is_option(&self, argv: &[OsString]) -> Result<(), Violation> {
        match argv.first() {
            Some(first) if !first.as_bytes().starts_with(b"-") => {
                Err(Violation::First { tool: self.title.to_owned(), argument: shown(first) })
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self, option: &OsStr) -> Violation {
        Violation::Unknown { tool: self.title.to_owned(), option: shown(option) }
    }

    fn no_value(&self, option: &str) -> Violation {
        Violation::NoValue { tool: self.title.to_owned(), option: option.to_owned() }
    }

    fn no_place(&self, operand: &OsStr) -> Violation {
        Violation::Operand { tool: self.title.to_owned(), operand: shown(operand) }
    }
}
