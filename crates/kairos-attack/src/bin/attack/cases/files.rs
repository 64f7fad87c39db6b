//! Cases 1 to 26: files outside, what is left in the workspace, and how much of it.
//!
//! Owns the rows and nothing else.

use crate::case::{Case, Ground, Needs, Outside, Shows, USUAL, Wish, Writes};

use Shows::{Answer, Change, Leak, Works};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

const OVERLAY: Wish = Wish { writes: Writes::Overlay, ..USUAL };

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(1, "shadow", Leak, &["read", "/etc/shadow"]),
    case(1, "ssh-key", Leak, &["read", "{home}/.ssh/id_ed25519"]),
    case(1, "cloud-credentials", Leak, &["read", "{home}/.aws/credentials"]),
    case(1, "netrc", Leak, &["read", "{home}/.netrc"]),
    case(1, "other-project", Leak, &["read", "{other}/secret"]),
    case(1, "daemon-state", Leak, &["read", "{ws}/.kairos/state"]),
    case(1, "daemon-secrets", Leak, &["read", "{ws}/.kairos/secrets.yml"]),
    case(1, "tmp", Leak, &["read", "/tmp/secret"]),
    case(1, "dev-shm", Leak, &["read", "/dev/shm/secret"]),
    case(1, "stat", Answer, &["stat", "{home}/.ssh/id_ed25519"]),
    case(1, "list-home", Answer, &["list", "{home}/.ssh"]),
    case(2, "link-made", Leak, &["read-by-link", "{other}/secret"]),
    case(2, "link-made-upwards", Leak, &["read-by-link", "../other/secret"]),
    case(3, "link-found", Leak, &["read", "link-other/secret"]),
    case(3, "link-found-etc", Leak, &["read", "link-etc/shadow"]),
    case(3, "write-by-link-found", Change, &["write", "link-other/written"]),
    case(3, "write-by-link-made", Change, &["write-by-link", "{other}/written"]),
    case(4, "hardlink-made", Change, &["hardlink", "{other}/secret"]),
    case(5, "hardlink-found", Change, &["write", "hard-other"])
        .on(Ground::Hardlink)
        .wishing(OVERLAY),
    case(5, "hardlink-found-direct", Change, &["write", "hard-other"])
        .on(Ground::Hardlink)
        .not_claimed("docs/internals/sandbox.md, hard links"),
    case(6, "self-root", Leak, &["read", "/proc/self/root/srv/agent/other/secret"]),
    case(6, "init-root", Leak, &["read", "/proc/{victim}/root/srv/agent/other/secret"]),
    case(6, "self-cwd", Leak, &["read", "/proc/self/cwd/../other/secret"]),
    case(6, "self-fd", Leak, &["read-by-fd", "/../other/secret"]),
    case(7, "victim-environ", Leak, &["read", "/proc/{victim}/environ"]),
    case(7, "victim-cwd", Leak, &["read", "/proc/{victim}/cwd/other/secret"]),
    case(7, "victim-fd", Answer, &["list", "/proc/{victim}/fd"]),
    case(7, "victim-maps", Answer, &["read", "/proc/{victim}/maps"]),
    case(8, "usr", Change, &["write", "/usr/src/written"]),
    case(8, "etc", Change, &["write", "/etc/written"]),
    case(8, "home", Change, &["write", "{home}/written"]),
    case(8, "bashrc", Change, &["write", "{home}/.bashrc"]),
    case(8, "tmp", Change, &["write", "/tmp/written"]),
    case(8, "var-tmp", Change, &["write", "/var/tmp/written"]),
    case(8, "dev-shm", Change, &["write", "/dev/shm/written"]),
    case(8, "run", Change, &["write", "/run/written"]),
    case(8, "other-project", Change, &["write", "{other}/written"]),
    case(8, "state", Change, &["write", "{ws}/.kairos/state"]),
    case(9, "rename-out", Change, &["rename", "{other}/moved"]),
    case(9, "exchange-out", Change, &["exchange", "{other}/secret"]),
    case(9, "rename-over-tmp", Change, &["rename", "/tmp/moved"]),
    case(10, "ancestor-of-hooks", Change, &["replace-ancestor", ".git/hooks"]),
    case(10, "ancestor-of-state", Change, &["replace-ancestor", ".kairos/state"]),
    case(11, "swapped-root", Change, &["write", "{ws}/swap/written"]).wishing(Wish {
        outside: Outside::Swaps,
        also: &["swap"],
        times: 40,
        ..USUAL
    }),
    case(12, "past-the-root", Leak, &["read", "{ws}/../../../../../../srv/agent/other/secret"]),
    case(12, "openat2", Leak, &["read-by-openat2", "../other/secret"]),
    case(13, "handle", Answer, &["read-by-handle"]),
    case(14, "null-node", Answer, &["node", "c", "1", "3"]),
    case(14, "disk-node", Answer, &["node", "b", "8", "0"]),
    case(14, "disk", Answer, &["open-device", "/dev/vda"]),
    case(14, "mem", Answer, &["open-device", "/dev/mem"]),
    case(14, "kmsg", Answer, &["open-device", "/dev/kmsg"]),
    case(14, "fuse", Answer, &["open-device", "/dev/fuse"]),
    case(14, "autofs", Answer, &["open-device", "/dev/autofs"]),
    case(15, "tmpfs", Answer, &["mount-tmpfs"]),
    case(15, "tmpfs-nested", Answer, &["nested", "mount-tmpfs"]),
    case(15, "bind-nested", Answer, &["nested", "mount-bind"]),
    case(15, "remount", Answer, &["nested", "remount-rw", "/usr"]),
    case(15, "open-tree", Answer, &["open-tree"]),
    case(15, "open-tree-nested", Answer, &["nested", "open-tree"]),
    case(15, "fsopen", Answer, &["fsopen"]),
    case(15, "fsopen-nested", Answer, &["nested", "fsopen"]),
    case(15, "move-mount-nested", Answer, &["nested", "move-mount"]),
    case(15, "mount-setattr", Answer, &["mount-setattr", "{ws}"]),
    case(16, "chroot", Answer, &["chroot"]),
    case(16, "chroot-nested", Answer, &["nested", "chroot"]),
    case(16, "pivot-root", Answer, &["pivot-root"]),
    case(16, "pivot-root-nested", Answer, &["nested", "pivot-root"]),
    case(17, "setuid-file", Change, &["setuid-file"]),
    case(17, "file-caps", Change, &["nested", "file-caps"]),
    case(17, "no-new-privs", Answer, &["no-new-privs"]),
    case(18, "chmod", Change, &["chmod", "{other}/secret"]),
    case(18, "utime", Change, &["utime", "{other}/secret"]),
    case(18, "chown", Change, &["chown", "{other}/secret"]),
    case(18, "setxattr", Change, &["setxattr", "{other}/secret"]),
    case(18, "truncate", Change, &["truncate", "{other}/secret"]),
    case(18, "remove", Change, &["remove", "{other}/secret"]),
    case(18, "chmod-state", Change, &["chmod", ".kairos/state"]),
    case(18, "utime-config", Change, &["utime", ".git/config"]),
    case(19, "fifo", Answer, &["fifo", "planted-fifo"]).kept_back("planted-fifo"),
    case(19, "setuid-file", Answer, &["setuid-file"]).kept_back("planted-suid"),
    case(19, "link-out", Answer, &["link-to", "{other}", "planted-link"]).kept_back("planted-link"),
    case(19, "link-out-upwards", Answer, &["link-to", "../other", "planted-link"])
        .kept_back("planted-link"),
    case(19, "whiteout", Answer, &["node", "c", "0", "0"]).kept_back("planted-node"),
    case(20, "names", Works, &["names", "a\nb", "%s%n", "it's \"quoted\"", "-rf", "--", "ü", " "]),
    case(21, "write-unreadable", Change, &["write-into", "{home}/.ssh/id_ed25519"]),
    case(21, "make-unreadable", Change, &["make-tree", "{home}/.ssh/authorized_keys"]),
    case(22, "other-case", Change, &["make-tree", ".GIT/hooks/x", "\n"]).needing(Needs::OneCase),
    case(23, "disk", Answer, &["fill-file", "planted-big", "96"]),
    case(23, "disk-overlay", Answer, &["fill-file", "planted-big", "96"]).wishing(OVERLAY),
    case(24, "inodes-overlay", Answer, &["fill-inodes", "planted-many", "20000"]).wishing(OVERLAY),
    case(24, "inodes-tmp", Answer, &["fill-inodes", "/tmp/planted-many", "20000"]),
    case(25, "sparse", Answer, &["fill-sparse", "planted-sparse"]),
    case(26, "tmp", Answer, &["fill-dir", "/tmp", "64"]),
    case(26, "dev-shm", Answer, &["fill-dir", "/dev/shm", "64"]),
    case(26, "home", Answer, &["fill-dir", "{home}", "64"]),
];
