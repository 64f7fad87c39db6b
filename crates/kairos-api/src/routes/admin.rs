//! Reload, shutdown, and the clock a person vouches for.

use axum::Json;
use axum::extract::{Extension, State};
use kairos_core::input::Verb;
use kairos_core::principal::Principal;
use kairos_engine::Control;
use kairos_wire::admin::Ordered;

use crate::door::Door;
use crate::problem::Refusal;

pub(crate) async fn reload(State(door): State<Door>) -> Result<Json<Ordered>, Refusal> {
    order(&door, Control::Reload).await
}

pub(crate) async fn shutdown(State(door): State<Door>) -> Result<Json<Ordered>, Refusal> {
    order(&door, Control::Shutdown).await
}

pub(crate) async fn confirm_clock(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
) -> Result<Json<Ordered>, Refusal> {
    let accepted = door.handle.submit(by, Verb::ConfirmClock).await?;
    Ok(Json(Ordered { enqueued: true, command_id: accepted.command.to_string() }))
}

async fn order(door: &Door, control: Control) -> Result<Json<Ordered>, Refusal> {
    let command = door.handle.control(control).await?;
    Ok(Json(Ordered { enqueued: true, command_id: command.to_string() }))
}
