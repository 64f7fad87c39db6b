//! The Messages form.
//!
//! Owns its request and answer, as pure functions over bytes. Never sends anything. One tool, named
//! as the schema, is forced; a text answer is taken too.

use kairos_core::budget::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prompt::Prompt;
use super::schema;
use super::wire::{Form, Said, Stop, Unreadable};

/// The version header's value.
pub const VERSION: &str = "2023-06-01";

/// What stands after the base URL.
pub const PATH: &str = "/v1/messages";

/// Words in a 400 that say the provider does not know the forced tool.
pub(super) const FORM_WORDS: [&str; 3] = ["tool_choice", "tools", "input_schema"];

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    system: &'a str,
    messages: [Message<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tool; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    description: &'static str,
    input_schema: Value,
}

#[derive(Serialize)]
struct Choice {
    r#type: &'static str,
    name: &'static str,
}

#[derive(Deserialize)]
struct Response {
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: Option<Counted>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        input: Value,
    },
    /// Thinking and whatever else there will be.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

/// The body of a request.
#[must_use]
pub fn request(model: &str, output_tokens_max: u32, prompt: &Prompt, form: Form) -> Vec<u8> {
    let name = schema::name(prompt.phase).filter(|_| !form.plain);
    let request = Request {
        model,
        max_tokens: output_tokens_max,
        system: &prompt.system,
        messages: [Message { role: "user", content: &prompt.user }],
        tools: name.map(|name| {
            let description = "Gives the answer to this phase.";
            [Tool { name, description, input_schema: schema::of(prompt.phase) }]
        }),
        tool_choice: name.map(|name| Choice { r#type: "tool", name }),
    };
    serde_json::to_vec(&request).expect("texts and a schema are always JSON")
}

/// Reads the body of a 200.
///
/// # Errors
/// It is not in this form.
pub fn answer(body: &[u8]) -> Result<Said, Unreadable> {
    let response: Response = serde_json::from_slice(body)?;
    let tool = response.content.iter().find_map(|block| match block {
        Block::ToolUse { input } => Some(input.to_string()),
        Block::Text { .. } | Block::Other => None,
    });
    let texts = response.content.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.as_str()),
        Block::ToolUse { .. } | Block::Other => None,
    });
    let text = tool.unwrap_or_else(|| texts.collect());
    let stop = match response.stop_reason.as_deref() {
        Some("max_tokens" | "model_context_window_exceeded") => Stop::Limit,
        Some("refusal") => Stop::Refused,
        _ => Stop::Finished,
    };
    Ok(Said { text, stop, usage: response.usage.and_then(usage) })
}

/// `None` unless both sides were counted.
fn usage(counted: Counted) -> Option<Usage> {
    Some(Usage {
        input: counted.input_tokens?,
        output: counted.output_tokens?,
        cache_read: counted.cache_read_input_tokens.unwrap_or(0),
        cache_write: counted.cache_creation_input_tokens.unwrap_or(0),
    })
}
