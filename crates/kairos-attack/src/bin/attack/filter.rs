//! Kernels that lack something, and helpers that die.
//!
//! Owns a filter of system calls that is put around a driver: calls that it names are unknown, or deadly
//! to whoever makes them. A driver's own children inherit it, and it cannot be taken off again.

#![expect(unsafe_code, reason = "no safe library puts a filter on without choosing its own calls")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

/// What a case may take away.
// tidy: table
const CALLS: [(&str, i64); 21] = [
    ("capset", libc::SYS_capset),
    ("chdir", libc::SYS_chdir),
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("execveat", libc::SYS_execveat),
    ("fchdir", libc::SYS_fchdir),
    ("fsopen", libc::SYS_fsopen),
    ("landlock_add_rule", libc::SYS_landlock_add_rule),
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
    ("mount", libc::SYS_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("open_tree", libc::SYS_open_tree),
    ("pivot_root", libc::SYS_pivot_root),
    ("seccomp", libc::SYS_seccomp),
    ("sethostname", libc::SYS_sethostname),
    ("setrlimit", libc::SYS_prlimit64),
    ("setsid", libc::SYS_setsid),
    ("umount2", libc::SYS_umount2),
    ("unshare", libc::SYS_unshare),
];

/// `attack --filter unknown|deadly CALL,… PROGRAM ARG…`: becomes the program, behind the filter.
pub(crate) fn filtered(args: &[String]) -> Result<ExitCode> {
    let [how, names, program, rest @ ..] = args else { bail!("arguments are missing") };
    let answer = match how.as_str() {
        "unknown" => libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        "deadly" => libc::SECCOMP_RET_KILL_PROCESS,
        _ => bail!("`{how}` is no way to filter"),
    };
    let numbers: Vec<u32> = names
        .split(',')
        .map(|wanted| {
            let call = CALLS.iter().find(|(name, _)| *name == wanted);
            let (_, number) = call.with_context(|| format!("no call is named `{wanted}`"))?;
            Ok(u32::try_from(*number)?)
        })
        .collect::<Result<_>>()?;
    put_on(&numbers, answer)?;
    Err(Command::new(program).args(rest).exec()).context(program.clone())
}

fn put_on(numbers: &[u32], answer: u32) -> Result<()> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The number of the call stands first in what a filter is given.
    let mut steps = vec![step(LOAD, 0, 0, 0)];
    for number in numbers {
        steps.push(step(JUMP_IF_EQUAL, 0, 1, *number));
        steps.push(step(RETURN, 0, 0, answer));
    }
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    let len = u16::try_from(steps.len())?;
    let program = libc::sock_fprog { len, filter: steps.as_mut_ptr() };
    // SAFETY: takes numbers only.
    let kept = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program and its steps live until the call has returned.
    let put =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if kept == -1 || put == -1 {
        return Err(std::io::Error::last_os_error()).context("the filter cannot be put on");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_nobody_knows_is_refused() {
        let args = ["unknown", "clone4", "true"].map(str::to_owned);
        assert_eq!(filtered(&args).unwrap_err().to_string(), "no call is named `clone4`");
    }
}
