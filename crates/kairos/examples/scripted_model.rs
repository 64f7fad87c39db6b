//! A model server that needs no model: both wires, answers by rule, faults on demand.
//!
//! Owns nothing of kairos: it speaks HTTP as a provider does, so the daemon can be tried and tested
//! against a real server in another process. It finds what to edit only by reading the request it
//! was sent; a request without the file's content gets `blocked`.
//!
//! The goal it understands: `change OLD to NEW in PATH`, several parted by `; `.
//!
//! ```text
//! scripted_model [--latency-ms MIN..MAX] [--fault N=KIND]… [--log FILE]
//! ```
//! KIND: `429` `529` `500` `401` `cut` `garbage` `prose` `fence` `schema` `json`; N counts requests
//! from 1. Prints the address it listens on, then one line per request.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A request is never larger.
const BODY_BYTES_MAX: usize = 2 << 20;

struct Server {
    latency_ms: (u64, u64),
    faults: HashMap<u64, String>,
    log: Mutex<Option<File>>,
    count: AtomicU64,
}

fn main() -> io::Result<()> {
    let server = Arc::new(options());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = io::stdout();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;
    for stream in listener.incoming() {
        let server = Arc::clone(&server);
        std::thread::spawn(move || server.serve(stream?));
    }
    Ok(())
}

fn options() -> Server {
    let mut server = Server {
        latency_ms: (0, 0),
        faults: HashMap::new(),
        log: Mutex::new(None),
        count: AtomicU64::new(0),
    };
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        match name.as_str() {
            "--latency-ms" => {
                let (min, max) = value.split_once("..").expect("MIN..MAX");
                server.latency_ms = (min.parse().expect("ms"), max.parse().expect("ms"));
            }
            "--fault" => {
                let (n, kind) = value.split_once('=').expect("N=KIND");
                server.faults.insert(n.parse().expect("a number"), kind.to_owned());
            }
            "--log" => {
                let file = OpenOptions::new().create(true).append(true).open(value);
                server.log = Mutex::new(Some(file.expect("the log opens")));
            }
            other => panic!("unknown option {other}"),
        }
    }
    server
}

impl Server {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some((path, body)) = request(&mut reader)? {
            let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            let asked = Asked::of(&body);
            let answer = asked.answer();
            let line = json!({
                "n": count, "path": path, "phase": asked.phase, "goal": asked.goal(),
                "bytes": body.len(),
                "input": body.len() / 4, "output": answer.to_string().len() / 4,
            });
            if let Some(log) = self.log.lock().expect("no panic").as_mut() {
                writeln!(log, "{line}")?;
            }
            let (min, max) = self.latency_ms;
            // Spread without randomness: the golden ratio visits the range evenly.
            let spread = if max > min { count.wrapping_mul(0x9E37_79B9) % (max - min) } else { 0 };
            std::thread::sleep(Duration::from_millis(min + spread));
            let fault = self.faults.get(&count).map(String::as_str);
            if !reply(&mut stream, &path, &body, &answer, fault)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0).min(BODY_BYTES_MAX);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, String::from_utf8_lossy(&body).into_owned())))
}

/// What a request says.
struct Asked {
    phase: String,
    text: String,
}

impl Asked {
    fn of(body: &str) -> Self {
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        let mut text = String::new();
        collect(&request["system"], &mut text);
        collect(&request["messages"], &mut text);
        let phase = text.split("# Phase: ").nth(1).unwrap_or_default();
        let phase = phase.split_whitespace().next().unwrap_or_default().to_owned();
        Self { phase, text }
    }

    fn answer(&self) -> Value {
        match self.phase.as_str() {
            "orient" => json!({"summary": "read", "priorities": [], "risk_level": "low"}),
            "decide" => self.decide(),
            _ => json!({"assessment": "success", "lessons": [], "confidence": 0.9}),
        }
    }

    fn goal(&self) -> &str {
        let goal = self.text.lines().find(|line| line.trim_start().starts_with("change "));
        goal.unwrap_or_default().trim()
    }

    /// One edit for each `change OLD to NEW in PATH` of the goal whose OLD stands in a line of the
    /// request besides the goal's own.
    fn decide(&self) -> Value {
        let wanted = self.goal().split("; ").filter_map(|part| {
            let (old, rest) = part.trim().strip_prefix("change ")?.split_once(" to ")?;
            let (new, path) = rest.split_once(" in ")?;
            Some((old, new, path.trim_end_matches('.')))
        });
        let lines = || self.text.lines().filter(|line| !line.contains("change "));
        let mut steps = Vec::new();
        for (n, (old, new, path)) in wanted.enumerate() {
            let Some(line) = lines().find(|line| line.contains(old)) else {
                if lines().any(|line| line.contains(new)) {
                    continue;
                }
                return json!({"status": "blocked", "reason": "no file content", "steps": []});
            };
            steps.push(json!({
                "id": format!("s{n}"), "action": "code_edit", "path": path,
                "old_string": line, "new_string": line.replace(old, new), "intent": "as asked",
            }));
        }
        json!({"status": "done", "reason": "as asked", "steps": steps})
    }
}

fn collect(value: &Value, text: &mut String) {
    match value {
        Value::String(part) => {
            text.push_str(part);
            text.push('\n');
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, text)),
        Value::Object(fields) => {
            fields.iter().filter(|(k, _)| *k != "role").for_each(|(_, part)| collect(part, text));
        }
        _ => {}
    }
}

/// Writes the answer, or the fault; false when the connection is over.
fn reply(
    stream: &mut TcpStream,
    path: &str,
    body: &str,
    answer: &Value,
    fault: Option<&str>,
) -> io::Result<bool> {
    let said = match fault {
        Some("prose") => format!("Here is my answer.\n\n{answer}\n\nI hope that it helps."),
        Some("fence") => format!("```json\n{answer}\n```"),
        Some("schema") => json!({"status": "maybe", "steps": "none"}).to_string(),
        Some("json") => "{\"status\": \"done\", ".to_owned(),
        _ => answer.to_string(),
    };
    let (input, output) = (body.len() / 4, answer.to_string().len() / 4);
    let whole = if path.ends_with("/messages") {
        let plain = !matches!(fault, None | Some("429" | "529" | "500" | "401" | "cut"));
        let content = if plain {
            json!([{"type": "text", "text": said}])
        } else {
            let request: Value = serde_json::from_str(body).unwrap_or_default();
            json!([{"type": "tool_use", "id": "t1", "name": request["tools"][0]["name"],
                    "input": answer}])
        };
        json!({"type": "message", "role": "assistant", "stop_reason": "end_turn",
               "content": content, "usage": {"input_tokens": input, "output_tokens": output}})
    } else {
        json!({"choices": [{"index": 0, "finish_reason": "stop",
                            "message": {"role": "assistant", "content": said}}],
               "usage": {"prompt_tokens": input, "completion_tokens": output}})
    };
    let text = match fault {
        Some("garbage") => "<html>".to_owned(),
        Some("401") => json!({"error": {"message": "Incorrect API key\nprovided"}}).to_string(),
        _ => whole.to_string(),
    };
    let (status, extra) = match fault {
        Some("429") => ("429 Too Many Requests", "retry-after: 1\r\n"),
        Some("529") => ("529 Overloaded", ""),
        Some("500") => ("500 Internal Server Error", ""),
        Some("401") => ("401 Unauthorized", ""),
        _ => ("200 OK", ""),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{extra}content-length: {}\r\n\r\n",
        text.len()
    )?;
    if fault == Some("cut") {
        stream.write_all(&text.as_bytes()[..text.len() / 2])?;
        return Ok(false);
    }
    stream.write_all(text.as_bytes())?;
    Ok(true)
}
