//! The chat completions form, which local servers speak too.
//!
//! Owns its request and answer, as pure functions over bytes. Never sends anything.

use kairos_core::budget::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prompt::Prompt;
use super::schema;
use super::wire::{Form, Said, Stop, Unreadable};

/// What stands after the base URL.
pub const PATH: &str = "/chat/completions";

/// Words in a 400 that say the server does not know the schema.
pub(super) const FORM_WORDS: [&str; 2] = ["response_format", "json_schema"];

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    messages: [Message<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Format {
    r#type: &'static str,
    json_schema: Schema,
}

#[derive(Serialize)]
struct Schema {
    name: &'static str,
    schema: Value,
}

#[derive(Deserialize)]
struct Response {
    choices: Vec<Choice>,
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

/// The body of a request.
#[must_use]
pub fn request(model: &str, output_tokens_max: u32, prompt: &Prompt, form: Form) -> Vec<u8> {
    let name = schema::name(prompt.phase).filter(|_| !form.plain);
    let limit = |wanted: bool| wanted.then_some(output_tokens_max);
    let request = Request {
        model,
        max_completion_tokens: limit(!form.old_limit),
        max_tokens: limit(form.old_limit),
        messages: [
            Message { role: "system", content: &prompt.system },
            Message { role: "user", content: &prompt.user },
        ],
        response_format: name.map(|name| Format {
            r#type: "json_schema",
            json_schema: Schema { name, schema: schema::of(prompt.phase) },
        }),
    };
    serde_json::to_vec(&request).expect("texts and a schema are always JSON")
}

/// Reads the body of a 200. An answer without a choice says nothing, in the right form.
///
/// # Errors
/// It is not in this form.
pub fn answer(body: &[u8]) -> Result<Said, Unreadable> {
    let response: Response = serde_json::from_slice(body)?;
    let usage = response.usage.and_then(usage);
    let Some(choice) = response.choices.into_iter().next() else {
        return Ok(Said { text: String::new(), stop: Stop::Finished, usage });
    };
    let refused = choice.message.refusal.filter(|refusal| !refusal.is_empty());
    let stop = match choice.finish_reason.as_deref() {
        Some("length") => Stop::Limit,
        Some("content_filter") => Stop::Refused,
        _ if refused.is_some() => Stop::Refused,
        _ => Stop::Finished,
    };
    let text = choice.message.content.or(refused).unwrap_or_default();
    Ok(Said { text, stop, usage })
}

/// `None` unless both sides were counted. Cached input is part of the input here.
fn usage(counted: Counted) -> Option<Usage> {
    let cached = counted.prompt_tokens_details.and_then(|d| d.cached_tokens).unwrap_or(0);
    Some(Usage {
        input: counted.prompt_tokens?.saturating_sub(cached),
        output: counted.completion_tokens?,
        cache_read: cached,
        cache_write: 0,
    })
}
