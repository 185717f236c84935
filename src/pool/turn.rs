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
    if !happened {
        happened = dispatcher.progress(limit);
    }
    if dispatcher.has_due() {
        drop(dispatcher);
        run_due(shared);
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
