//! How many messages rank 0 takes in before their answers are dealt with and workers get more to do.
//!
//! A look that finds nothing may give the core away (Open MPI does, with more ranks than cores), while workers wait
//! for what the answers taken in before it make room for. So rank 0 stops at as many as there were the last time, and
//! tries for more only now and then.

/// Messages taken in before anything else gets a turn.
const MOST: usize = 64;
/// Visits without an empty look, after which twice as many messages are tried for.
const VISITS: u32 = 16;

/// Messages to take in at the next visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appetite {
    messages: usize,
    /// Visits that found as many as they wanted, since this last changed.
    full: u32,
}

impl Default for Appetite {
    fn default() -> Self {
        Self { messages: 1, full: 0 }
    }
}

impl Appetite {
    pub(super) fn messages(self) -> usize {
        self.messages
    }

    /// Takes in how many messages a visit found, and whether its last look found nothing.
    pub(super) fn note(&mut self, found: usize, dry: bool) {
        self.full += 1;
        if dry {
            *self = Self { messages: found.clamp(1, MOST), full: 0 };
        } else if self.full >= VISITS {
            *self = Self { messages: (2 * self.messages).min(MOST), full: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_taken_in_by_ever_more_and_a_trickle_one_by_one() {
        let mut appetite = Appetite::default();
        for _ in 0..200 {
            appetite.note(appetite.messages(), false);
        }
        assert_eq!(appetite.messages(), MOST);
        appetite.note(0, true);
        assert_eq!(appetite.messages(), 1);
    }

    #[test]
    fn few_looks_are_in_vain_when_messages_come_in_equal_numbers() {
        let (mut appetite, mut vain) = (Appetite::default(), 0);
        for _ in 0..1000 {
            let wanted = appetite.messages();
            vain += u32::from(wanted > 3);
            appetite.note(wanted.min(3), wanted > 3);
        }
        assert!(vain * VISITS <= 1000, "{vain} of 1000");
    }
}
