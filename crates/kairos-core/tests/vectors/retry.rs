//! `retry.json`: answers of a provider, one after the other, and what a call made of them.

use kairos_core::cycle::retry::{CallFailure, MAX_ATTEMPTS, Next, after};
use kairos_core::id::EffectId;
use serde_json::Value;

use crate::harness::{Outcome, Rule, run};

static UNANSWERED: Rule = Rule {
    id: "LLM-1",
    reason: "cut connections and unreadable answers were neither tried again nor counted",
};
static UNCAPPED: Rule =
    Rule { id: "LLM-2", reason: "a Retry-After beyond a minute was waited for to the end" };
static LOST_ATTEMPTS: Rule =
    Rule { id: "LLM-3", reason: "a stop between two attempts forgot the attempts already made" };
static OWN_WAIT: Rule = Rule {
    id: "DESIGN-8",
    reason: "a Retry-After shorter than our own wait does not shorten it, also in fractions",
};
static SERVER_ERRORS: Rule = Rule {
    id: "RETRY-503",
    reason: "Retry-After was ignored on 503, though it says the same there",
};

#[test]
fn retry() {
    run("retry.json", check);
}

/// How a call ended and what it took.
#[derive(Debug, PartialEq)]
struct Called {
    /// `ok`, or the last status and whether later attempts may succeed.
    end: Result<(), (Option<u64>, bool)>,
    attempts: usize,
    waits: Vec<u64>,
}

fn check(case: &Value) -> Outcome {
    let responses = case["input"]["responses"].as_array().expect("responses");
    let expected = &case["expected"];
    let requests = index(&expected["http_requests"]);
    let called = call(responses);
    match expected["outcome"].as_str().expect("an outcome") {
        "ok" | "LlmCallError" => {}
        "DaemonLlmCaller::ShutdownRequested" => return interrupted(responses, requests, expected),
        _ => {
            let first = Next::Retry { wait_ms: 0 };
            let again = next(failure(&responses[0]).expect("no answer"), 1);
            let same = std::mem::discriminant(&again) == std::mem::discriminant(&first);
            let outcome = Outcome::equal(&(same, called.waits.is_empty()), &(true, false));
            return deviates(outcome, &UNANSWERED);
        }
    }
    let end = match expected["outcome"].as_str() {
        Some("ok") => Ok(()),
        _ => Err((expected["http_code"].as_u64(), expected["retryable"] == true)),
    };
    let counted = index(&expected["usage"]["llm_calls"]);
    let ours = (&called.end, called.attempts, called.attempts);
    match Outcome::equal(&ours, &(&end, requests, counted)) {
        Outcome::Pass => judge_waits(&called, &responses[..called.attempts], expected),
        outcome => outcome,
    }
}

/// Follows the rule through the answers until it ends or they do.
fn call(responses: &[Value]) -> Called {
    let mut waits = Vec::new();
    for (attempts, response) in (1..).zip(responses) {
        let Some(failed) = failure(response) else {
            return Called { end: Ok(()), attempts, waits };
        };
        let code = response["status"].as_u64();
        match next(failed, u8::try_from(attempts).expect("few responses")) {
            Next::Retry { wait_ms } => waits.push(wait_ms),
            Next::Park => return Called { end: Err((code, true)), attempts, waits },
            Next::Fail => return Called { end: Err((code, false)), attempts, waits },
        }
    }
    Called { end: Err((None, true)), attempts: responses.len(), waits }
}

fn next(failure: CallFailure, attempts_made: u8) -> Next {
    after(failure, attempts_made, EffectId::from_u128(u128::from(attempts_made)))
}

/// What the performer would make of a recorded answer; none if it is one to use.
fn failure(response: &Value) -> Option<CallFailure> {
    match response["raise"].as_str() {
        Some("Net::ReadTimeout") => return Some(CallFailure::Timeout),
        Some(_) => return Some(CallFailure::Transport),
        None => {}
    }
    let code = response["status"].as_u64().and_then(|n| u16::try_from(n).ok()).expect("a status");
    if code != 200 {
        let retry_after_ms = retry_after(response).map(|seconds| seconds * 1000);
        return Some(CallFailure::Status { code, retry_after_ms });
    }
    let body = response["body"].as_str().expect("a body");
    let readable = serde_json::from_str::<Value>(body).is_ok_and(|read| read.is_object());
    (!readable).then_some(CallFailure::Unreadable)
}

/// Whole seconds, as the header is defined.
fn retry_after(response: &Value) -> Option<u64> {
    response["headers"]["retry-after"].as_str()?.trim().parse().ok()
}

/// Both stopped after the same attempts; the recorded total must be ours but for the jitter
/// (LLM-5), or a rule says why it is not.
fn judge_waits(called: &Called, answers: &[Value], expected: &Value) -> Outcome {
    let recorded = expected["total_sleep"].as_f64().expect("seconds") * 1000.0;
    let ours = called.waits.iter().sum::<u64>() as f64;
    if ours >= recorded * 0.8 && ours <= recorded * 1.2 {
        return Outcome::Pass;
    }
    let asked = |answer: &Value| answer["headers"]["retry-after"].as_str().is_some();
    let longer = ours > recorded;
    let after_server_error =
        answers.iter().any(|answer| asked(answer) && answer["status"].as_u64() == Some(503));
    let beyond = answers.iter().any(|answer| retry_after(answer).is_some_and(|s| s > 60));
    match answers.iter().any(asked) {
        true if !longer && beyond => Outcome::Deviation(&UNCAPPED),
        true if longer && after_server_error => Outcome::Deviation(&SERVER_ERRORS),
        true if longer => Outcome::Deviation(&OWN_WAIT),
        _ => Outcome::Mismatch(format!("waited {ours} ms, recorded {recorded} ms")),
    }
}

/// A stop is the engine's affair. What the rule owes it: every attempt before the stop was one to
/// be followed by another, and each one counts.
fn interrupted(responses: &[Value], requests: usize, expected: &Value) -> Outcome {
    let retried = (1..).zip(&responses[..requests]).all(|(attempts, response)| {
        attempts < MAX_ATTEMPTS
            && failure(response)
                .is_some_and(|failed| matches!(next(failed, attempts), Next::Retry { .. }))
    });
    let counted = index(&expected["usage"]["llm_calls"]);
    match Outcome::equal(&(retried, counted), &(true, 0)) {
        Outcome::Pass if requests > 0 => Outcome::Deviation(&LOST_ATTEMPTS),
        outcome => outcome,
    }
}

fn deviates(outcome: Outcome, rule: &'static Rule) -> Outcome {
    match outcome {
        Outcome::Pass => Outcome::Deviation(rule),
        other => other,
    }
}

fn index(value: &Value) -> usize {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).expect("a small number")
}
