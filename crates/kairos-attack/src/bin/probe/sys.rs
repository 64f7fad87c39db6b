//! System calls as they are.
//!
//! Owns every unsafe line of the probe: a raw system call with typed arguments, a fork, and the entry of
//! the kernel that 32-bit programs use. Judges nothing. The probe has one thread unless a case says
//! otherwise, so what runs after a fork may allocate.

#![expect(unsafe_code, reason = "a hostile program makes calls that no safe library offers")]

use std::ffi::CStr;
use std::io;

use crate::report::{Denied, Try};

/// One argument of a system call. Memory is handed over as slices, so its length is known here; that the
/// kernel stays within it is up to the length the caller passes beside it.
#[derive(Debug)]
pub(crate) enum Arg<'a> {
    Int(i64),
    In(&'a [u8]),
    Out(&'a mut [u8]),
    /// Some calls take an array of pointers: an `iovec`, an `argv`.
    Words(&'a [usize]),
}

impl From<i64> for Arg<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<i32> for Arg<'_> {
    fn from(int: i32) -> Self {
        Self::Int(i64::from(int))
    }
}

impl From<u32> for Arg<'_> {
    fn from(int: u32) -> Self {
        Self::Int(i64::from(int))
    }
}

/// The same bits: flags and masks are not amounts.
impl From<u64> for Arg<'_> {
    fn from(bits: u64) -> Self {
        Self::Int(bits.cast_signed())
    }
}

impl From<usize> for Arg<'_> {
    fn from(amount: usize) -> Self {
        Self::Int(amount.cast_signed() as i64)
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Self::In(text.to_bytes_with_nul())
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::In(bytes)
    }
}

impl<'a> From<&'a mut [u8]> for Arg<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Self::Out(bytes)
    }
}

impl<'a> From<&'a [usize]> for Arg<'a> {
    fn from(words: &'a [usize]) -> Self {
        Self::Words(words)
    }
}

/// Makes one system call: `sys!(SYS_mount, c"none", c"/mnt", …)`.
macro_rules! sys {
    ($number:ident $(, $arg:expr)* $(,)?) => {
        $crate::sys::call(stringify!($number), libc::$number, &mut [$($crate::sys::Arg::from($arg)),*])
    };
}
pub(crate) use sys;

/// What the kernel answered, or why not. At most six arguments; the rest are zero.
pub(crate) fn call(name: &str, number: i64, args: &mut [Arg<'_>]) -> Result<i64, Denied> {
    let mut words = [0_i64; 6];
    for (word, arg) in words.iter_mut().zip(args) {
        *word = match arg {
            Arg::Int(int) => *int,
            Arg::In(bytes) => bytes.as_ptr() as i64,
            Arg::Out(bytes) => bytes.as_mut_ptr() as i64,
            Arg::Words(words) => words.as_ptr() as i64,
        };
    }
    let [a, b, c, d, e, f] = words;
    // SAFETY: every pointer is of a slice that lives until the call has returned.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer == -1 { Err(Denied::last(name)) } else { Ok(answer) }
}

/// `Some` with the child's id in the parent, `None` in the child.
pub(crate) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the process has one thread, so nothing in the child is left locked.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// As `fork`, but the child's parent is ours (`CLONE_PARENT`).
pub(crate) fn fork_sibling() -> Result<Option<i64>, Denied> {
    let child = sys!(SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0)?;
    Ok((child != 0).then_some(child))
}

/// Ends the process at once and runs nothing of it.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: touches no memory.
    unsafe { libc::_exit(code) }
}

/// Runs `what` in a child and brings its answer back. `Denied` too where the child died.
pub(crate) fn in_child(what: impl FnOnce() -> Try) -> Try {
    use std::io::{Read as _, Write as _};
    let (mut from, mut to) = io::pipe()?;
    let Some(child) = fork()? else {
        drop(from);
        let text = match what() {
            Ok(detail) => format!("+0 {detail}"),
            Err(denied) => format!("-{} {}", denied.errno, denied.what),
        };
        // Where the parent is gone nobody waits for it.
        let _ = to.write_all(text.as_bytes());
        leave(0);
    };
    drop(to);
    let mut text = String::new();
    from.read_to_string(&mut text)?;
    reap(child)?;
    let (mark, rest) = text.split_at_checked(1).unwrap_or(("-", "0 child died"));
    let (errno, detail) = rest.split_once(' ').unwrap_or(("0", rest));
    match mark {
        "+" => Ok(detail.to_owned()),
        _ => Err(Denied { errno: errno.parse().unwrap_or(0), what: detail.to_owned() }),
    }
}

/// Waits for one child and answers its raw status.
pub(crate) fn reap(child: i32) -> Result<i32, Denied> {
    let mut status = [0_u8; 4];
    sys!(SYS_wait4, child, &mut status[..], 0, 0)?;
    Ok(i32::from_ne_bytes(status))
}

/// Maps `bytes` of memory, private or shared, and writes to every page.
pub(crate) fn map_and_touch(bytes: usize, shared: bool) -> Result<(), Denied> {
    const PAGE: usize = 4096;
    let visible = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address the kernel chooses.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), bytes, protection, visible | libc::MAP_ANONYMOUS, -1, 0)
    };
    if at == libc::MAP_FAILED {
        return Err(Denied::last("mmap"));
    }
    for page in 0..bytes / PAGE {
        // SAFETY: within the mapping just made, which nothing else knows.
        unsafe { at.cast::<u8>().add(page * PAGE).write_volatile(1) };
    }
    Ok(())
}

/// Reads a shared memory segment that the kernel has mapped at `at`.
pub(crate) fn read_segment(at: i64, bytes: usize) -> Vec<u8> {
    let at = std::ptr::with_exposed_provenance::<u8>(usize::try_from(at).unwrap_or(0));
    // SAFETY: `shmat` answered with this address and the segment is at least as long.
    unsafe { std::slice::from_raw_parts(at, bytes) }.to_vec()
}

/// Writes a shared memory segment that the kernel has mapped at `at`.
pub(crate) fn write_segment(at: i64, bytes: &[u8]) {
    let at = std::ptr::with_exposed_provenance_mut::<u8>(usize::try_from(at).unwrap_or(0));
    // SAFETY: `shmat` answered with this address and the segment is at least as long.
    unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// A system call through the entry for 32-bit programs; `None` where the processor has none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_32(number: u32) -> Option<i32> {
    let answer: i32;
    // SAFETY: the number is of a call without arguments; the registers it may change are named.
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") number => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, options(nostack));
    }
    Some(answer)
}

/// A system call through the entry for 32-bit programs; `None` where the processor has none.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn call_32(_number: u32) -> Option<i32> {
    None
}
