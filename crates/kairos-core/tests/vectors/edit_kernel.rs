//! `edit_kernel.json`, measured by its `expected_literal_bytes`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_core::digest::Digest;
use kairos_core::edit::{EditError, Occurrences, apply};
use serde_json::{Value, json};

use crate::harness::{Outcome, Rule, run};

static CRLF: Rule = Rule {
    id: "DESIGN-6",
    reason: "a file whose line ends are all CRLF keeps them: a bare \\n in an edit means CRLF",
};

#[test]
fn edit_kernel() {
    run("edit_kernel.json", check);
}

fn check(case: &Value) -> Outcome {
    let input = &case["input"];
    let recorded = &case["expected_literal_bytes"];
    let (Some(old), Some(new)) = (input["old_string"].as_str(), input["new_string"].as_str())
    else {
        // An edit without a text cannot be written down here, so it is refused at the door.
        return Outcome::equal(&Value::Null, recorded);
    };
    let content = STANDARD.decode(input["content_b64"].as_str().expect("content")).expect("base64");
    let all = input["replace_all"] == true;
    let which = if all { Occurrences::All } else { Occurrences::One };
    let result = apply(&content, old, new, which);
    let ours = match &result {
        Ok(edited) => json!({
            "occurrences": edited.occurrences,
            "pre_hash": format!("sha256:{}", Digest::of(&content)),
            "post_hash": format!("sha256:{}", Digest::of(&edited.bytes)),
        }),
        Err(EditError::NotFound) => json!({"error": "NotFound"}),
        Err(EditError::NotUnique { count }) => json!({"error": "Ambiguous", "occurrences": count}),
        Err(EditError::EmptyOld | EditError::Unchanged) => Value::Null,
        Err(EditError::TooLarge { .. }) => json!({"error": "TooLarge"}),
    };
    let kept = result.is_ok_and(|edited| crlf_only(&edited.bytes));
    match Outcome::equal(&ours, recorded) {
        Outcome::Mismatch(_) if kept && crlf_only(&content) && bare_newline(old, new) => {
            Outcome::Deviation(&CRLF)
        }
        outcome => outcome,
    }
}

fn crlf_only(content: &[u8]) -> bool {
    let count = |end: &[u8]| content.windows(end.len()).filter(|bytes| *bytes == end).count();
    count(b"\n") > 0 && count(b"\n") == count(b"\r\n")
}

fn bare_newline(old: &str, new: &str) -> bool {
    [old, new].iter().any(|text| text.replace("\r\n", "").contains('\n'))
}
