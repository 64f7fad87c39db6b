//! A command reaches what is listed, and nothing else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::common::{policy, run, says, workspace};
use kairos_sandbox::{Exit, HostPort, Net, Policy, WriteMode};

/// A server that says who it is and what it was told.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client");
            let mut said = [0; 64];
            let n = client.read(&mut said).expect("it speaks");
            let _ = client.write_all(&[b"heard ", &said[..n]].concat());
        }
    });
    port
}

fn reaching(dir: &std::path::Path, hosts: &[String]) -> Policy {
    let hosts = hosts.iter().map(|host| HostPort::parse(host).expect("a destination"));
    Policy { net: Net::Allow(hosts.collect()), ..policy(dir, WriteMode::ReadOnly) }
}

/// What bash hears after a request and a word.
fn ask(policy: &Policy, request: &str) -> String {
    let words = format!(
        "exec 3<>/dev/tcp/127.0.0.1/3128 && printf '{request}' >&3 && IFS= read -r status <&3 && \
         echo \"$status\" && printf hello >&3 && read -r empty <&3; timeout 5 cat <&3"
    );
    let outcome = run(policy, &["bash", "-c", &words]).expect("runs");
    String::from_utf8_lossy(&outcome.stdout.bytes()).into_owned()
        + &String::from_utf8_lossy(&outcome.stderr.bytes())
}

#[test]
fn what_is_listed_is_reached_through_the_proxy() {
    let dir = workspace();
    let port = server();
    let policy = reaching(dir.path(), &[format!("127.0.0.1:{port}")]);
    let said = ask(&policy, &format!("CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n"));
    assert_eq!(said, "HTTP/1.1 200 Connection Established\r\nheard hello");
    let proxy = says(&policy, "echo $HTTPS_PROXY $https_proxy");
    assert_eq!(proxy, "http://127.0.0.1:3128 http://127.0.0.1:3128\n");
}

#[test]
fn what_is_not_listed_is_not_reached() {
    let dir = workspace();
    let (listed, other) = (server(), server());
    let policy = reaching(dir.path(), &[format!("127.0.0.1:{listed}"), "localhost:80".into()]);
    let status = |request: String| {
        let said = ask(&policy, &request);
        said.split_whitespace().nth(1).unwrap_or("none").to_owned()
    };
    assert_eq!(status(format!("CONNECT 127.0.0.1:{other} HTTP/1.1\\r\\n\\r\\n")), "403");
    assert_eq!(status(format!("CONNECT 127.0.0.2:{listed} HTTP/1.1\\r\\n\\r\\n")), "403");
    assert_eq!(status(format!("CONNECT 127.1:{listed} HTTP/1.1\\r\\n\\r\\n")), "400");
    assert_eq!(status("GET / HTTP/1.1\\r\\n\\r\\n".into()), "400");
    // A name is listed, and leads to this machine: that was never meant.
    assert_eq!(status("CONNECT localhost:80 HTTP/1.1\\r\\n\\r\\n".into()), "502");
    let direct = says(&policy, &format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{listed}'"));
    assert!(direct.contains("denied") || direct.contains("refused"), "{direct}");
}

#[test]
fn an_empty_list_is_no_network() {
    let dir = workspace();
    let outcome =
        run(&reaching(dir.path(), &[]), &["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/3128"])
            .expect("runs");
    assert_eq!(outcome.exit, Exit::Code(1));
    assert!(String::from_utf8_lossy(&outcome.stderr.bytes()).contains("not permitted"));
}
