//! What days cost.
//!
//! Owns settled amounts by the budget's day. Never caps anything: the rules keep their own budget.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kairos_core::budget::Amounts;
use kairos_core::event::Event;

/// Days kept.
pub const DAYS_MAX: usize = 400;

/// Settled amounts by day, the newest [`DAYS_MAX`] days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spend {
    by_day: BTreeMap<Date, Amounts>,
}

impl Spend {
    /// All days, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Date, Amounts)> {
        self.by_day.iter().map(|(day, amounts)| (*day, *amounts))
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            // The budget never goes back to an earlier day, so neither does this.
            Event::DayBegan { day, .. }
                if self.by_day.last_key_value().is_none_or(|(last, _)| last < day) =>
            {
                self.by_day.insert(*day, Amounts::default());
                if self.by_day.len() > DAYS_MAX {
                    self.by_day.pop_first();
                }
            }
            Event::BudgetSettled { used, .. } => {
                if let Some(mut today) = self.by_day.last_entry() {
                    let sum = today.get().plus(*used);
                    today.insert(sum);
                }
            }
            _ => {}
        }
    }
}
