//! `llm_parse.json`: which JSON stands in what a model wrote.

#[path = "../../../vectors/harness.rs"]
mod harness;

use harness::{Outcome, Rule, run};
use kairos_core::canonical::Tree;
use kairos_effects::model::extract::object;

static PROSE: Rule = Rule {
    id: "LLM-6",
    reason: "prose around the object is left out, and fence markers inside strings are kept",
};

static OBJECT: Rule = Rule {
    id: "DESIGN-8",
    reason: "an answer is an object: a list, a text or a number alone is no answer",
};

static STRICT: Rule =
    Rule { id: "RFC-8259", reason: "an escape that JSON does not have makes the text no JSON" };

#[test]
fn llm_parse() {
    run("llm_parse.json", |case| {
        let content = case["input"]["content"].as_str();
        let expected = &case["expected"];
        let parsed = expected.get("parsed");
        let Some(content) = content else {
            return Outcome::equal(&parsed.is_none(), &true);
        };
        let ours = object(content);
        match (ours, parsed) {
            (Ok(tree), Some(parsed)) => {
                let same = serde_json::from_str(&tree.to_string())
                    .is_ok_and(|ours: serde_json::Value| ours == *parsed);
                if same {
                    Outcome::Pass
                } else if content.contains("```") {
                    Outcome::Deviation(&PROSE)
                } else {
                    Outcome::Mismatch(format!("ours {tree}"))
                }
            }
            (Err(_), None) => Outcome::Pass,
            (Ok(_), None) if content.contains('{') && Tree::parse(content).is_err() => {
                Outcome::Deviation(&PROSE)
            }
            (Err(_), Some(parsed)) if !parsed.is_object() => Outcome::Deviation(&OBJECT),
            (Err(_), Some(_)) if content.contains('\\') => Outcome::Deviation(&STRICT),
            (ours, parsed) => Outcome::Mismatch(format!("ours {ours:?}, recorded {parsed:?}")),
        }
    });
}
