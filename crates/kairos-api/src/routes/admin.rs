//! Reload and shutdown.

use axum::Json;
use axum::extract::State;
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

async fn order(door: &Door, control: Control) -> Result<Json<Ordered>, Refusal> {
    let command = door.handle.control(control).await?;
    Ok(Json(Ordered { enqueued: true, command_id: command.to_string() }))
}
