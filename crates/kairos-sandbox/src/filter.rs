//! The filter of system calls.
//!
//! Owns which calls are answered with what, and their translation into the kernel's instructions: one
//! tree over the call's number, so that the longest way through is short. Known calls that no command
//! needs are denied, calls this list has never heard of do not exist. Never looks at memory: a filter
//! sees numbers only, so a call that hides its arguments behind a pointer is allowed whole or not at
//! all.

mod calls;

use crate::policy::{ExecRule, Net};
use crate::sys::Instruction;

/// What a call is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Allow,
    Errno(u16),
    /// Looks at one argument; the answer where nothing fits stands last.
    Ask(Vec<Case>, u16),
}

/// One way in which an argument decides. Compared are its low 32 bits, unless said otherwise: the kernel
/// reads these arguments as integers of that size, whatever stands above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Allowed if argument `at` is `value`.
    Is { at: u8, value: u32 },
    /// Allowed if argument `at` has none of the bits.
    Lacks { at: u8, bits: u32 },
    /// Allowed if argument `at` has one of the bits.
    Has { at: u8, bits: u32 },
    /// Refused if argument `at` is `value`, else the next is looked at.
    Not { at: u8, value: u32 },
    /// Allowed if all of argument `at` is 0: a pointer to nothing.
    Null { at: u8 },
    /// Allowed, whatever it is.
    Else,
}

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;

/// From this bit on, numbers of x86-64 are calls of its 32-bit relative.
#[cfg(target_arch = "x86_64")]
const OTHER_ABI: u32 = 0x4000_0000;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL: u32 = 0x8000_0000;

const EPERM: u16 = errno(libc::EPERM);
const ENOSYS: u16 = errno(libc::ENOSYS);

/// A number of the kernel's list, as a filter answers it.
const fn errno(number: i32) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The whole filter for one policy.
///
/// `bounded` says that the memory of the whole tree is.
pub(crate) fn compile(net: &Net, exec: &ExecRule, bounded: bool) -> Vec<Instruction> {
    let mut answers: Vec<(u32, Answer)> =
        calls::ALLOWED
            .concat()
            .into_iter()
            .map(|number| (number, Answer::Allow))
            .chain(calls::DENIED.concat().into_iter().map(|number| (number, Answer::Errno(EPERM))))
            .chain(calls::ABSENT.concat().into_iter().map(|number| (number, Answer::Errno(ENOSYS))))
            .chain(asked(net, exec))
            // Its memory belongs to no process, so only a bound of the tree holds it.
            .chain(calls::OF_NOBODY.iter().map(|number| {
                (*number, if bounded { Answer::Allow } else { Answer::Errno(ENOSYS) })
            }))
            .filter_map(|(number, answer)| Some((u32::try_from(number).ok()?, answer)))
            .collect();
    answers.sort_by_key(|(number, _)| *number);
    let mut program = vec![load(4), jump(JEQ, ARCH, 1, 0), ret(KILL), load(0)];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(JGE, OTHER_ABI, 0, 1), ret(KILL)]);
    program.extend(tree(&ranges(&answers)));
    program
}

/// Calls whose arguments decide.
// tidy: table
fn asked(net: &Net, exec: &ExecRule) -> Vec<(i64, Answer)> {
    use Case::{Else, Has, Is, Lacks, Not, Null};
    let any = Answer::Ask;
    let namespaces = (libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP)
        .cast_unsigned();
    let special = libc::S_ISUID | libc::S_ISGID;
    let create = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned();
    let unix = libc::AF_UNIX.cast_unsigned();
    let mut asked = vec![
        (libc::SYS_clone, any(vec![Lacks { at: 0, bits: namespaces }], EPERM)),
        (libc::SYS_socketpair, any(vec![Is { at: 0, value: unix }], EPERM)),
        (libc::SYS_fchmod, any(vec![Lacks { at: 1, bits: special }], EPERM)),
        (libc::SYS_fchmodat, any(vec![Lacks { at: 2, bits: special }], EPERM)),
        (calls::FCHMODAT2, any(vec![Lacks { at: 2, bits: special }], EPERM)),
        (libc::SYS_mkdirat, any(vec![Lacks { at: 2, bits: special }], EPERM)),
        // Without these flags nobody reads the mode, and it may be anything.
        (
            libc::SYS_openat,
            any(vec![Lacks { at: 2, bits: create }, Lacks { at: 3, bits: special }], EPERM),
        ),
        (libc::SYS_mknodat, any(vec![Lacks { at: 2, bits: special }], EPERM)),
        // Somebody outside who opens the file would wait, or be told of by signals.
        (
            libc::SYS_fcntl,
            any(
                vec![
                    Not { at: 1, value: libc::F_SETLEASE.cast_unsigned() },
                    Not { at: 1, value: libc::F_NOTIFY.cast_unsigned() },
                    Else,
                ],
                EPERM,
            ),
        ),
        // With a bound of 0, and not with that of 1 which stands, a core goes to the host's own program
        // for cores. Whoever asks for another bound is told yes.
        (
            libc::SYS_prlimit64,
            any(vec![Null { at: 2 }, Not { at: 1, value: libc::RLIMIT_CORE }, Else], 0),
        ),
        (
            libc::SYS_personality,
            any(vec![Is { at: 0, value: 0 }, Is { at: 0, value: u32::MAX }], EPERM),
        ),
        (
            libc::SYS_ioctl,
            // To type into somebody's terminal, to talk to its console, to take it over.
            any(
                [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSCTTY, libc::TIOCSETD]
                    .into_iter()
                    .filter_map(|value| Some(Not { at: 1, value: u32::try_from(value).ok()? }))
                    .chain([Else])
                    .collect(),
                EPERM,
            ),
        ),
    ];
    #[cfg(target_arch = "x86_64")]
    asked.extend([
        (libc::SYS_setrlimit, any(vec![Not { at: 0, value: libc::RLIMIT_CORE }, Else], 0)),
        (libc::SYS_chmod, any(vec![Lacks { at: 1, bits: special }], EPERM)),
        (
            libc::SYS_open,
            any(vec![Lacks { at: 1, bits: create }, Lacks { at: 2, bits: special }], EPERM),
        ),
        (libc::SYS_creat, any(vec![Lacks { at: 1, bits: special }], EPERM)),
        (libc::SYS_mkdir, any(vec![Lacks { at: 1, bits: special }], EPERM)),
        (libc::SYS_mknod, any(vec![Lacks { at: 1, bits: special }], EPERM)),
    ]);
    asked.push((
        libc::SYS_socket,
        match net {
            Net::Allow(hosts) if !hosts.is_empty() => any(
                vec![
                    Is { at: 0, value: libc::AF_INET.cast_unsigned() },
                    Is { at: 0, value: libc::AF_INET6.cast_unsigned() },
                ],
                EPERM,
            ),
            Net::Allow(_) | Net::Deny => Answer::Errno(EPERM),
        },
    ));
    // A file without a name is in no view and under no access rule. One that is sealed against
    // execution may be had.
    asked.push((
        libc::SYS_memfd_create,
        match exec {
            ExecRule::Any => Answer::Allow,
            ExecRule::System | ExecRule::Listed(_) => {
                any(vec![Has { at: 1, bits: libc::MFD_NOEXEC_SEAL }], EPERM)
            }
        },
    ));
    asked
}

/// Numbers from `first` on that share an answer.
struct Range {
    first: u32,
    answer: Answer,
}

/// Every number there is, in order; those nobody listed do not exist.
fn ranges(answers: &[(u32, Answer)]) -> Vec<Range> {
    let absent = Answer::Errno(ENOSYS);
    let mut ranges: Vec<Range> = vec![Range { first: 0, answer: absent.clone() }];
    let mut put = |first: u32, answer: &Answer| match ranges.last_mut() {
        Some(last) if last.first == first => last.answer = answer.clone(),
        Some(last) if last.answer == *answer => {}
        _ => ranges.push(Range { first, answer: answer.clone() }),
    };
    for (at, (number, answer)) in answers.iter().enumerate() {
        put(*number, answer);
        if answers.get(at + 1).is_none_or(|(next, _)| *next != number + 1) {
            put(number + 1, &absent);
        }
    }
    ranges
}

/// Halves the ranges until one is left.
fn tree(ranges: &[Range]) -> Vec<Instruction> {
    if let [range] = ranges {
        return leaf(&range.answer);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (low, high_code) = (tree(low), tree(high));
    let mut code = match u8::try_from(low.len()) {
        Ok(over) => vec![jump(JGE, high[0].first, over, 0)],
        Err(_) => vec![jump(JGE, high[0].first, 0, 1), always(low.len())],
    };
    code.extend(low);
    code.extend(high_code);
    code
}

fn leaf(answer: &Answer) -> Vec<Instruction> {
    match answer {
        Answer::Allow => vec![ret(ALLOW)],
        Answer::Errno(errno) => vec![ret(ERRNO | u32::from(*errno))],
        Answer::Ask(cases, errno) => {
            let refuse = ret(ERRNO | u32::from(*errno));
            let mut code = Vec::new();
            for case in cases {
                match *case {
                    Case::Is { at, value } => {
                        code.extend([argument(at), jump(JEQ, value, 0, 1), ret(ALLOW)]);
                    }
                    Case::Lacks { at, bits } => {
                        code.extend([argument(at), jump(JSET, bits, 1, 0), ret(ALLOW)]);
                    }
                    Case::Has { at, bits } => {
                        code.extend([argument(at), jump(JSET, bits, 0, 1), ret(ALLOW)]);
                    }
                    Case::Not { at, value } => {
                        code.extend([argument(at), jump(JEQ, value, 0, 1), refuse]);
                    }
                    Case::Null { at } => code.extend([
                        argument(at),
                        jump(JEQ, 0, 0, 3),
                        upper(at),
                        jump(JEQ, 0, 0, 1),
                        ret(ALLOW),
                    ]),
                    Case::Else => code.push(ret(ALLOW)),
                }
            }
            code.push(refuse);
            code
        }
    }
}

const LOAD: u16 = 0x20;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const JSET: u16 = 0x45;
const RET: u16 = 0x06;

/// Loads a word of what the kernel tells about the call: its number, its architecture, its arguments.
fn load(k: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k }
}

/// Loads the low half of an argument.
fn argument(at: u8) -> Instruction {
    load(16 + 8 * u32::from(at) + if cfg!(target_endian = "big") { 4 } else { 0 })
}

/// Loads its high half.
fn upper(at: u8) -> Instruction {
    load(16 + 8 * u32::from(at) + if cfg!(target_endian = "big") { 0 } else { 4 })
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn always(over: usize) -> Instruction {
    let k = u32::try_from(over).expect("a filter is shorter than 4096 instructions");
    Instruction { code: JA, jt: 0, jf: 0, k }
}

fn ret(k: u32) -> Instruction {
    Instruction { code: RET, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests;
