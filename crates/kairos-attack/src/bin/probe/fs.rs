//! Files, directories, links and devices.
//!
//! Owns the acts that reach for paths outside, change what is protected, or leave in the workspace what
//! is dangerous to whoever comes next. Every act that creates something names it in its arguments or
//! calls it `planted-…` in the current directory.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _, symlink,
};
use std::path::Path;

use crate::report::{Denied, Try};
use crate::sys::sys;
use crate::{Act, amount, c_text, number, text};

pub(crate) const ACTS: &[Act] = &[
    ("read", read),
    ("read-by-link", read_by_link),
    ("read-by-fd", read_by_fd),
    ("read-by-openat2", read_by_openat2),
    ("read-by-handle", read_by_handle),
    ("stat", stat),
    ("list", list),
    ("write", write),
    ("write-into", write_into),
    ("write-by-link", write_by_link),
    ("truncate", truncate),
    ("chmod", chmod),
    ("chown", chown),
    ("utime", utime),
    ("setxattr", setxattr),
    ("remove", remove),
    ("make-dir", make_dir),
    ("make-tree", make_tree),
    ("hardlink", hardlink),
    ("links-together", links_together),
    ("rename", rename),
    ("exchange", exchange),
    ("rename-at", rename_at),
    ("rename-new", rename_new),
    ("link-new", link_new),
    ("link-to", link_to),
    ("replace", replace),
    ("replace-ancestor", replace_ancestor),
    ("setuid-file", setuid_file),
    ("file-caps", file_caps),
    ("fifo", fifo),
    ("node", node),
    ("open-device", open_device),
    ("fill-file", fill_file),
    ("fill-dir", fill_dir),
    ("fill-sparse", fill_sparse),
    ("fill-inodes", fill_inodes),
    ("names", names),
];

const MIB: usize = 1024 * 1024;
/// What a write leaves.
const MARK: &[u8] = b"attacked\n";

fn read(args: &[String]) -> Try {
    contents(text(args, 0)?)
}

fn contents(path: impl AsRef<Path>) -> Try {
    const BYTES_MAX: u64 = 8 * 1024;
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_by_link(args: &[String]) -> Try {
    symlink(text(args, 0)?, "planted-link")?;
    contents("planted-link")
}

/// Climbs through the magic link of an open directory.
fn read_by_fd(args: &[String]) -> Try {
    use std::os::fd::AsRawFd as _;
    let here = File::open(".")?;
    contents(format!("/proc/self/fd/{}{}", here.as_raw_fd(), text(args, 0)?))
}

fn read_by_openat2(args: &[String]) -> Try {
    let path = c_text(args, 0)?;
    let how = [0_u64; 3].map(u64::to_ne_bytes).concat();
    let fd = sys!(SYS_openat2, libc::AT_FDCWD, path.as_c_str(), &how[..], 24)?;
    contents(format!("/proc/self/fd/{fd}"))
}

/// Guesses a handle of the root directory of this filesystem from one it may have.
fn read_by_handle(_args: &[String]) -> Try {
    let mut handle = [0_u8; 8 + 128];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let mut mount = [0_u8; 4];
    sys!(SYS_name_to_handle_at, libc::AT_FDCWD, c"/", &mut handle[..], &mut mount[..], 0)?;
    let here = sys!(SYS_open, c".", libc::O_RDONLY, 0)?;
    let fd = sys!(SYS_open_by_handle_at, here, &mut handle[..], libc::O_RDONLY)?;
    Ok(format!("fd {fd} of the root"))
}

fn stat(args: &[String]) -> Try {
    let meta = fs::metadata(text(args, 0)?)?;
    Ok(format!("size {} mode {:o} inode {}", meta.len(), meta.mode(), meta.ino()))
}

fn list(args: &[String]) -> Try {
    let names: Result<Vec<String>, std::io::Error> = fs::read_dir(text(args, 0)?)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect();
    Ok(names?.join(" "))
}

/// Creates it or adds to it.
fn write(args: &[String]) -> Try {
    let mut file = OpenOptions::new().create(true).append(true).open(text(args, 0)?)?;
    file.write_all(MARK)?;
    Ok("written".to_owned())
}

/// Overwrites what is there, and creates nothing.
fn write_into(args: &[String]) -> Try {
    let mut file = OpenOptions::new().write(true).open(text(args, 0)?)?;
    file.write_all(args.get(1).map_or(MARK, |words| words.as_bytes()))?;
    Ok("written".to_owned())
}

fn write_by_link(args: &[String]) -> Try {
    symlink(text(args, 0)?, "planted-link")?;
    write(&["planted-link".to_owned()])
}

fn truncate(args: &[String]) -> Try {
    let path = c_text(args, 0)?;
    sys!(SYS_truncate, path.as_c_str(), 0)?;
    Ok("empty now".to_owned())
}

fn chmod(args: &[String]) -> Try {
    fs::set_permissions(text(args, 0)?, fs::Permissions::from_mode(0o777))?;
    Ok("mode 777".to_owned())
}

/// To itself, which changes the time of change and takes the right to.
fn chown(args: &[String]) -> Try {
    let meta = fs::metadata(text(args, 0)?)?;
    std::os::unix::fs::chown(text(args, 0)?, Some(meta.uid()), Some(meta.gid()))?;
    Ok("owner set".to_owned())
}

fn utime(args: &[String]) -> Try {
    let path = c_text(args, 0)?;
    let times = [1_i64, 0, 1, 0].map(i64::to_ne_bytes).concat();
    sys!(SYS_utimensat, libc::AT_FDCWD, path.as_c_str(), &times[..], 0)?;
    Ok("times set".to_owned())
}

fn setxattr(args: &[String]) -> Try {
    let path = c_text(args, 0)?;
    sys!(SYS_setxattr, path.as_c_str(), c"user.attacked", c"1", 1, 0)?;
    Ok("attribute set".to_owned())
}

fn remove(args: &[String]) -> Try {
    let path = Path::new(text(args, 0)?);
    if path.is_dir() {
        fs::remove_dir_all(path)?
    } else {
        fs::remove_file(path)?
    }
    Ok("removed".to_owned())
}

fn make_dir(args: &[String]) -> Try {
    fs::create_dir(text(args, 0)?)?;
    Ok("made".to_owned())
}

/// Makes a path with all its directories, and writes it.
fn make_tree(args: &[String]) -> Try {
    let path = Path::new(text(args, 0)?);
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    }
    fs::write(path, args.get(1).map_or(MARK, |words| words.as_bytes()))?;
    Ok("made".to_owned())
}

/// Links a file from outside into the workspace and writes through the link.
fn hardlink(args: &[String]) -> Try {
    fs::hard_link(text(args, 0)?, "planted-hard")?;
    write(&["planted-hard".to_owned()])
}

/// Moves a file of its own out.
fn rename(args: &[String]) -> Try {
    fs::write("planted-file", MARK)?;
    fs::rename("planted-file", text(args, 0)?)?;
    Ok("moved out".to_owned())
}

fn rename_at(args: &[String]) -> Try {
    fs::rename(text(args, 0)?, text(args, 1)?)?;
    Ok("renamed".to_owned())
}

/// Makes a directory under a harmless name and gives it the other name afterwards.
fn rename_new(args: &[String]) -> Try {
    let path = Path::new(text(args, 0)?);
    let (above, name) = (path.parent(), path.file_name());
    let (Some(above), Some(name)) = (above, name) else { return Err(Denied::new("no parent")) };
    fs::create_dir("planted-dir")?;
    fs::write(Path::new("planted-dir").join(name), MARK)?;
    fs::rename("planted-dir", above)?;
    Ok("made".to_owned())
}

/// A link under this name, to a directory of its own.
fn link_new(args: &[String]) -> Try {
    fs::create_dir("planted-dir")?;
    symlink("planted-dir", text(args, 0)?)?;
    Ok("made".to_owned())
}

/// Two links of which each stays inside, and that lead out together.
fn links_together(_args: &[String]) -> Try {
    fs::create_dir_all("planted-dir/down")?;
    fs::create_dir_all("planted-top")?;
    symlink("../../planted-top", "planted-dir/down/up")?;
    symlink("up/../../other", "planted-dir/down/out")?;
    Ok("made".to_owned())
}

fn link_to(args: &[String]) -> Try {
    symlink(text(args, 0)?, text(args, 1)?)?;
    Ok("made".to_owned())
}

fn exchange(args: &[String]) -> Try {
    const RENAME_EXCHANGE: i32 = 2;
    let to = c_text(args, 0)?;
    fs::write("planted-file", MARK)?;
    let (from, here) = (c"planted-file", libc::AT_FDCWD);
    sys!(SYS_renameat2, here, from, here, to.as_c_str(), RENAME_EXCHANGE)?;
    Ok("exchanged".to_owned())
}

/// Moves something away and writes a file of its own in its place.
fn replace(args: &[String]) -> Try {
    let path = text(args, 0)?;
    fs::rename(path, format!("{path}.away"))?;
    fs::write(path, args.get(1).map_or(MARK, |words| words.as_bytes()))?;
    Ok("replaced".to_owned())
}

/// Moves the directory above something protected away, and makes both again.
fn replace_ancestor(args: &[String]) -> Try {
    let path = Path::new(text(args, 0)?);
    let above = path.parent().filter(|above| above.as_os_str() != "");
    let above = above.ok_or_else(|| Denied::new("nothing is above"))?;
    fs::rename(above, "planted-away")?;
    fs::create_dir_all(above)?;
    fs::write(path, MARK)?;
    Ok("made again".to_owned())
}

fn setuid_file(_args: &[String]) -> Try {
    fs::copy("/proc/self/exe", "planted-suid")?;
    fs::set_permissions("planted-suid", fs::Permissions::from_mode(0o6755))?;
    let mode = fs::metadata("planted-suid")?.mode() & 0o7777;
    if mode & 0o6000 == 0 {
        return Err(Denied::new(format!("mode {mode:o}")));
    }
    Ok(format!("mode {mode:o}"))
}

fn file_caps(_args: &[String]) -> Try {
    const REVISION_2: u32 = 0x0200_0000;
    const NET_RAW: u32 = 1 << 13;
    fs::write("planted-caps", MARK)?;
    let value = [REVISION_2 | 1, NET_RAW, 0, 0, 0].map(u32::to_ne_bytes).concat();
    sys!(SYS_setxattr, c"planted-caps", c"security.capability", &value[..], value.len(), 0)?;
    Ok("capabilities on a file".to_owned())
}

fn fifo(args: &[String]) -> Try {
    let path = c_text(args, 0)?;
    sys!(SYS_mknod, path.as_c_str(), libc::S_IFIFO | 0o666, 0)?;
    Ok("made".to_owned())
}

/// A device of its own: `c 1 3`.
fn node(args: &[String]) -> Try {
    let kind = if text(args, 0)? == "b" { libc::S_IFBLK } else { libc::S_IFCHR };
    let device = (number(args, 1)? << 8) | number(args, 2)?;
    sys!(SYS_mknod, c"planted-node", kind | 0o666, device)?;
    Ok("made".to_owned())
}

/// Opens a device for writing and writes nothing.
fn open_device(args: &[String]) -> Try {
    let path = text(args, 0)?;
    let open = |write: bool| {
        OpenOptions::new().read(!write).write(write).custom_flags(libc::O_NONBLOCK).open(path)
    };
    let file = open(true).or_else(|_| open(false))?;
    let kind = file.metadata()?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Ok("opened".to_owned());
    }
    Err(Denied::new("no device"))
}

/// Writes so many MiB into one file.
fn fill_file(args: &[String]) -> Try {
    fill(text(args, 0)?, amount(args, 1)?)
}

fn fill(path: &str, mib: usize) -> Try {
    ignore(libc::SIGXFSZ)?;
    let block = vec![b'x'; MIB];
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    for at in 0..mib {
        if let Err(error) = file.write_all(&block) {
            let errno = error.raw_os_error().unwrap_or(0);
            return Err(Denied { errno, what: format!("after {at} MiB: {error}") });
        }
    }
    Ok(format!("{mib} MiB"))
}

/// Over the limit of a file's size a signal comes; the error tells more.
fn ignore(signal: i32) -> Result<(), Denied> {
    let action = [libc::SIG_IGN as u64, 0, 0, 0].map(u64::to_ne_bytes).concat();
    sys!(SYS_rt_sigaction, signal, &action[..], 0, 8)?;
    Ok(())
}

/// Writes so many MiB into a directory, as many files of 8 MiB.
fn fill_dir(args: &[String]) -> Try {
    const EACH: usize = 8;
    let (dir, mib) = (text(args, 0)?, amount(args, 1)?);
    for at in 0..mib / EACH {
        fill(&format!("{dir}/planted-{at}"), EACH).map_err(|denied| Denied {
            what: format!("after {} MiB: {}", at * EACH, denied.what),
            ..denied
        })?;
    }
    Ok(format!("{mib} MiB"))
}

fn fill_sparse(args: &[String]) -> Try {
    const EXBIBYTE: u64 = 1 << 60;
    ignore(libc::SIGXFSZ)?;
    let file = File::create(text(args, 0)?)?;
    file.set_len(EXBIBYTE)?;
    Ok("1 EiB".to_owned())
}

fn fill_inodes(args: &[String]) -> Try {
    let (dir, count) = (text(args, 0)?, amount(args, 1)?);
    fs::create_dir_all(dir)?;
    for at in 0..count {
        File::create(format!("{dir}/{at}")).map_err(|error| Denied {
            errno: error.raw_os_error().unwrap_or(0),
            what: format!("after {at} files: {error}"),
        })?;
    }
    Ok(format!("{count} files"))
}

/// Creates a file by each name it was given, byte for byte, and finds it again in the directory.
fn names(_args: &[String]) -> Try {
    use std::os::unix::ffi::OsStrExt as _;
    let given: Vec<std::ffi::OsString> = std::env::args_os().skip(2).collect();
    for name in &given {
        File::create(name)?;
    }
    let found: Vec<std::ffi::OsString> = fs::read_dir(".")?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    let lost = given.iter().find(|name| !found.contains(name));
    match lost {
        None => {
            let bytes: usize = given.iter().map(|name| name.as_bytes().len()).sum();
            Ok(format!("{} names of {bytes} bytes", given.len()))
        }
        Some(name) => Err(Denied::new(format!("not found again: {name:?}"))),
    }
}
