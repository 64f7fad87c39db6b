//! Telling a model call to stop.
//!
//! Owns the pair of ends. Never decides when: the assembly keeps the [`Cancel`] of each open call by
//! its effect and pulls it for `Call::Cancel` and for a drain.

use tokio::sync::watch;

/// The end that stops. Dropping it stops nothing.
#[derive(Debug)]
pub struct Cancel(watch::Sender<bool>);

/// The end a call listens to. Clones stop together.
#[derive(Clone, Debug)]
pub struct CancelToken(watch::Receiver<bool>);

/// Makes the two ends.
#[must_use]
pub fn pair() -> (Cancel, CancelToken) {
    let (sender, receiver) = watch::channel(false);
    (Cancel(sender), CancelToken(receiver))
}

impl Cancel {
    /// Stops the call, now or as soon as it begins.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl CancelToken {
    /// Comes back once the call is to stop; never when the other end was dropped.
    pub async fn cancelled(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
