//! One turn: inputs are decided and recorded, one commit makes them durable, and only then do
//! permits and answers leave.
//!
//! Owns that order and nothing else; a plain function, so the engine's thread and a simulator drive
//! the very same one. Never waits, never performs, never reads a clock: time comes with the
//! circumstances.

use std::sync::Arc;

use kairos_core::decide::{self, decide};
use kairos_core::digest::Digest;
use kairos_core::effect::{Effect, Failure, Outcome};
use kairos_core::erasure::of_spec;
use kairos_core::event::{Event, Origin};
use kairos_core::fold::{Fold, Seq};
use kairos_core::id::{CommandId, MandateId};
use kairos_core::input::{Alarm, Input, Now, Pace, Verb};
use kairos_core::principal::Principal;
use kairos_core::space::Shortage;
use kairos_core::state::State;
use kairos_disk::{Blobs, Fs, RealFs};
use kairos_journal::{Permit, Poisoned, Record, RecordError, Room};
use tokio::sync::oneshot;

use crate::answer::{Accepted, Subject, SubmitError};
use crate::calendar::Calendar;
use crate::inbox::{Asked, Ended, Inbox, TURN_MAX};
use crate::poison;

/// The journal and the state of a daemon.
pub type Ledger<D, F = State> = kairos_journal::Ledger<F, Answer, D>;

/// A fold of a daemon's events, with the state they lead to: [`State`] itself, or one that looks
/// on while it folds, as a simulator does.
pub trait Folding: Fold<Event = Event, Effect = Effect> + AsRef<State> {}

impl<F: Fold<Event = Event, Effect = Effect> + AsRef<State>> Folding for F {}

/// A durable record, on its way to everybody who follows.
pub type Shown = Arc<Record<Event>>;

/// What stands for an outcome that no frame can hold.
const TOO_LARGE: Outcome = Outcome::Failed(Failure::Oversize);

/// Due things one turn takes; the rest wait for the next one.
const DUE_MAX: usize = 1_024;

/// How far a turn grows by what is asked while it is taken.
const ASKED_MAX: usize = TURN_MAX / 2;

/// An answer on its way to whoever asked.
#[derive(Debug)]
pub struct Answer {
    to: oneshot::Sender<Result<Accepted, SubmitError>>,
    with: Result<Accepted, SubmitError>,
}

/// What one turn is given, in the order it is taken.
#[derive(Debug, Default)]
pub struct Inputs {
    /// From the daemon itself: start, configuration, open ends.
    pub own: Vec<Input>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) decisions: Vec<Asked>,
    pub(crate) commands: Vec<Asked>,
    /// Where more may be asked while the turn is taken.
    pub(crate) inbox: Option<Arc<Inbox>>,
    /// Where the texts lie that are named; what was erased since it was stored is refused.
    pub(crate) blobs: Option<Arc<Blobs<RealFs>>>,
    /// Which mandates may start: all, or one only.
    pub admit: Admit,
    /// Append an empty frame if the durable mark lags.
    pub mark: bool,
}

impl Inputs {
    /// Adds what a person asks. The answer comes with the commit, or never, if that fails.
    pub fn ask(
        &mut self,
        by: Principal,
        verb: Verb,
        command: CommandId,
    ) -> oneshot::Receiver<Result<Accepted, SubmitError>> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { by, verb, command, answer };
        let queue = if asked.is_decision() { &mut self.decisions } else { &mut self.commands };
        queue.push(asked);
        answered
    }
}

/// Which waiting mandates may start in a turn, and whether slots are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admit {
    #[default]
    All,
    /// A `once`: no slots, and no other mandate.
    Only(Option<MandateId>),
}

/// What a turn left behind, besides what it dispatched and answered.
pub struct Turned<D: Fs, F: Folding = State> {
    pub ledger: Ledger<D, F>,
    pub records: Vec<Shown>,
    /// Whether the journal's next segment could not be made, so that no new work was taken.
    pub tight: bool,
}

/// Where a turn lets things go, each only once it is true on disk. Neither may block.
pub struct Exits<'a, F: Folding = State> {
    /// Shows records, and the state they led to. Comes before the answers that speak of them.
    pub publish: &'a mut dyn FnMut(&[Shown], &State),
    /// Hands a permit over.
    pub dispatch: &'a mut dyn FnMut(Permit<F>),
}

impl<F: Folding> std::fmt::Debug for Exits<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exits")
    }
}

impl<D: Fs, F: Folding> std::fmt::Debug for Turned<D, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turned").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

/// Takes one turn.
///
/// # Errors
/// The disk failed, and the ledger with it: nothing of this turn left. Only a new start can tell
/// what is true.
pub fn turn<D: Fs + 'static, F: Folding>(
    ledger: Ledger<D, F>,
    inputs: Inputs,
    now: &mut dyn FnMut() -> Now,
    calendar: &Calendar,
    exits: Exits<'_, F>,
) -> Result<Turned<D, F>, Poisoned> {
    let mut turn = Turn { ledger, records: Vec::new(), exits, blobs: inputs.blobs, tight: false };
    for input in inputs.own {
        turn = turn.own(&input, &now())?;
    }
    let ended = inputs.ended.len();
    for ended in inputs.ended {
        let (effect, outcome) = ended.into_parts();
        turn = turn.own(&Input::Settled { effect, outcome }, &now())?;
    }
    turn = match inputs.admit {
        Admit::All => turn.due(now, calendar)?,
        Admit::Only(Some(mandate)) => turn.due_of(mandate, &now())?,
        Admit::Only(None) => turn,
    };
    let room = ASKED_MAX.min(TURN_MAX.saturating_sub(ended));
    let room = room.saturating_sub(inputs.decisions.len() + inputs.commands.len());
    for asked in inputs.decisions.into_iter().chain(inputs.commands) {
        turn = turn.asked(asked, &now())?;
    }
    if let Some(inbox) = inputs.inbox {
        turn = turn.late(&inbox, room, now)?;
    }
    turn = turn.admit(inputs.admit, now)?;
    if inputs.mark && turn.ledger.mark_lags() {
        turn = turn.record(&now(), Vec::new())?.0;
    }
    turn.commit()
}

struct Turn<'a, D: Fs, F: Folding> {
    ledger: Ledger<D, F>,
    records: Vec<Shown>,
    exits: Exits<'a, F>,
    blobs: Option<Arc<Blobs<RealFs>>>,
    tight: bool,
}

impl<D: Fs + 'static, F: Folding> Turn<'_, D, F> {
    fn state(&self) -> &State {
        self.ledger.state().as_ref()
    }

    /// Whether what is left of the journal is for work that has begun.
    fn is_tight(&mut self, now: &Now) -> bool {
        let tight = matches!(self.ledger.room(now.time), Room::Tight { .. });
        self.tight |= tight;
        tight
    }

    /// The circumstances with what is left of the journal among them.
    fn with_room(&mut self, now: Now) -> Now {
        match now.pace {
            Pace::Running if self.is_tight(&now) => {
                Now { pace: Pace::Low(Shortage::Segment), ..now }
            }
            Pace::Running | Pace::Low(_) | Pace::Draining => now,
        }
    }

    /// An input that no person waits for: decided and recorded, never refused. What happened must be
    /// recorded: without room for it only a restart helps, and recovery finds out what happened.
    /// What is only due comes again.
    fn own(mut self, input: &Input, now: &Now) -> Result<Self, Poisoned> {
        if matches!(input, Input::Space { .. }) && self.is_tight(now) {
            // That there is no room must not need any. It is told without a record, too.
            return Ok(self);
        }
        poison::folding(decide::subject(self.state(), input, now));
        let decided = decide(self.state(), input, now);
        match decided {
            Ok(events) if !events.is_empty() => {
                let (turn, recorded) = self.record(now, events)?;
                match (recorded, input) {
                    (Ok(_), _) => Ok(turn),
                    (Err(RecordError::Oversize { .. }), Input::Settled { effect, outcome })
                        if *outcome != TOO_LARGE =>
                    {
                        // One mandate's answer may cost that mandate, never the daemon.
                        turn.own(&Input::Settled { effect: *effect, outcome: TOO_LARGE }, now)
                    }
                    // What is not recorded is not deleted, and found again.
                    // What is not recorded as erased is erased once more by the next start.
                    // How the clock stands is found again by each turn until it is.
                    (
                        Err(RecordError::NoRoom { .. }),
                        Input::Delete { .. }
                        | Input::Erased { .. }
                        | Input::ClockStepped { .. }
                        | Input::ClockSettled
                        | Input::Due(_)
                        | Input::Changed { .. },
                    ) => Ok(turn),
                    (Err(error), _) => Err(unrecordable(error)),
                }
            }
            Ok(_) | Err(_) => Ok(self),
        }
    }

    /// A command: recorded and acknowledged, or refused; either answer waits for the commit. Without
    /// room for the next segment only what makes a mandate is held back: the rest ends or goes on
    /// with what has begun, or is known already.
    fn asked(mut self, asked: Asked, now: &Now) -> Result<Self, Poisoned> {
        let Asked { by, verb, command, answer } = asked;
        let now = &self.with_room(*now);
        let input = Input::Command { by, verb };
        let decided;
        (self, decided) = self.decided(&input, now)?;
        let Input::Command { verb, .. } = &input else { return Ok(self) };
        let with = match decided {
            Err(error) => Err(error),
            Ok(events) => {
                let subject = subject(verb, &events, self.state());
                let command = recorded(&events).unwrap_or(command);
                let new = !events.is_empty();
                let seq = if !new {
                    Ok(self.ledger.head())
                } else {
                    let (turn, recorded) = self.record(now, events)?;
                    self = turn;
                    recorded.map_err(|error| refused(&error))
                };
                seq.map(|seq| Accepted { seq, subject, command, recorded: new })
            }
        };
        self.ledger.hold(Answer { to: answer, with });
        Ok(self)
    }

    /// What was asked meanwhile joins the turn: whoever has the last turn's answer and asks again
    /// need not wait for two syncs. Never waits for it.
    fn late(
        mut self,
        inbox: &Inbox,
        mut room: usize,
        now: &mut dyn FnMut() -> Now,
    ) -> Result<Self, Poisoned> {
        loop {
            let late = inbox.take_asked(room);
            if late.is_empty() {
                return Ok(self);
            }
            room -= late.len();
            for asked in late {
                self = self.asked(asked, &now())?;
            }
        }
    }

    /// What follows from a command. A fire that has more to replace than one frame can stop comes
    /// after frames that only stop; each of them leaves less. Whether it is refused is decided before
    /// the first of them: only a disk that fills up meanwhile can do so later.
    fn decided(
        mut self,
        input: &Input,
        now: &Now,
    ) -> Result<(Self, Result<Vec<Event>, SubmitError>), Poisoned> {
        loop {
            poison::folding(decide::subject(self.state(), input, now));
            let decided = decide(self.state(), input, now).map_err(SubmitError::Refused);
            let Ok(events) = decided else { return Ok((self, decided)) };
            if let Some(shortage) = held_back(input, &events, now) {
                return Ok((self, Err(SubmitError::NoSpace(shortage))));
            }
            if let Some(blob) = self.gone(input, &events) {
                return Ok((self, Err(SubmitError::Erased { blob })));
            }
            if !only_stops(input, &events) {
                return Ok((self, Ok(events)));
            }
            let (turn, recorded) = self.record(now, events)?;
            self = turn;
            if let Err(error) = recorded {
                return Ok((self, Err(refused(&error))));
            }
        }
    }

    /// The first text of the mandate that a command makes which went after it was stored for it. One
    /// that is on its way out the rules refuse, so none goes between this look and the record.
    fn gone(&self, input: &Input, events: &[Event]) -> Option<Digest> {
        let blobs = self.blobs.as_ref()?;
        let Input::Command { verb, .. } = input else { return None };
        let created = |event: &Event| matches!(event, Event::MandateCreated { .. });
        // Though this frame may only stop what is replaced.
        if !only_stops(input, events) && !events.iter().any(created) {
            return None;
        }
        let of_schedule = |name| Some(&self.state().schedule(name)?.definition.spec);
        let (spec, body) = match verb {
            Verb::Create { spec, .. } => (spec.as_ref(), None),
            Verb::Fire { schedule, .. } => (of_schedule(schedule)?, None),
            Verb::Deliver { schedule, body, .. } => (of_schedule(schedule)?, *body),
            _ => return None,
        };
        let mut texts = of_spec(spec).chain(body).map(|text| text.digest);
        texts.find(|text| blobs.is_erased(text.as_bytes()))
    }

    /// Takes what is due, the earliest first. What brings no event is left for a later turn, and so
    /// are slots in a drain or when the disk has no room for new work: their schedule's cursor stays,
    /// and what was missed is decided when there is, or by the next start. However many wait for a
    /// look at their condition, they take nobody's place.
    fn due(mut self, now: &mut dyn FnMut() -> Now, calendar: &Calendar) -> Result<Self, Poisoned> {
        let (mut left, mut taken) = (None, 0);
        while taken < DUE_MAX {
            let now = now();
            let waits = self.is_tight(&now) || now.pace != Pace::Running;
            let due = self.state().due_after(left.as_ref(), now.time, !waits);
            let Some((at, alarm)) = due else { break };
            let input = match &alarm {
                Alarm::Schedule(name) if calendar.waits(self.state(), name, now.time) => {
                    left = Some((at, alarm));
                    continue;
                }
                Alarm::Schedule(name) => {
                    // No mandate's doing, whatever the calendar does.
                    poison::folding(None);
                    calendar.due(self.state(), name, now.time)
                }
                Alarm::Day | Alarm::Mandate(_) | Alarm::Key(_) => Some(Input::Due(alarm.clone())),
            };
            taken += 1;
            let before = self.ledger.head();
            if let Some(input) = input {
                self = self.own(&input, &now)?;
            }
            if self.ledger.head() == before {
                left = Some((at, alarm));
            }
        }
        self.changed(now, calendar)
    }

    /// Takes what changed among the files that schedules watch; what has no room is found again.
    fn changed(
        mut self,
        now: &mut dyn FnMut() -> Now,
        calendar: &Calendar,
    ) -> Result<Self, Poisoned> {
        for input in calendar.watched.changed(self.state()) {
            let now = now();
            if self.is_tight(&now) || now.pace != Pace::Running {
                break;
            }
            self = self.own(&input, &now)?;
        }
        Ok(self)
    }

    /// What is due of one mandate.
    fn due_of(self, mandate: MandateId, now: &Now) -> Result<Self, Poisoned> {
        let due = self.state().due_of(mandate).is_some_and(|at| at <= now.time);
        if due { self.own(&Input::Due(Alarm::Mandate(mandate)), now) } else { Ok(self) }
    }

    fn admit(mut self, admit: Admit, now: &mut dyn FnMut() -> Now) -> Result<Self, Poisoned> {
        let only = match admit {
            Admit::All => None,
            Admit::Only(None) => return Ok(self),
            Admit::Only(only) => only,
        };
        // Bounded by `max_running`: each round starts or resumes one mandate.
        for _ in 0..DUE_MAX {
            let (before, now) = (self.ledger.head(), now());
            if self.is_tight(&now) {
                break;
            }
            self = self.own(&Input::Admit { only }, &now)?;
            if self.ledger.head() == before {
                break;
            }
        }
        Ok(self)
    }

    /// Records one frame, committing first when the turn is full.
    fn record(
        mut self,
        now: &Now,
        events: Vec<Event>,
    ) -> Result<(Self, Result<Seq, RecordError>), Poisoned> {
        if let Room::TurnFull = self.ledger.room(now.time) {
            self = self.release()?;
        }
        let recorded = self.ledger.record(now.time, events);
        Ok((self, recorded))
    }

    /// Commits, and lets go what the commit releases.
    fn release(self) -> Result<Self, Poisoned> {
        let Self { ledger, mut records, exits, blobs, tight } = self;
        let (ledger, released) = ledger.commit()?;
        let shown: Vec<_> = released.records.into_iter().map(Arc::new).collect();
        (exits.publish)(&shown, ledger.state().as_ref());
        records.extend(shown);
        for permit in released.permits {
            poison::folding(Some(permit.effect().mandate()));
            (exits.dispatch)(permit);
        }
        poison::folding(None);
        for answer in released.answers {
            // Whoever asked may have gone; the record stands.
            answer.to.send(answer.with).ok();
        }
        Ok(Self { ledger, records, exits, blobs, tight })
    }

    fn commit(self) -> Result<Turned<D, F>, Poisoned> {
        let Self { ledger, records, tight, .. } = self.release()?;
        poison::folding(None);
        Ok(Turned { ledger, records, tight })
    }
}

/// The shortage of room that keeps a command from making what it would make. One that makes nothing
/// new is answered.
fn held_back(input: &Input, events: &[Event], now: &Now) -> Option<Shortage> {
    let Input::Command { verb, .. } = input else { return None };
    match (verb, now.pace) {
        (Verb::Create { .. } | Verb::Fire { .. } | Verb::Deliver { .. }, Pace::Low(shortage)) => {
            (!events.is_empty()).then_some(shortage)
        }
        _ => None,
    }
}

fn unrecordable(error: RecordError) -> Poisoned {
    Poisoned { doing: "record what happened", source: std::io::Error::other(error) }
}

/// Why a command was not recorded.
const fn refused(error: &RecordError) -> SubmitError {
    match error {
        RecordError::NoRoom { .. } => SubmitError::NoSpace(Shortage::Segment),
        RecordError::Oversize { .. } | RecordError::TurnFull | RecordError::Encode { .. } => {
            SubmitError::TooLarge
        }
    }
}

/// Whether a fire has yet to come.
fn only_stops(input: &Input, events: &[Event]) -> bool {
    let fires =
        matches!(input, Input::Command { verb: Verb::Fire { .. } | Verb::Deliver { .. }, .. });
    let fate = |event: &Event| matches!(event, Event::Slot { .. });
    fires && !events.is_empty() && !events.iter().any(fate)
}

/// The command's id as the journal has it.
fn recorded(events: &[Event]) -> Option<CommandId> {
    events.iter().find_map(|event| match event {
        Event::MandateCreated { origin: Origin::Command { command, .. }, .. } => Some(*command),
        _ => None,
    })
}

/// The mandate that these events make.
fn made(events: &[Event]) -> Option<MandateId> {
    events.iter().find_map(|event| match event {
        Event::MandateCreated { mandate, .. } => Some(*mandate),
        _ => None,
    })
}

/// What a command was about: what it made, or what it named.
fn subject(verb: &Verb, events: &[Event], state: &State) -> Option<Subject> {
    match verb {
        Verb::Create { key, .. } | Verb::Fire { key, .. } => {
            made(events).or_else(|| state.keyed(key.as_ref()?.key)).map(Subject::Mandate)
        }
        Verb::Deliver { key, .. } => {
            made(events).or_else(|| state.keyed(key.key)).map(Subject::Mandate)
        }
        Verb::Stop { mandate } => Some(Subject::Mandate(*mandate)),
        Verb::Decide { proposal, .. } => Some(Subject::Proposal(*proposal)),
        Verb::Judge { effect, .. } => Some(Subject::Effect(*effect)),
        Verb::Erase { blob, .. } => Some(Subject::Blob(*blob)),
        Verb::Pause { .. } | Verb::Resume { .. } | Verb::ConfirmClock => None,
    }
}

impl Ended {
    fn into_parts(self) -> (kairos_core::id::EffectId, Outcome) {
        match self {
            Self::Settled(settled) => {
                let (effect, outcome): (Effect, Outcome) = settled.into_parts();
                (effect.id(), outcome)
            }
            Self::Dropped { effect, outcome } => (effect, *outcome),
        }
    }
}

#[cfg(test)]
mod tests;
