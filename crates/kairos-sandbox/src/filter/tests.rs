//! Every call number through the filter, by a reading of the instructions of its own.

use super::*;

/// What the kernel would answer.
fn judge(program: &[Instruction], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        0 => nr,
        4 => arch,
        _ => {
            let (at, half) = ((offset - 16) / 8, (offset - 16) % 8);
            let value = args[at as usize] >> (8 * half);
            u32::try_from(value & 0xffff_ffff).expect("masked")
        }
    };
    let (mut at, mut value) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        match code {
            LOAD => value = word(k),
            JA => at += k as usize,
            JEQ => at += usize::from(if value == k { jt } else { jf }),
            JGE => at += usize::from(if value >= k { jt } else { jf }),
            JSET => at += usize::from(if value & k != 0 { jt } else { jf }),
            RET => return k,
            _ => panic!("instruction {code:#x}"),
        }
    }
}

fn strict() -> Vec<Instruction> {
    compile(&Net::Deny, &ExecRule::System, false)
}

fn of(nr: i64, args: [u64; 6]) -> u32 {
    judge(&strict(), ARCH, u32::try_from(nr).expect("small"), args)
}

const DENIED: u32 = ERRNO | EPERM as u32;
const ABSENT: u32 = ERRNO | ENOSYS as u32;

#[test]
fn every_number_has_the_answer_of_its_list_and_no_number_two() {
    let program = strict();
    let asked: Vec<i64> =
        asked(&Net::Deny, &ExecRule::System).into_iter().map(|(number, _)| number).collect();
    for number in 0..2048i64 {
        let listed = [
            calls::ALLOWED.concat().contains(&number),
            calls::DENIED.concat().contains(&number),
            calls::ABSENT.concat().contains(&number),
            asked.contains(&number),
        ];
        let times = listed.iter().filter(|listed| **listed).count();
        assert!(times <= 1, "{number} is listed {times} times");
        let answer = judge(&program, ARCH, u32::try_from(number).expect("small"), [0; 6]);
        match listed {
            [true, ..] => assert_eq!(answer, ALLOW, "{number}"),
            [_, true, ..] => assert_eq!(answer, DENIED, "{number}"),
            [.., true] => {}
            _ => assert_eq!(answer, ABSENT, "{number}"),
        }
    }
}

#[test]
fn other_architectures_and_relatives_are_death() {
    for arch in [0, 0x4000_0003, 0x4000_0028, ARCH ^ 1] {
        assert_eq!(judge(&strict(), arch, 0, [0; 6]), KILL, "{arch:#x}");
    }
    if cfg!(target_arch = "x86_64") {
        for nr in [0x4000_0000, 0x4000_0208, u32::MAX] {
            assert_eq!(judge(&strict(), ARCH, nr, [0; 6]), KILL, "{nr:#x}");
        }
    }
}

#[test]
fn a_terminal_is_not_typed_into_whatever_stands_in_the_high_half() {
    let sti = libc::TIOCSTI;
    for command in [sti, sti | 1 << 32, libc::TIOCLINUX, libc::TIOCSCTTY] {
        assert_eq!(of(libc::SYS_ioctl, [0, command, 0, 0, 0, 0]), DENIED, "{command:#x}");
    }
    assert_eq!(of(libc::SYS_ioctl, [0, libc::TCGETS, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn processes_are_made_and_namespaces_are_not() {
    let flags = |flags: i32| [u64::from(flags.cast_unsigned()), 0, 0, 0, 0, 0];
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
    assert_eq!(of(libc::SYS_clone, flags(libc::SIGCHLD)), ALLOW);
    assert_eq!(of(libc::SYS_clone, flags(thread)), ALLOW);
    for namespace in [libc::CLONE_NEWUSER, libc::CLONE_NEWNET, libc::CLONE_NEWNS] {
        assert_eq!(of(libc::SYS_clone, flags(namespace | libc::SIGCHLD)), DENIED);
    }
    assert_eq!(of(libc::SYS_clone3, [0; 6]), ABSENT);
    assert_eq!(of(libc::SYS_unshare, [0; 6]), DENIED);
}

#[test]
fn sockets_are_pairs_or_none_and_with_a_proxy_of_the_internet_only() {
    let family = |family: i32| [u64::from(family.cast_unsigned()), 1, 0, 0, 0, 0];
    let families =
        [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_VSOCK, 38];
    let answers = |program: &[Instruction], nr: i64| {
        let nr = u32::try_from(nr).expect("small");
        families.map(|of| judge(program, ARCH, nr, family(of)) == ALLOW)
    };
    let no = false;
    assert_eq!(answers(&strict(), libc::SYS_socket), [no; 6]);
    assert_eq!(answers(&strict(), libc::SYS_socketpair), [true, no, no, no, no, no]);
    assert_eq!(compile(&Net::Allow(Vec::new()), &ExecRule::System, false), strict());
    let to = crate::policy::HostPort { host: "a.com".into(), port: 443 };
    let proxied = compile(&Net::Allow(vec![to]), &ExecRule::Any, false);
    assert_eq!(answers(&proxied, libc::SYS_socket), [no, true, true, no, no, no]);
}

#[test]
fn no_file_gets_a_bit_that_raises_rights() {
    for mode in [0o4755u64, 0o2755, 0o6000, 0o4755 | 1 << 40] {
        assert_eq!(of(libc::SYS_fchmod, [3, mode, 0, 0, 0, 0]), DENIED, "{mode:o}");
        assert_eq!(of(libc::SYS_fchmodat, [3, 0, mode, 0, 0, 0]), DENIED, "{mode:o}");
        let create = u64::from(libc::O_CREAT.cast_unsigned());
        assert_eq!(of(libc::SYS_openat, [3, 0, create, mode, 0, 0]), DENIED, "{mode:o}");
        assert_eq!(of(libc::SYS_openat, [3, 0, 0, mode, 0, 0]), ALLOW, "{mode:o}");
    }
    assert_eq!(of(libc::SYS_fchmod, [3, 0o1755, 0, 0, 0, 0]), ALLOW);
    assert_eq!(of(libc::SYS_openat2, [0; 6]), ABSENT);
}

#[test]
fn the_bound_on_cores_is_read_and_never_changed() {
    let core = u64::from(libc::RLIMIT_CORE);
    let unchanged = ERRNO;
    for new in [1, 1 << 32, u64::MAX] {
        assert_eq!(of(libc::SYS_prlimit64, [0, core, new, 0, 0, 0]), unchanged, "{new:#x}");
        assert_eq!(of(libc::SYS_prlimit64, [0, core | 1 << 32, new, 0, 0, 0]), unchanged);
        assert_eq!(of(libc::SYS_prlimit64, [0, core + 1, new, 0, 0, 0]), ALLOW);
    }
    assert_eq!(of(libc::SYS_prlimit64, [0, core, 0, 7, 0, 0]), ALLOW);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(of(160, [core, 7, 0, 0, 0, 0]), unchanged);
        assert_eq!(of(160, [core + 1, 7, 0, 0, 0, 0]), ALLOW);
    }
}

#[test]
fn nobody_outside_is_made_to_wait_or_told_of_files() {
    let locks = u64::try_from(libc::F_SETLK).expect("small");
    for command in [libc::F_SETLEASE, libc::F_NOTIFY] {
        let command = u64::try_from(command).expect("small");
        for command in [command, command | 1 << 32] {
            assert_eq!(of(libc::SYS_fcntl, [3, command, 0, 0, 0, 0]), DENIED, "{command:#x}");
        }
    }
    assert_eq!(of(libc::SYS_fcntl, [3, locks, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn memory_of_nobody_is_had_where_the_tree_is_bounded() {
    for nr in calls::OF_NOBODY {
        let nr = u32::try_from(nr).expect("small");
        for (bounded, expected) in [(false, ABSENT), (true, ALLOW)] {
            let program = compile(&Net::Deny, &ExecRule::System, bounded);
            assert_eq!(judge(&program, ARCH, nr, [0; 6]), expected);
        }
    }
}

#[test]
fn memory_is_no_program_unless_anything_is() {
    assert_eq!(of(libc::SYS_memfd_create, [0, 0, 0, 0, 0, 0]), DENIED);
    assert_eq!(of(libc::SYS_memfd_create, [0, 8 | 1, 0, 0, 0, 0]), ALLOW);
    let any = compile(&Net::Deny, &ExecRule::Any, false);
    let nr = u32::try_from(libc::SYS_memfd_create).expect("small");
    assert_eq!(judge(&any, ARCH, nr, [0; 6]), ALLOW);
}

#[test]
fn the_way_through_is_short() {
    assert!(strict().len() < 500, "{}", strict().len());
}
