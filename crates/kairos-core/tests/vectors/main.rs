//! The predecessor's recorded cases against the rules.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the rules are pure; what reads recorded cases from files is not"
)]

#[path = "../../../../vectors/harness.rs"]
mod harness;

mod budget;
mod canonical;
mod cron;
mod edit_kernel;
mod missed;
mod overlap;
mod retry;
mod scope;
mod task_dag;
