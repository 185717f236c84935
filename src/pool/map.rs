//! Maps: one task over many arguments, which are taken only as fast as workers need them.

use super::bulk::Bulk;
use super::error::TaskError;
use super::handle::Pool;
use super::options::TaskOptions;
use super::program::Task;
use super::queue::Queue;
use super::turn::LONG;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::time::Duration;

/// Results that a lazy map holds back at most, in multiples of what all workers hold: so a long task at the head of an
/// ordered map does not make the others wait soon.
const AHEAD: usize = 4;
/// It never is less than this.
const LEAST_AHEAD: usize = 16;

/// How a map is done. The default measures what it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapOptions {
    /// Tasks that share a message (`chunksize` in Python); `None`: as many as their measured duration suggests.
    /// Each task still has its own result or error.
    pub chunk: Option<usize>,
    /// Lazy maps only: arguments that were taken and whose results were not returned yet, at most (`buffersize` in
    /// Python). `None`: a few times what the workers hold.
    pub window: Option<usize>,
    /// For each of the tasks.
    pub task: TaskOptions,
}

impl MapOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::chunk`].
    pub fn chunk(mut self, tasks: usize) -> Self {
        self.chunk = Some(tasks);
        self
    }

    /// Sets [`Self::window`].
    pub fn window(mut self, results: usize) -> Self {
        self.window = Some(results);
        self
    }

    /// Sets [`Self::task`].
    pub fn task(mut self, options: TaskOptions) -> Self {
        self.task = options;
        self
    }
}

/// Why a map has no results: all failures that were seen, the first to arrive first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapError {
    /// Places of arguments, with their errors, in the order of arrival. Never empty.
    pub failures: Vec<(usize, TaskError)>,
}

impl MapError {
    /// The error that arrived first.
    pub fn first(&self) -> &TaskError {
        &self.failures[0].1
    }
}

impl std::fmt::Display for MapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut failures = self.failures.iter();
        if let Some((place, error)) = failures.next() {
            write!(f, "argument {place}: {error}")?;
        }
        if self.failures.len() > 1 {
            write!(f, "\nand {} more:", self.failures.len() - 1)?;
        }
        for (place, error) in failures {
            write!(f, "\nargument {place}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MapError {}

impl From<MapError> for TaskError {
    /// The first one.
    fn from(mut error: MapError) -> Self {
        error.failures.swap_remove(0).1
    }
}

impl Pool {
    /// The results for all arguments, in their order. Arguments are taken only as fast as workers take tasks, so an
    /// iterator may be long and its items large; the results are all held.
    ///
    /// # Errors
    /// After the first failure, no task is started any more; those that run are waited for, so that their failures
    /// are in the error too.
    pub fn map<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        &self,
        task: Task<A, R>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, MapError> {
        self.map_with(task, args, &MapOptions::default())
    }

    /// [`Self::map`] with options.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn map_with<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        &self,
        task: Task<A, R>,
        args: impl IntoIterator<Item = A>,
        options: &MapOptions,
    ) -> Result<Vec<R>, MapError> {
        let mut feed = Feed::new(self, task, args.into_iter(), options);
        let mut results: Vec<Option<R>> = Vec::with_capacity(feed.args.size_hint().0.min(1 << 20));
        let mut failures = Vec::new();
        loop {
            feed.fill(usize::MAX);
            if feed.queue.in_flight() == 0 {
                break;
            }
            let mut next = feed.queue.next(LONG);
            while let Some(completed) = next {
                let place = completed.key as usize;
                match completed.result {
                    Ok(result) => {
                        if results.len() <= place {
                            results.resize_with(place + 1, || None);
                        }
                        results[place] = Some(result);
                    }
                    Err(error) => {
                        feed.stop();
                        failures.push((place, error));
                    }
                }
                next = feed.queue.next(Duration::ZERO);
            }
        }
        if failures.is_empty() {
            Ok(results.into_iter().flatten().collect())
        } else {
            Err(MapError { failures })
        }
    }

    /// The results one after the other, in the order of the arguments, while an iterator of any length is worked
    /// through: only a window of it is held at any time. An error is the item of its argument; the others go on.
    ///
    /// Workers get more to do when the next result is asked for. Dropping the iterator drops what was not started.
    pub fn imap<A, R, I>(&self, task: Task<A, R>, args: I, options: &MapOptions) -> Imap<A, R, I::IntoIter>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        Imap { feed: Feed::new(self, task, args.into_iter(), options), held: VecDeque::new(), returned: 0 }
    }

    /// As [`Self::imap`], but results come as they complete, each with the place of its argument.
    pub fn map_unordered<A, R, I>(
        &self,
        task: Task<A, R>,
        args: I,
        options: &MapOptions,
    ) -> MapUnordered<A, R, I::IntoIter>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        MapUnordered { feed: Feed::new(self, task, args.into_iter(), options) }
    }
}

/// Arguments on their way to the workers.
struct Feed<A, R, I> {
    queue: Queue<A, R>,
    args: I,
    exhausted: bool,
    taken: u64,
    window: Option<usize>,
    task: TaskOptions,
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static, I: Iterator<Item = A>> Feed<A, R, I> {
    fn new(pool: &Pool, task: Task<A, R>, args: I, options: &MapOptions) -> Self {
        let bundle = options.chunk.map_or(0, |n| n.clamp(1, 1 << 20) as u32);
        let queue = Queue::new(&pool.shared, task, bundle);
        Self { queue, args, exhausted: false, taken: 0, window: options.window, task: options.task.clone() }
    }

    /// Takes no argument any more, and drops what no worker has.
    fn stop(&mut self) {
        self.exhausted = true;
        self.queue.cancel_unsent();
    }

    /// So many results may be on their way or held back.
    fn window(&self) -> usize {
        self.window.map_or_else(|| (AHEAD * self.queue.held()).max(LEAST_AHEAD), |n| n.max(1))
    }

    /// Hands in what the workers can take, but not more than `most` tasks.
    fn fill(&mut self, most: usize) {
        if self.exhausted {
            return self.queue.flush();
        }
        // Where no duration is known yet nothing is held back but what fits; one at least, to get errors.
        let wanted = self.queue.wanted().max(usize::from(self.queue.in_flight() == 0)).min(most);
        let special = (self.task != TaskOptions::default()).then_some(&self.task);
        for _ in 0..wanted {
            let Some(arg) = self.args.next() else {
                self.exhausted = true;
                break;
            };
            self.queue.hand_in(self.taken, Bulk::take(arg), special, &[]);
            self.taken += 1;
        }
        self.queue.flush();
    }
}

/// A lazy map, in order; see [`Pool::imap`].
pub struct Imap<A, R, I> {
    feed: Feed<A, R, I>,
    /// Results from the next one to return on, as far as they are there.
    held: VecDeque<Option<Result<R, TaskError>>>,
    returned: u64,
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static, I: Iterator<Item = A>> Imap<A, R, I> {
    /// The next result if it comes within `limit`; `None` also at the end ([`Self::is_finished`]).
    pub fn next_within(&mut self, limit: Duration) -> Option<Result<R, TaskError>> {
        loop {
            let out = (self.feed.taken - self.returned) as usize;
            self.feed.fill(self.feed.window().saturating_sub(out));
            if let Some(Some(_)) = self.held.front() {
                self.returned += 1;
                return self.held.pop_front().flatten();
            }
            if self.is_finished() {
                return None;
            }
            let mut next = self.feed.queue.next(limit);
            if next.is_none() && self.feed.queue.in_flight() > 0 {
                return None;
            }
            while let Some(completed) = next {
                let place = (completed.key - self.returned) as usize;
                if self.held.len() <= place {
                    self.held.resize_with(place + 1, || None);
                }
                self.held[place] = Some(completed.result);
                next = self.feed.queue.next(Duration::ZERO);
            }
        }
    }

    /// Whether all results have been returned.
    pub fn is_finished(&self) -> bool {
        self.feed.exhausted && self.feed.taken == self.returned
    }
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static, I: Iterator<Item = A>> Iterator
    for Imap<A, R, I>
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.next_within(LONG);
            if next.is_some() || self.is_finished() {
                return next;
            }
        }
    }
}

/// A lazy map, as results complete; see [`Pool::map_unordered`].
pub struct MapUnordered<A, R, I> {
    feed: Feed<A, R, I>,
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static, I: Iterator<Item = A>> MapUnordered<A, R, I> {
    /// The next result if it comes within `limit`; `None` also at the end ([`Self::is_finished`]).
    pub fn next_within(&mut self, limit: Duration) -> Option<(usize, Result<R, TaskError>)> {
        self.feed.fill(self.feed.window().saturating_sub(self.feed.queue.in_flight()));
        self.feed.queue.next(limit).map(|completed| (completed.key as usize, completed.result))
    }

    /// Whether all results have been returned.
    pub fn is_finished(&self) -> bool {
        self.feed.exhausted && self.feed.queue.in_flight() == 0
    }
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static, I: Iterator<Item = A>> Iterator
    for MapUnordered<A, R, I>
{
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.next_within(LONG);
            if next.is_some() || self.is_finished() {
                return next;
            }
        }
    }
}
