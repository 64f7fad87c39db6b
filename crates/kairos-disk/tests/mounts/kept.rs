//! What an edited file keeps, and what it does not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::alone::alone;
use crate::layers::overlay;
use crate::yard::{edit, lay_out, perform, tmpfs, tree};

const ACL: &str = "system.posix_acl_access";
const CAPABILITY: &str = "security.capability";
const NOTE: &str = "user.note";

/// `user::rw-,user:0:r--,group::r--,mask::r--,other::---`, as the kernel stores it.
fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 0),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// `cap_net_raw=p`.
fn capability() -> Vec<u8> {
    let mut bytes = vec![0; 20];
    (bytes[3], bytes[5]) = (2, 0x20);
    bytes
}

/// Sets an attribute; where that is not possible it is said.
fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    let answer = rustix::fs::setxattr(path, name, value, XattrFlags::empty());
    if let Err(error) = answer {
        eprintln!("not checked here: `{name}` of `{}` cannot be set: {error}", path.display());
    }
    answer.is_ok()
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    match rustix::fs::getxattr(path, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Some(value)
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => None,
        Err(error) => panic!("{error}"),
    }
}

fn keeps(root: &Path) {
    let path = root.join("docs/a.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let kept = [(NOTE, b"keep me".to_vec()), (ACL, acl())];
    let kept: Vec<_> = kept.into_iter().filter(|(name, value)| set(&path, name, value)).collect();
    // Last, because whoever sets an attribute may lose them.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6750)).unwrap();
    set(&path, CAPABILITY, &capability());
    perform(&tree(root), &edit(root)).unwrap();
    for (name, value) in kept {
        let expected = match name {
            // The mask goes with the group's bits.
            ACL => get(&root.join("docs").join(".kairos-0000000000000001"), ACL),
            _ => Some(value),
        };
        assert_eq!(get(&path, name), expected, "{name}");
    }
    assert_eq!(get(&path, CAPABILITY), None);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
}

#[test]
fn edit_keeps_what_a_file_has_and_drops_what_it_could_do() {
    alone("kept::edit_keeps_what_a_file_has_and_drops_what_it_could_do", |dir| {
        let (disk, memory) = (dir.join("disk"), tmpfs(dir, "tmpfs"));
        for root in [&disk, &memory] {
            lay_out(root);
            keeps(root);
        }
        let layers = tmpfs(dir, "layers");
        if let Some(root) = overlay(&layers, &layers, "one", "userxattr") {
            keeps(&root);
        }
    });
}
