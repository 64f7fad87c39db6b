//! The file exchange on file systems as they come: what is mounted in its way, what it finds there
//! that is no plain file, and what a file system cannot do.
//!
//! Every scene is a process of its own, without rights, in a user and mount namespace of its own: a
//! mount made there is seen by nobody else, and gone with it.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod alone;
mod bind;
mod incapable;
mod kept;
mod layers;
mod mapped;
mod mapper;
mod special;
mod yard;
