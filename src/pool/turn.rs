//! One turn of rank 0: messages move, and then whatever became due runs, with nobody holding the dispatcher.

use super::dispatcher::{Dispatcher, Shared};
use std::time::Duration;

/// Longest single wait; waits longer than that are made of several.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// Takes in what has arrived and sends what that makes room for; waits up to `limit` if nothing is there. Returns
/// whether anything has happened.
pub(super) fn turn(shared: &Shared, limit: Duration) -> bool {
    let mut dispatcher = shared.borrow_mut();
    let mut happened = dispatcher.has_due();
    if happened {
        dispatcher.pass();
    } else {
        happened = dispatcher.progress(limit);
    }
    if dispatcher.has_due() {
        // What is due may take turns of its own.
        let (came, _) = dispatcher.last_turn();
        drop(dispatcher);
        run_due(shared);
        shared.borrow_mut().end_turn(came);
    }
    happened
}

/// Does something to the dispatcher, and runs what becomes due by it.
pub(super) fn settled<T>(shared: &Shared, f: impl FnOnce(&mut Dispatcher) -> T) -> T {
    let (value, has_due) = {
        let mut dispatcher = shared.borrow_mut();
        let value = f(&mut dispatcher);
        (value, dispatcher.has_due())
    };
    if has_due {
        run_due(shared);
    }
    value
}

fn run_due(shared: &Shared) {
    loop {
        let due = shared.borrow_mut().pop_due();
        match due {
            Some(due) => due(shared),
            None => break,
        }
    }
    shared.borrow_mut().flush();
}

/// Who waits for at most so long, in as many turns as it takes.
///
/// The time is that of the turns: with messages that come every half a microsecond, a look at the clock for each would be
/// a tenth of the work.
pub(super) struct Patience {
    limit: Duration,
    waits: bool,
    /// When its first turn began.
    began: Option<Duration>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, waits: false, began: None }
    }

    /// What is left, asked before each turn.
    pub(super) fn left(&mut self, shared: &Shared) -> Duration {
        if !std::mem::replace(&mut self.waits, true) || self.limit.is_zero() {
            return self.limit;
        }
        let (came, went) = shared.borrow().last_turn();
        self.limit.saturating_sub(went.saturating_sub(*self.began.get_or_insert(came)))
    }
}
