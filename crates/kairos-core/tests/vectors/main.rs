//! The predecessor's recorded cases against the rules.

#[path = "../../../../vectors/harness.rs"]
mod harness;

mod budget;
mod canonical;
mod cron;
mod edit_kernel;
mod retry;
mod scope;
mod task_dag;
