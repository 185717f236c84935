//! Watchers: lists of tickets in the order in which they are done, for those who wait for several.

use super::Dispatcher;
use std::collections::VecDeque;

impl Dispatcher {
    /// Opens a list of tickets that are done.
    pub(in crate::pool) fn open_watcher(&mut self) -> u32 {
        let free = self.watchers.iter().position(Option::is_none).unwrap_or_else(|| {
            self.watchers.push(None);
            self.watchers.len() - 1
        });
        self.watchers[free] = Some(VecDeque::new());
        free as u32
    }

    /// Lists a ticket when it is done, under an index.
    pub(in crate::pool) fn watch(&mut self, watcher: u32, number: u32, index: u32) {
        let ticket = &mut self.tickets[number as usize];
        if !ticket.is_done() {
            ticket.watchers.push((watcher, index));
        } else if let Some(Some(seen)) = self.watchers.get_mut(watcher as usize) {
            seen.push_back(index);
        }
    }

    /// The next one on a list.
    pub(in crate::pool) fn seen(&mut self, watcher: u32) -> Option<u32> {
        self.watchers.get_mut(watcher as usize)?.as_mut()?.pop_front()
    }

    /// Does not list a ticket any more.
    pub(in crate::pool) fn unwatch(&mut self, watcher: u32, number: u32) {
        self.tickets[number as usize].watchers.retain(|(other, _)| *other != watcher);
    }

    /// Closes a list. Its tickets must have been taken off, or be done, or gone.
    pub(in crate::pool) fn close_watcher(&mut self, watcher: u32) {
        self.watchers[watcher as usize] = None;
    }
}
