//! Ways around the permit that do not compile.
//!
//! Owns nothing but these proofs; there is no code here. Each begins with the same honest world,
//! which compiles:
//!
//! ```
//! use kairos_core::fold::{At, Fold};
//! use kairos_journal::{Ledger, Permit, Poisoned, Settled};
//! # use kairos_disk::RealFs;
//!
//! struct State;
//! struct Effect;
//! impl Fold for State {
//!     type Event = ();
//!     type Effect = Effect;
//!     fn apply(&mut self, _: At, _: &(), out: &mut Vec<Effect>) {
//!         out.push(Effect);
//!     }
//! }
//! type Book = Ledger<State, (), RealFs>;
//!
//! fn perform(permit: Permit<State>) -> Settled<State, bool> {
//!     permit.settle(true)
//! }
//!
//! fn turn(book: Book) -> Result<Book, Poisoned> {
//!     let (book, released) = book.commit()?;
//!     for permit in released.permits {
//!         let (_effect, _outcome) = perform(permit).into_parts();
//!     }
//!     Ok(book)
//! }
//! ```
//!
//! # A permit from nothing
//!
//! ```compile_fail,E0451
//! # use kairos_core::fold::{At, Fold, Seq};
//! # use kairos_core::time::Time;
//! # use kairos_journal::{Lost, Permit};
//! fn forge<F: Fold>(effect: F::Effect, lost: Lost<F>) -> Permit<F> {
//!     Permit { at: At { seq: Seq(1), time: Time::EPOCH }, effect: Some(effect), lost }
//! }
//! ```
//!
//! ```compile_fail,E0624
//! # use kairos_core::fold::{At, Fold, Seq};
//! # use kairos_core::time::Time;
//! # use kairos_journal::{Lost, Permit};
//! fn forge<F: Fold>(effect: F::Effect, lost: Lost<F>) -> Permit<F> {
//!     Permit::new(At { seq: Seq(1), time: Time::EPOCH }, effect, lost)
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn default<T: Default>() -> T {
//!     T::default()
//! }
//! fn forge<F: Fold>() -> Permit<F> {
//!     default()
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn forge<F: Fold>(text: &str) -> Permit<F> {
//!     serde_json::from_str(text).expect("a permit is not JSON")
//! }
//! ```
//!
//! # Two from one
//!
//! ```compile_fail,E0599
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn double<F: Fold>(permit: Permit<F>) -> (Permit<F>, Permit<F>) {
//!     (permit.clone(), permit)
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::{Permit, Settled};
//! fn settle_twice<F: Fold>(permit: Permit<F>) -> [Settled<F, bool>; 2] {
//!     [permit.settle(true), permit.settle(false)]
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn release_twice<F: Fold>(permits: Vec<Permit<F>>, perform: fn(Permit<F>)) {
//!     permits.into_iter().for_each(perform);
//!     permits.into_iter().for_each(perform);
//! }
//! ```
//!
//! # The effect without the permit
//!
//! ```compile_fail,E0616
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn strip<F: Fold>(permit: Permit<F>) -> Option<F::Effect> {
//!     permit.effect
//! }
//! ```
//!
//! ```compile_fail,E0507
//! # use kairos_core::fold::Fold;
//! # use kairos_journal::Permit;
//! fn strip<F: Fold>(permit: &Permit<F>) -> F::Effect {
//!     *permit.effect()
//! }
//! ```
//!
//! # An outcome from nothing
//!
//! ```compile_fail,E0451
//! # use kairos_core::fold::{At, Fold, Seq};
//! # use kairos_core::time::Time;
//! # use kairos_journal::Settled;
//! fn forge<F: Fold>(effect: F::Effect) -> Settled<F, bool> {
//!     Settled { at: At { seq: Seq(1), time: Time::EPOCH }, effect, outcome: true }
//! }
//! ```
//!
//! # A permit of another fold
//!
//! The forger's own fold over a disk that keeps nothing makes permits, but of the wrong type:
//!
//! ```compile_fail,E0308
//! # use kairos_core::fold::{At, Fold};
//! # use kairos_journal::Permit;
//! struct State;
//! struct Forger;
//! struct Effect;
//! # impl Fold for State {
//! #     type Event = ();
//! #     type Effect = Effect;
//! #     fn apply(&mut self, _: At, _: &(), _: &mut Vec<Effect>) {}
//! # }
//! # impl Fold for Forger {
//! #     type Event = ();
//! #     type Effect = Effect;
//! #     fn apply(&mut self, _: At, _: &(), _: &mut Vec<Effect>) {}
//! # }
//! fn launder(permit: Permit<Forger>) -> Permit<State> {
//!     permit
//! }
//! ```
//!
//! # Out of the ledger before the commit
//!
//! ```compile_fail,E0616
//! # use kairos_core::fold::{At, Fold};
//! # use kairos_disk::RealFs;
//! # use kairos_journal::Ledger;
//! fn early<F: Fold>(book: Ledger<F, (), RealFs>) -> Vec<(At, F::Effect)> {
//!     book.effects
//! }
//! ```
//!
//! ```compile_fail,E0616
//! # use kairos_core::fold::Fold;
//! # use kairos_disk::RealFs;
//! # use kairos_journal::Ledger;
//! fn early<F: Fold, A>(mut book: Ledger<F, A, RealFs>) -> Option<A> {
//!     book.answers.pop()
//! }
//! ```
//!
//! # Around the fold
//!
//! ```compile_fail,E0616
//! # use kairos_core::fold::Fold;
//! # use kairos_disk::RealFs;
//! # use kairos_journal::Ledger;
//! fn rewrite<F: Fold>(book: &mut Ledger<F, (), RealFs>) -> &mut F {
//!     &mut book.state
//! }
//! ```
//!
//! ```compile_fail,E0596
//! # use kairos_core::fold::{At, Fold};
//! # use kairos_disk::RealFs;
//! # use kairos_journal::Ledger;
//! fn rewrite<F: Fold>(book: &mut Ledger<F, (), RealFs>, at: At, event: F::Event) {
//!     book.state().apply(at, &event, &mut Vec::new());
//! }
//! ```
//!
//! # On after a failed commit
//!
//! ```compile_fail,E0382
//! # use kairos_core::fold::Fold;
//! # use kairos_core::time::Time;
//! # use kairos_disk::RealFs;
//! # use kairos_journal::Ledger;
//! # use serde::{Serialize, de::DeserializeOwned};
//! fn carry_on<F: Fold<Event: Serialize + DeserializeOwned>>(book: Ledger<F, (), RealFs>) {
//!     if book.commit().is_err() {
//!         let _ = book.head();
//!     }
//! }
//! ```
//!
//! # A record from nothing
//!
//! Records are data, not proof: anybody may make one, and nobody takes one as a permit.
