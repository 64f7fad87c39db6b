//! Asking a model, within the budget.
//!
//! Owns reservation: the worst case is held before a request leaves, in the frame that lets it
//! leave. Never sends anything.

use crate::budget::{Amounts, Budget, Price};
use crate::cycle::brief;
use crate::cycle::phase::Phase;
use crate::effect::Intent;
use crate::event::Event;
use crate::mandate::outcome::ParkReason;
use crate::mandate::standing::Mandate;
use crate::state::State;

use super::draft::Draft;

/// How long a mandate waits for what other calls hold of the day's budget.
const HELD_WAIT_MS: u64 = 30_000;

/// How long a mandate waits for a model to be configured again.
const NO_MODEL_WAIT_MS: u64 = 60_000;

/// Begins an attempt or parks for the budget; false when the next attempt's time has not come.
pub(super) fn ask(draft: &mut Draft<'_>, phase: Phase) -> bool {
    let Some(cycle) = &draft.mandate.cycle else { return false };
    if cycle.call.delayed.is_some_and(|until| until > draft.now.time) {
        return false;
    }
    let attempt = cycle.call.attempts.saturating_add(1);
    let mandate = draft.id();
    let Some(price) = price(draft.state, &draft.mandate) else {
        // A reload took the model or its price away; another one may bring it back.
        let until = Some(draft.now.time.plus_ms(NO_MODEL_WAIT_MS));
        draft.emit(Event::MandateParked { mandate, reason: ParkReason::Provider, until });
        return true;
    };
    let believed = draft.state.clock.is_none();
    if draft.budget.day.is_none_or(|day| day < draft.now.day && believed) {
        draft.emit(Event::DayBegan { day: draft.now.day, ends: draft.now.day_ends });
    }
    let amounts = worst_case(draft.state, &draft.mandate, phase, price);
    let day_fits = draft
        .state
        .rules
        .as_ref()
        .is_some_and(|rules| draft.budget.fits(&rules.day, amounts).is_ok());
    let own_fits = amounts.usd_micros <= draft.usd_micros_left();
    if day_fits && own_fits {
        let effect = draft.ids().effect();
        draft.emit(Event::BudgetReserved { mandate, effect, amounts, price });
        draft.begin_as(effect, Intent::Ask { phase, attempt });
    } else {
        // A new day brings nothing for a mandate at its own cap; a raised cap does. What other calls
        // hold comes back when they settle.
        let alone = Budget { held: Amounts::default(), ..draft.budget };
        let rules = draft.state.rules.as_ref();
        let soon = rules.is_some_and(|rules| alone.fits(&rules.day, amounts).is_ok());
        let until = if soon { draft.now.time.plus_ms(HELD_WAIT_MS) } else { draft.now.day_ends };
        let until = own_fits.then_some(until);
        draft.emit(Event::MandateParked { mandate, reason: ParkReason::Budget, until });
    }
    true
}

/// What a call can cost at most.
fn worst_case(state: &State, mandate: &Mandate, phase: Phase, price: Price) -> Amounts {
    let model = state.rules.as_ref().and_then(|rules| rules.model.as_ref());
    let output = model.map_or(0, |model| u64::from(model.output_tokens_max));
    let text_bytes = brief::of(mandate, phase).bytes_max();
    price.reservation(text_bytes, output)
}

/// The price of the mandate's model; `None` without a model, or when nobody said what it costs.
fn price(state: &State, mandate: &Mandate) -> Option<Price> {
    let model = state.rules.as_ref()?.model.as_ref()?;
    model.price_of(mandate.spec.model.as_deref().unwrap_or(&model.name))
}
