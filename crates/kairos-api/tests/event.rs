//! The public form of records.

use kairos_api::event::public;
use kairos_core::event::Event;
use kairos_core::fold::{At, Seq};
use kairos_core::gate::proposal::Decision;
use kairos_core::id::{MandateId, ProposalId};
use kairos_core::time::Time;
use serde_json::json;

const AT: At = At { seq: Seq(7), time: Time::from_ms(1_500) };

#[test]
fn an_event_says_its_type_and_whose_it_is() {
    let (mandate, proposal) = (MandateId::from_u128(1), ProposalId::from_u128(2));
    let events = [
        Event::DaemonStarted { version: "1".into(), pid: 9, machine: None },
        Event::MandateStarted { mandate },
        Event::Decided {
            mandate,
            proposal,
            decision: Decision::Approve,
            hash: kairos_core::digest::Digest::from_bytes([0; 32]),
            by: "user:ann(1000)".parse().expect("a principal"),
            note: None,
        },
    ];
    let shown = serde_json::to_value(public(AT, &events)).expect("JSON");
    let expected = json!({
        "seq": 7,
        "at": "1970-01-01T00:00:01.500Z",
        "events": [
            {"type": "daemon_started", "version": "1", "pid": 9},
            {"type": "mandate_started", "mandate_id": "00000000000000000000000001"},
            {
                "type": "decided",
                "mandate_id": "00000000000000000000000001",
                "proposal_id": "00000000000000000000000002",
                "decision": "approve",
                "hash": "0".repeat(64),
                "by": "user:ann(1000)",
            },
        ],
    });
    assert_eq!(shown, expected);
}

#[test]
fn an_empty_frame_is_no_event() {
    assert_eq!(public(AT, &[]), None);
}
