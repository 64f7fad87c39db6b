//! When the engine's thread wakes by itself.
//!
//! Owns what its sleep depends on besides the state: the heartbeat, the room on the disk, both clocks,
//! and the timers that end it. Never decides what is due; the state says that.

use std::sync::Arc;
use std::time::Duration;

use kairos_core::state::State;
use kairos_core::time::Time;

use crate::clocks::Clocks;
use crate::inbox::Inbox;
use crate::room::Room;
use crate::space::Space;
use crate::timers::Timers;
use crate::world::{boot_ms, until};

/// How long something due waits that a turn could not take.
const LEFT_WAIT_MS: u64 = 1000;
const MS_NS: u64 = 1_000_000;

pub(crate) struct Pulse {
    /// When the next heartbeat is due, in milliseconds since the machine was started.
    pub(crate) beat: u64,
    /// When the last turn began, if it recorded nothing.
    pub(crate) fruitless: Option<Time>,
    pub(crate) room: Room,
    pub(crate) clocks: Clocks,
    pub(crate) timers: Timers,
}

impl Pulse {
    /// `passes` is whether what was missed fires nothing.
    pub(crate) fn new(inbox: &Arc<Inbox>, state: &State, space: Space, passes: bool) -> Self {
        let (room, clocks) = (Room::new(space), Clocks::new(state, passes));
        let timers = Timers::new(Arc::clone(inbox));
        Self { beat: boot_ms(), fruitless: None, room, clocks, timers }
    }

    /// How long nothing can be due; the timers are set to its end. `grace` is when a drain ends.
    pub(crate) fn wait(
        &mut self,
        due: Option<Time>,
        grace: Option<u64>,
        tick_interval_ms: u64,
    ) -> Duration {
        let now = boot_ms();
        let at = grace.unwrap_or_else(|| self.looks(now, tick_interval_ms)).min(self.beat);
        let mut at_ns = at.saturating_mul(MS_NS);
        if let Some(due) = due {
            // What a turn saw and left alone has to wait: for room on the disk.
            let left = self.fruitless.is_some_and(|looked| due <= looked);
            let least = if left { now.saturating_add(LEFT_WAIT_MS) } else { 0 };
            let due_ns = self.clocks.last.boot_ns_at(due);
            at_ns = at_ns.min(due_ns.max(least.saturating_mul(MS_NS)));
        }
        self.timers.arm(at_ns, until(at_ns))
    }

    /// When the disk or a clock is to be looked at.
    fn looks(&self, now: u64, tick_interval_ms: u64) -> u64 {
        let ms = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let room = self.room.wait().map(|left| now.saturating_add(ms(left)));
        // Who is told nothing has to look.
        let tick = (!self.timers.can_tell()).then(|| now.saturating_add(tick_interval_ms));
        let settles = self.clocks.clock.settles_ms();
        [room, tick, settles].into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}
