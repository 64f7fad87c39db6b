//! The predecessor's recorded cases against the rules.

#[path = "../../../../vectors/harness.rs"]
mod harness;

mod canonical;
mod edit_kernel;
mod scope;
mod task_dag;
