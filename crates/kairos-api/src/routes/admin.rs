//! Reload and shutdown.

use axum::Json;
use axum::extract::State;
use kairos_engine::Control;
use kairos_wire::admin::Ordered;

use crate::door::Door;
use crate::problem::Refusal;

pub(crate) async fn reload(State(door): State<Door>) -> Result<Json<Ordered>, Refusal> {
    door.handle.control(Control::Reload).await?;
    Ok(Json(Ordered { enqueued: true }))
}

pub(crate) async fn shutdown(State(door): State<Door>) -> Result<Json<Ordered>, Refusal> {
    door.handle.control(Control::Shutdown).await?;
    Ok(Json(Ordered { enqueued: true }))
}
