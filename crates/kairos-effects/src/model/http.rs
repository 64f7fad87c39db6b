//! Calls to a provider: the one place that knows HTTP.
//!
//! Owns one attempt: connection, headers, limits, and what each way of failing is called. Never
//! follows a redirect, uses no proxy, never tries again. A request leaves only after its bytes are
//! stored; the key is in a header and so in no blob.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use kairos_core::budget::Usage;
use kairos_core::cycle::brief::Brief;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::effect::{Attempt, Reply};
use kairos_core::kind::{Kind, Refused};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::ask::Desk;
use super::notice::{Notice, Notify};
use super::prompt::Prompt;
use super::wire::{Form, Said, Unreadable};
use super::{anthropic, excerpt, openai, retry_after};
use crate::cancel::CancelToken;
use crate::secret::Secret;
use crate::store::{TextError, Texts};

/// The longest body of a 200 that is read.
const BODY_BYTES_MAX: usize = 8 << 20;

/// How much is read of the body of any other status.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// The most characters of it an operator is shown.
const ERROR_CHARS_SHOWN: usize = 300;

/// Models whose form is remembered; the names come from configuration and mandates.
const FORMS_MAX: usize = 256;

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Anthropic,
    OpenAi,
}

/// Where and how a provider is reached.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    pub wire: Wire,
    /// What stands before `/v1/messages` (Anthropic) or `/chat/completions` (OpenAI).
    pub base_url: String,
    pub api_key: Option<Secret>,
    /// For one whole attempt, from connecting to the last byte.
    pub timeout: Duration,
}

/// Why a provider cannot be asked at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("`{base_url}` is not an http or https URL with a host")]
    Url { base_url: String },
    #[error("the API key has characters that no header may have")]
    Key,
}

impl OptionsError {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Refused(Refused::BadInput)
    }
}

/// A provider. Makes its connections when first used.
pub struct Client {
    pub(crate) desk: Desk,
    options: ModelOptions,
    url: reqwest::Url,
    headers: HeaderMap,
    http: OnceLock<reqwest::Client>,
    /// What was learned of each model since the start.
    forms: Mutex<BTreeMap<String, Form>>,
}

impl Client {
    /// # Errors
    /// The base URL or the key cannot be used.
    pub fn new(options: ModelOptions, texts: Texts, notify: Notify) -> Result<Self, OptionsError> {
        let path = match options.wire {
            Wire::Anthropic => anthropic::PATH,
            Wire::OpenAi => openai::PATH,
        };
        let base_url = &options.base_url;
        let bad = || OptionsError::Url { base_url: base_url.clone() };
        let url = format!("{}{path}", base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url).map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad());
        }
        let headers = headers(&options)?;
        let (http, forms) = (OnceLock::new(), Mutex::default());
        Ok(Self { desk: Desk { texts, notify }, options, url, headers, http, forms })
    }

    pub(super) async fn ask(
        &self,
        model: &str,
        output_tokens_max: u32,
        brief: &Brief,
        mut cancel: CancelToken,
    ) -> Result<Attempt, TextError> {
        let prompt = match self.desk.render(brief).await {
            Ok(prompt) => prompt,
            Err(error) => return Ok(self.desk.not_sent(&error)),
        };
        let form = self.form(model);
        let body = self.body(model, output_tokens_max, &prompt, form);
        let request = match self.desk.put(body.clone()).await {
            Ok(request) => Some(request),
            Err(error) => return Ok(self.desk.not_sent(&error)),
        };
        let exchange = tokio::time::timeout(self.options.timeout, self.exchange(body));
        let answered = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                return Ok(Attempt { request, usage: None, said: None, reply: Reply::Cancelled });
            }
            answered = exchange => answered,
        };
        let mut said = None;
        let (usage, reply) = match answered {
            Err(_) => (None, Reply::Failed(CallFailure::Timeout)),
            Ok(Err(Failed { failure, message, sent })) => {
                // What was provably not sent cost nothing.
                let usage = (!sent).then(Usage::default);
                let reply = self.failed(model, form, failure, &message);
                if matches!(reply, Reply::Failed(_)) {
                    said = self.desk.said(excerpt::of(&self.redacted(&message))).await;
                }
                (usage, reply)
            }
            Ok(Ok(body)) => match self.read(&body) {
                Ok(said) => (said.usage, self.desk.reply(brief.phase, said).await?),
                Err(_) => (None, Reply::Failed(CallFailure::Unreadable)),
            },
        };
        Ok(Attempt { request, usage, said, reply })
    }

    fn body(&self, model: &str, tokens_max: u32, prompt: &Prompt, form: Form) -> Vec<u8> {
        match self.options.wire {
            Wire::Anthropic => anthropic::request(model, tokens_max, prompt, form),
            Wire::OpenAi => openai::request(model, tokens_max, prompt, form),
        }
    }

    fn read(&self, body: &[u8]) -> Result<Said, Unreadable> {
        match self.options.wire {
            Wire::Anthropic => anthropic::answer(body),
            Wire::OpenAi => openai::answer(body),
        }
    }

    /// Sends `body` and reads the body of a 200.
    async fn exchange(&self, body: Vec<u8>) -> Result<Vec<u8>, Failed> {
        let http = self.http()?;
        let request = http.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let mut response = request.send().await.map_err(not_sent)?;
        let code = response.status().as_u16();
        if code == 200 {
            return read_body(&mut response, BODY_BYTES_MAX).await;
        }
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_ms = asked.and_then(|value| retry_after::ms(value, SystemTime::now()));
        // Only for people and for the fallback: what cannot be read of it is no further failure.
        let message = read_body(&mut response, ERROR_BYTES_MAX).await.unwrap_or_default();
        let message = String::from_utf8_lossy(&message).into_owned();
        let failure = CallFailure::Status { code, retry_after_ms };
        Err(Failed { failure, message, sent: true })
    }

    fn http(&self) -> Result<&reqwest::Client, Failed> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .user_agent(concat!("kairos/", env!("CARGO_PKG_VERSION")));
        if self.url.scheme() == "http" {
            // A machine without root certificates can still ask a server of its own.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(not_sent)?;
        Ok(self.http.get_or_init(|| http))
    }

    /// The reply to a failed attempt. One that only says that a field is not known is taken as
    /// cancelled by us: it is asked again at once, without that field, which can happen once for
    /// each field and model.
    fn failed(&self, model: &str, form: Form, failure: CallFailure, message: &str) -> Reply {
        if let CallFailure::Status { code: 400, .. } = failure
            && let Some((other, field)) = self.other_form(form, message)
            && self.remember(model, other)
        {
            (self.desk.notify)(Notice::FellBack { model: model.to_owned(), field });
            return Reply::Cancelled;
        }
        let message = self.shown(message);
        match failure {
            CallFailure::Status { code: status, .. } => {
                (self.desk.notify)(Notice::Said { status, message });
            }
            CallFailure::Transport if !message.is_empty() => {
                (self.desk.notify)(Notice::NoConnection { message });
            }
            CallFailure::Transport
            | CallFailure::Cut
            | CallFailure::Timeout
            | CallFailure::Unreadable
            | CallFailure::NotSent
            | CallFailure::NoRoom => {}
        }
        Reply::Failed(failure)
    }

    /// The form to ask in after a 400 that said `message`, and the field it does without.
    fn other_form(&self, form: Form, message: &str) -> Option<(Form, &'static str)> {
        let names =
            |words: &[&'static str]| words.iter().copied().find(|word| message.contains(word));
        let schema_words: &[&str] = match self.options.wire {
            Wire::Anthropic => &anthropic::FORM_WORDS,
            Wire::OpenAi => &openai::FORM_WORDS,
        };
        if let Some(field) = names(schema_words).filter(|_| !form.plain) {
            return Some((Form { plain: true, ..form }, field));
        }
        let field = names(&["max_completion_tokens", "max_tokens"])?;
        let untried = self.options.wire == Wire::OpenAi && form.old_limit == self.first().old_limit;
        untried.then_some((Form { old_limit: !form.old_limit, ..form }, field))
    }

    fn first(&self) -> Form {
        // The newer name of the limit is the provider's own; servers that follow it know the older.
        Form { plain: false, old_limit: self.url.host_str() != Some("api.openai.com") }
    }

    fn form(&self, model: &str) -> Form {
        let forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.get(model).copied().unwrap_or_else(|| self.first())
    }

    /// False when no more can be remembered: then nothing is asked again.
    fn remember(&self, model: &str, form: Form) -> bool {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = forms.len() < FORMS_MAX || forms.contains_key(model);
        if fits {
            forms.insert(model.to_owned(), form);
        }
        fits
    }

    fn redacted(&self, message: &str) -> String {
        match &self.options.api_key {
            Some(key) => key.redact(message),
            None => message.to_owned(),
        }
    }

    /// The beginning of what a provider said, fit for a log line.
    fn shown(&self, message: &str) -> String {
        let blank = |char: char| if char.is_control() { ' ' } else { char };
        let message = self.redacted(message);
        message.trim().chars().map(blank).take(ERROR_CHARS_SHOWN).collect()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An attempt without a 200.
struct Failed {
    failure: CallFailure,
    /// What the provider said, or what stood in the way.
    message: String,
    /// Whether any of it may have left: not while there is no connection.
    sent: bool,
}

fn headers(options: &ModelOptions) -> Result<HeaderMap, OptionsError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (name, prefix) = match options.wire {
        Wire::Anthropic => {
            let version = HeaderName::from_static("anthropic-version");
            headers.insert(version, HeaderValue::from_static(anthropic::VERSION));
            (HeaderName::from_static("x-api-key"), "")
        }
        Wire::OpenAi => (AUTHORIZATION, "Bearer "),
    };
    if let Some(key) = &options.api_key {
        let value = HeaderValue::from_str(&format!("{prefix}{}", key.expose()));
        let mut value = value.map_err(|_| OptionsError::Key)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Before a status nothing is known of an answer, whatever broke.
fn not_sent(error: reqwest::Error) -> Failed {
    let sent = !(error.is_connect() || error.is_builder());
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Failed { failure: CallFailure::Transport, message, sent }
}

async fn read_body(response: &mut reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let failed = |failure| Failed { failure, message: String::new(), sent: true };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| failed(CallFailure::Cut))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(failed(CallFailure::Unreadable));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
