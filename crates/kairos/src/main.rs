#![expect(dead_code, reason = "the verbs that use these modules are assembled next")]

mod config;
mod init;
mod log;

fn main() {}
