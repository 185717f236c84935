//! Maps over a task whose results are kept.

use super::CachedTask;
use crate::pool::{Future, MapError, TaskError, TaskErrorKind};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;

/// Tasks of a map that are handed in ahead of the result that is waited for, in multiples of what all workers hold.
const AHEAD: usize = 4;
/// It never is less than this.
const LEAST_AHEAD: usize = 64;

/// A lazy map, in order; see [`CachedTask::imap`].
pub struct CachedImap<A, R, I>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    task: CachedTask<A, R>,
    /// `None`: nothing is taken any more.
    args: Option<I>,
    /// Handed in, from the next one to return on.
    open: VecDeque<Future<R>>,
}

impl<A, R> CachedTask<A, R>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    /// As [`Pool::map`](crate::pool::Pool::map): all results, in the order of their arguments. Arguments are taken as workers need
    /// them.
    ///
    /// # Errors
    /// After the first failure no task is started any more; those that run are waited for, so that their failures are in
    /// the error too.
    pub fn map(&self, args: impl IntoIterator<Item = A>) -> Result<Vec<R>, MapError> {
        let (mut results, mut failures) = (Vec::new(), Vec::new());
        let mut each = self.imap(args);
        let mut place = 0;
        while let Some(result) = each.next() {
            match result {
                Ok(result) => results.push(result),
                Err(error) if failures.is_empty() => {
                    each.stop();
                    failures.push((place, error));
                }
                Err(error) if error.kind == TaskErrorKind::Cancelled => {}
                Err(error) => failures.push((place, error)),
            }
            place += 1;
        }
        if failures.is_empty() { Ok(results) } else { Err(MapError { failures }) }
    }

    /// As [`Pool::imap`](crate::pool::Pool::imap): the results one after the other, in the order of the arguments, while an iterator
    /// of any length is worked through. An error is the item of its argument; the others go on.
    ///
    /// Workers get more to do when the next result is asked for. Dropping the iterator drops what was not started.
    pub fn imap<I: IntoIterator<Item = A>>(&self, args: I) -> CachedImap<A, R, I::IntoIter> {
        CachedImap { task: self.clone(), args: Some(args.into_iter()), open: VecDeque::new() }
    }
}

impl<A, R, I> CachedImap<A, R, I>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    /// Takes no argument any more, and drops what no worker has.
    fn stop(&mut self) {
        self.args = None;
        // From the end: who waits for a task that an earlier one has begun is to be gone before that one is.
        for future in self.open.iter().rev() {
            future.cancel();
        }
    }
}

impl<A, R, I> Iterator for CachedImap<A, R, I>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let ahead = (AHEAD * self.task.held()).max(LEAST_AHEAD);
        while let Some(args) = self.args.as_mut().filter(|_| self.open.len() < ahead) {
            match args.next() {
                Some(args) => self.open.push_back(self.task.submit(args)),
                None => self.args = None,
            }
        }
        Some(self.open.pop_front()?.wait())
    }
}

impl<A, R, I> Drop for CachedImap<A, R, I>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    fn drop(&mut self) {
        self.stop();
    }
}
