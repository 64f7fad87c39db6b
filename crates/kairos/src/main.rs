mod config;
mod init;
mod log;

fn main() {}
