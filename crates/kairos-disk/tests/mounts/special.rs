//! What is no plain file is neither opened nor changed.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use kairos_disk::refusal::Reason;
use rustix::fs::{CWD, FileType, Mode, inotify, mknodat};

use crate::alone::alone;
use crate::yard::{create, delete, edit, lay_out, perform, refused, tmpfs, tree};

#[test]
fn fifo_socket_and_device_are_refused_unopened() {
    alone("special::fifo_socket_and_device_are_refused_unopened", |dir| {
        let root = tmpfs(dir, "root");
        for make in [fifo, socket, device] {
            lay_out(&root);
            let intents = [edit(&root), delete(&root)];
            for name in ["docs/a.md", "docs/b.md"] {
                drop(fs::remove_file(root.join(name)));
                make(&root.join(name));
            }
            let flags = inotify::CreateFlags::NONBLOCK;
            let watch = inotify::init(flags).unwrap();
            for name in ["docs/a.md", "docs/b.md"] {
                inotify::add_watch(&watch, root.join(name), inotify::WatchFlags::OPEN).unwrap();
            }
            let tree = tree(&root);
            let reason = tree.read(Path::new("docs/a.md")).unwrap_err().reason;
            assert!(matches!(reason, Reason::NotRegular), "{reason:?}");
            for intent in &intents {
                let reason = refused(perform(&tree, intent));
                assert!(matches!(reason, Reason::NotRegular), "{reason:?}");
            }
            let reason = refused(perform(&tree, &create(&root)));
            assert!(matches!(reason, Reason::Occupied), "{reason:?}");
            let opened = rustix::io::read(&watch, &mut [0_u8; 256][..]);
            assert_eq!(opened.unwrap_err(), rustix::io::Errno::AGAIN, "nobody opened it");
            fs::remove_dir_all(root.join("docs")).unwrap();
        }
    });
}

fn fifo(at: &Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn socket(at: &Path) {
    drop(UnixListener::bind(at).unwrap());
}

/// The only device that whoever is root of a namespace can make: it stands for a file that is gone.
fn device(at: &Path) {
    mknodat(CWD, at, FileType::CharacterDevice, Mode::RUSR, 0).unwrap();
}
