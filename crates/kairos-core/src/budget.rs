//! What model calls may cost, and what they did.
//!
//! Owns amounts, caps, prices and the ledger of one budget: reserve before a call, settle after it.
//! Never decides what happens at the cap (mandates park) and never reads a clock: the day is an
//! argument, in whatever zone the operator chose.
//!
//! A reservation covers the most a call can cost, so `used + held` stays within the caps however
//! many calls are open. What nobody settles is never given back.

use jiff::civil::Date;

/// What calls cost: their number, their tokens and their price in millionths of a dollar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Amounts {
    pub calls: u64,
    pub tokens: u64,
    pub usd_micros: u64,
}

impl Amounts {
    /// Both together, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            usd_micros: self.usd_micros.saturating_add(other.usd_micros),
        }
    }

    /// What is left of this without `other`, saturating at 0.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            usd_micros: self.usd_micros.saturating_sub(other.usd_micros),
        }
    }

    const fn of(self, unit: Unit) -> u64 {
        match unit {
            Unit::Calls => self.calls,
            Unit::Tokens => self.tokens,
            Unit::UsdMicros => self.usd_micros,
        }
    }
}

/// What a cap counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Calls,
    Tokens,
    UsdMicros,
}

impl Unit {
    const ALL: [Self; 3] = [Self::Calls, Self::Tokens, Self::UsdMicros];
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Tokens => "tokens",
            Self::UsdMicros => "usd_micros",
        })
    }
}

/// The most of each; none is no limit. A cap of 0 stops everything for good, which is what `halt`
/// is for, so configuration refuses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caps {
    pub calls: Option<u64>,
    pub tokens: Option<u64>,
    pub usd_micros: Option<u64>,
}

impl Caps {
    const fn of(self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Calls => self.calls,
            Unit::Tokens => self.tokens,
            Unit::UsdMicros => self.usd_micros,
        }
    }
}

/// What a reservation does not fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} {unit} do not fit: {used} used and {held} held of {cap}")]
pub struct Short {
    pub unit: Unit,
    pub used: u64,
    pub held: u64,
    pub cap: u64,
    pub wanted: u64,
}

/// Tokens of one call as its provider counted them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Usage {
    /// Input tokens that touched no cache.
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl Usage {
    /// All of them, saturating.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }
}

/// Micro-dollars for a million tokens; all 0 is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl Price {
    /// Micro-dollars for `usage`, rounded up, saturating.
    #[must_use]
    pub fn cost(&self, usage: Usage) -> u64 {
        const MILLION: u128 = 1_000_000;
        let parts = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
        ];
        let millionths = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
            .fold(0, u128::saturating_add);
        u64::try_from(millionths.div_ceil(MILLION)).unwrap_or(u64::MAX)
    }

    /// What one call that was answered with `usage` comes to.
    #[must_use]
    pub fn spent(&self, usage: Usage) -> Amounts {
        Amounts { calls: 1, tokens: usage.tokens(), usd_micros: self.cost(usage) }
    }

    /// The most one call can come to that sends `text_bytes` of text and allows
    /// `max_output_tokens` in return.
    ///
    /// A byte is never less than a token and 1,024 cover what a provider puts around the text. The
    /// input is priced as whichever kind of input costs most, since the provider says only
    /// afterwards which it was.
    #[must_use]
    pub fn reservation(&self, text_bytes: u64, max_output_tokens: u64) -> Amounts {
        const AROUND: u64 = 1024;
        let usage = Usage {
            input: text_bytes.saturating_add(AROUND),
            output: max_output_tokens,
            ..Usage::default()
        };
        let dearest = self.input.max(self.cache_read).max(self.cache_write);
        Self { input: dearest, ..*self }.spent(usage)
    }
}

/// What has been used and what open calls may still use; of a day, where it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// The day `used` belongs to; none for a budget that never starts afresh.
    pub day: Option<Date>,
    /// Settled amounts, as reported: may lie above a cap, never above what was said to be used.
    pub used: Amounts,
    /// Reservations of calls that are open.
    pub held: Amounts,
}

impl Budget {
    /// Begins `today` if it is later than the budget's day; true if it was.
    ///
    /// Never goes back: a clock set back keeps the later day and all that was used in it. What is
    /// held stays held and will be booked to the day in which it settles.
    pub fn roll(&mut self, today: Date) -> bool {
        if self.day.is_some_and(|day| today <= day) {
            return false;
        }
        self.day = Some(today);
        self.used = Amounts::default();
        true
    }

    /// Whether `wanted` can be held within `caps`.
    ///
    /// # Errors
    /// The first cap it does not fit into.
    pub fn fits(&self, caps: &Caps, wanted: Amounts) -> Result<(), Short> {
        for unit in Unit::ALL {
            let Some(cap) = caps.of(unit) else { continue };
            let (used, held, wanted) = (self.used.of(unit), self.held.of(unit), wanted.of(unit));
            if used.saturating_add(held).saturating_add(wanted) > cap {
                return Err(Short { unit, used, held, cap, wanted });
            }
        }
        Ok(())
    }

    /// Whether not even the smallest call fits any more.
    #[must_use]
    pub fn is_exhausted(&self, caps: &Caps) -> bool {
        Unit::ALL.into_iter().any(|unit| {
            let taken = self.used.of(unit).saturating_add(self.held.of(unit));
            caps.of(unit).is_some_and(|cap| taken >= cap)
        })
    }

    /// Reserves `wanted`, which the caller has seen to fit.
    pub fn hold(&mut self, wanted: Amounts) {
        self.held = self.held.plus(wanted);
    }

    /// Gives `held` back and books `used`, also when it is more. A call without a known usage is
    /// settled with what it held.
    pub fn settle(&mut self, held: Amounts, used: Amounts) {
        self.held = self.held.minus(held);
        self.used = self.used.plus(used);
    }
}
