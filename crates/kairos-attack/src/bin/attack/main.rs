//! `attack [--json] [--driver NAME]… [--writes HOW] [CASE…]`: hostile cases by every sandbox there is.
//!
//! Owns the command line and the order: arena, control, drivers, matrix. A case that the control cannot
//! show is not tried on anybody. Ends well only if ours held everything and the cases without a control
//! are those that are listed for a machine like this.

#![expect(clippy::print_stdout, reason = "the matrix is what it is for")]

mod arena;
mod attempt;
mod case;
mod cases;
mod driver;
mod filter;
mod hostile;
mod listed;
mod mapping;
mod matrix;
mod numbers;
mod outside;
mod witness;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use case::{Case, Writes};
use driver::Driver;
use matrix::{Matrix, Verdict};

const USAGE: &str = "usage: attack [--json] [--list] [--driver NAME]… \
     [--writes direct|overlay|read-only] [CASE…]";
/// Whose escapes count.
const OURS: &str = "kairos";

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let ended = match args.first().map(String::as_str) {
        Some("--arena") => arena::build(&args[1..]),
        Some("--init") => arena::init(&args[1..]),
        Some("--inside") => Request::parse(&args[1..]).and_then(|request| inside(&request)),
        Some("--confine") => driver::kairos::confine(std::env::args_os().skip(2)),
        Some("--filter") => filter::filtered(&args[1..]),
        Some("--terminal") => outside::with_terminal(&args[1..]),
        _ => begin(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("attack: {error:#}");
        ExitCode::FAILURE
    })
}

/// What to try.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    json: bool,
    list: bool,
    /// Every case with the workspace written in this way, and not as it says itself.
    writes: Option<Writes>,
    /// These drivers beside the control, or all.
    drivers: Vec<String>,
    /// These cases, or all.
    cases: Vec<String>,
}

impl Request {
    fn parse(args: &[String]) -> Result<Self> {
        let mut request = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => request.json = true,
                "--writes" => {
                    let writes = args.next().and_then(|name| Writes::parse(name));
                    request.writes = Some(writes.context(USAGE)?);
                }
                "--list" => request.list = true,
                "--driver" => request.drivers.push(args.next().context(USAGE)?.clone()),
                case if !case.starts_with('-') => request.cases.push(case.to_owned()),
                _ => bail!(USAGE),
            }
        }
        if let Some(unknown) =
            request.cases.iter().find(|wanted| !case::all().any(|case| case.is(wanted)))
        {
            bail!("no case is `{unknown}`; `attack --list` names all");
        }
        Ok(request)
    }

    fn wants(&self, case: &Case) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|wanted| case.is(wanted))
    }

    fn wants_driver(&self, name: &str) -> bool {
        name == "control"
            || self.drivers.is_empty()
            || self.drivers.iter().any(|wanted| wanted == name)
    }
}

fn begin(args: &[String]) -> Result<ExitCode> {
    let request = Request::parse(args)?;
    if request.list {
        for case in case::all() {
            println!("{:<28} {}", case.id(), numbers::title(case.number));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let own = std::env::current_exe().context("this program cannot be found")?;
    let beside = own.parent().context("this program is in no directory")?;
    let programs: Vec<PathBuf> = ["attack", "probe", "kairos-sbx"]
        .map(|name| beside.join(name))
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    arena::enter(args, &programs)
}

fn inside(request: &Request) -> Result<ExitCode> {
    world::prepare().context("the world cannot be prepared")?;
    let all = driver::all();
    let mut names = Vec::new();
    let mut drivers: Vec<&dyn Driver> = Vec::new();
    for driver in all.iter().filter(|driver| request.wants_driver(driver.name())) {
        match driver.missing() {
            Some(why) => eprintln!("{} is left out: {why}", driver.name()),
            None => {
                names.push(driver.name());
                drivers.push(driver.as_ref());
            }
        }
    }
    let mut matrix = Matrix::default();
    for case in case::all().filter(|case| request.wants(case)) {
        let mut case = *case;
        case.wish.writes = request.writes.unwrap_or(case.wish.writes);
        attack(&case, &drivers, &mut matrix)?;
    }
    if request.json {
        print!("{}", matrix.json()?);
    } else {
        print!("{}", matrix.table(&names));
        for name in &names {
            let findings = matrix.findings(name);
            if !findings.is_empty() {
                let what = if *name == "control" { "cannot run here" } else { "not held" };
                println!("\n{name}: {what}\n{findings}");
            }
        }
    }
    let found = listed::compare(&matrix.unshown(), |id| {
        case::all().any(|case| case.id() == id && request.wants(case))
    });
    if let Some(section) = found.to_add.filter(|_| request.cases.is_empty()) {
        let text = format!("\n{section}");
        if request.json { eprint!("{text}") } else { print!("{text}") }
    }
    let mut wrongs = found.wrongs;
    wrongs.extend(ours(request, &matrix, &names));
    for wrong in &wrongs {
        // One write each: the other end prints what comes from two pipes.
        let line = format!("{wrong}\n");
        if request.json { eprint!("{line}") } else { print!("{line}") }
    }
    Ok(if wrongs.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn attack(case: &Case, drivers: &[&dyn Driver], matrix: &mut Matrix) -> Result<()> {
    if !listed::has(case.needs) {
        let why = format!("{:?} is not there", case.needs);
        matrix.add(case, "control", Verdict::CannotRun { why }, Duration::ZERO);
        return Ok(());
    }
    for driver in drivers {
        let begun = Instant::now();
        let attempt = attempt::attempt(case, *driver)
            .with_context(|| format!("`{}` by {} cannot be tried", case.id(), driver.name()))?;
        let verdict = match driver.name() {
            "control" => matrix::control(case, &attempt),
            OURS => matrix::ours(case, &attempt),
            _ => matrix::driver(case, &attempt, driver.keeps()),
        };
        let over = matches!(verdict, Verdict::CannotRun { .. });
        matrix.add(case, driver.name(), verdict, begun.elapsed());
        if over {
            break;
        }
    }
    Ok(())
}

/// Why ours is not good.
fn ours(request: &Request, matrix: &Matrix, names: &[&str]) -> Option<String> {
    if !request.wants_driver(OURS) {
        return None;
    }
    match (names.contains(&OURS), matrix.not_held(OURS)) {
        (false, _) => Some("ours was not attacked".to_owned()),
        (true, 0) => None,
        (true, count) => Some(format!("ours: {count} not held")),
    }
}
