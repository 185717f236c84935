//! The results of a pool's tasks: of a task, in a version, with arguments.

use super::store::Store;
use super::text::{Text, entry, parts};
use crate::checkpoint::{CheckpointError, Meta, Told};
use crate::model::{Detail, Point, Sample, Value};
use crate::pool::{
    Completed, Future, Inputs, Pool, Promise, Submitter, Task, TaskError, TaskErrorKind, TaskOptions,
    WeakSubmitter,
};
use rustc_hash::FxHashMap;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

/// Results of tasks, kept in one file: what was computed once is not computed again, in this run or a later one.
///
/// In joblib this is `Memory`, in executorlib `cache_directory`. A task that has failed is not kept.
///
/// Each result is with the system as soon as rank 0 has it, so that the death of any process loses none. The file can be
/// opened by h5py: `/points/extra` has one JSON text per result, `{"arguments": …, "result": …}`, and `/points/x` and
/// `/points/y` their numbers, where they are numbers.
///
/// ```
/// use adaptive_mpi::cache::TaskCache;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("results.h5");
///
/// let mut program = adaptive_mpi::Program::new();
/// let square = program.task("square", |_worker, x: f64| Ok(x * x));
/// program.run(|pool| {
///     let cache = TaskCache::open(&path)?;                    // memory = joblib.Memory(path)
///     let square = cache.task(pool, square, "1");             // square = memory.cache(square)
///     assert_eq!(square.submit(3.0).wait()?, 9.0);            // computed by a worker
///     assert_eq!(square.submit(3.0).wait()?, 9.0);            // known
///     assert_eq!((cache.computed(), cache.found()), (1, 1));
///     cache.close()?;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?.transpose()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TaskCache {
    book: Shared,
}

/// A task whose results are kept. Made by [`TaskCache::task`].
pub struct CachedTask<A, R> {
    book: Shared,
    call: usize,
    task: Submitter<A, R>,
}

/// What callbacks of the pool own of a [`CachedTask`].
struct WeakTask<A, R> {
    book: Shared,
    call: usize,
    task: WeakSubmitter<A, R>,
}

impl<A, R> WeakTask<A, R> {
    /// `None`: the pool is gone.
    fn upgrade(&self) -> Option<CachedTask<A, R>> {
        Some(CachedTask { book: Rc::clone(&self.book), call: self.call, task: self.task.upgrade()? })
    }
}

type Shared = Rc<RefCell<Book>>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    call: usize,
    arguments: [u8; 32],
}

impl Key {
    fn new(call: usize, arguments: &Text) -> Self {
        Self { call, arguments: arguments.digest() }
    }

    /// Tells apart what has no numbers of its own, for who reads the file.
    fn replica(&self) -> u64 {
        self.arguments.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// Rank 0's books: what is known, and what is on its way.
struct Book {
    /// `None` after [`TaskCache::close`].
    store: Option<Store>,
    path: PathBuf,
    rows: FxHashMap<Key, usize>,
    /// What is being computed, with those that wait for the same result.
    running: FxHashMap<Key, VecDeque<Waiting>>,
    computed: u64,
    found: u64,
    trouble: Option<CheckpointError>,
    notices: Vec<String>,
}

/// Somebody who waits for a result that is computed for somebody else. Says whether it computes now.
type Waiting = Box<dyn FnOnce(News<'_>) -> bool>;

enum News<'a> {
    /// It is this.
    Known(&'a Text),
    /// There is none, so it has to be computed after all.
    Compute,
    /// There is none, and the pool computes nothing any more.
    Over(&'a TaskError),
}

impl TaskCache {
    /// Opens `path` (as `data/results.h5`), or begins it; to be called on rank 0, in [`Program::run`](crate::Program::run).
    ///
    /// A file that another run holds is read and not added to: [`Self::notices`] says so. O(n) in the results that it has.
    ///
    /// # Errors
    /// The file can't be read or written, or results in it are lost (the message names the file: it may be removed).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let (store, notices) = Store::open(path.as_ref())?;
        for notice in &notices {
            tracing::warn!("{notice}");
        }
        let mut rows = FxHashMap::default();
        for (at, row) in store.columns().iter().enumerate() {
            // A later result stands for an earlier one that could not be read as what the task returns.
            if let Some((arguments, _)) = row.extra.and_then(parts) {
                rows.insert(Key::new(row.learner as usize, &arguments), at);
            }
        }
        let book = Book {
            path: store.path().to_owned(),
            store: Some(store),
            rows,
            running: FxHashMap::default(),
            computed: 0,
            found: 0,
            trouble: None,
            notices,
        };
        Ok(Self { book: Rc::new(RefCell::new(book)) })
    }

    /// The task with its results kept, under the name that it has in the program, and this version: change the version when
    /// the same arguments should give another result.
    ///
    /// # Panics
    /// If another task of the program has the same name: each would be given the results of the other.
    #[track_caller]
    pub fn task<A, R>(&self, pool: &Pool, task: Task<A, R>, version: &str) -> CachedTask<A, R> {
        let task = pool.submitter(task);
        assert!(
            !task.shares_its_name(),
            "two tasks of the program are called `{}`: with a cache, each needs a name of its own",
            task.name()
        );
        let text = serde_json::json!({ "task": task.name(), "version": version }).to_string();
        let mut book = self.book.borrow_mut();
        let call = book.store.as_mut().map_or(0, |store| store.call(&text));
        CachedTask { book: Rc::clone(&self.book), call, task }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.book.borrow().path.clone()
    }

    /// Number of results, of all tasks and runs.
    pub fn len(&self) -> usize {
        self.book.borrow().rows.len()
    }

    /// Whether it has no result.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Results that were computed in this run.
    pub fn computed(&self) -> u64 {
        self.book.borrow().computed
    }

    /// Results in this run that were known, or were being computed already.
    pub fn found(&self) -> u64 {
        self.book.borrow().found
    }

    /// What opening it had to say.
    pub fn notices(&self) -> Vec<String> {
        self.book.borrow().notices.clone()
    }

    /// Writes the file and lets others have it; from then on tasks are computed as without a cache. Dropping the cache and all
    /// tasks that were made of it does the same, and logs what goes wrong.
    ///
    /// # Errors
    /// The file can't be written, or something could not be written before.
    pub fn close(self) -> Result<(), CheckpointError> {
        self.book.borrow_mut().close()
    }
}

impl Book {
    fn close(&mut self) -> Result<(), CheckpointError> {
        let closed = self.store.take().map_or(Ok(()), Store::close);
        self.trouble.take().map_or(closed, Err)
    }

    fn get<R: DeserializeOwned>(&self, key: Key) -> Option<R> {
        let told = self.store.as_ref()?.told(*self.rows.get(&key)?, key.call)?;
        let (_, result) = parts(told.value.detail?.extra.as_deref()?)?;
        result.value()
    }

    /// Keeps a result. What goes wrong is told at the end: it is no reason to lose the result.
    fn keep(&mut self, key: Key, arguments: &Text, result: &Text, meta: Meta) {
        let Some(store) = &mut self.store else { return };
        let sample = Sample { learner: 0, replica: key.replica(), point: Point::new(&arguments.numbers()) };
        let detail = Detail { names: Vec::new(), extra: Some(entry(arguments, result)) };
        let mut value = Value::vector(&result.numbers());
        value.detail = Some(Box::new(detail));
        if let Some(row) = store.append(key.call, Told { sample, value, meta }) {
            self.rows.insert(key, row);
        }
        let written = store.commit().and_then(|()| store.tick(Instant::now()));
        if let Err(error) = written
            && self.trouble.is_none()
        {
            tracing::warn!("the cache {}: {error}", self.path.display());
            self.trouble = Some(error);
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!("the cache {}: {error}", self.path.display());
        }
    }
}

impl<A, R> Clone for CachedTask<A, R> {
    fn clone(&self) -> Self {
        Self { book: Rc::clone(&self.book), call: self.call, task: self.task.clone() }
    }
}

impl<A, R> CachedTask<A, R>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    /// As [`Pool::submit`], but nothing is computed that is known, or being computed.
    ///
    /// The future of a task that is computed may be dropped: the result is kept all the same.
    pub fn submit(&self, args: A) -> Future<R> {
        self.submit_with(args, &TaskOptions::default())
    }

    /// As [`Pool::submit_with`]. The options are for the case that the result has to be computed.
    pub fn submit_with(&self, args: A, options: &TaskOptions) -> Future<R> {
        // What can't be told apart from others is computed.
        let Some((key, text)) = self.key(&args) else { return self.task.submit_with(&args, options) };
        if self.is_running_or_known(key) {
            let (promise, future) = self.task.promise();
            self.submit_into(promise, args, options);
            return future;
        }
        self.book.borrow_mut().running.insert(key, VecDeque::new());
        let future = self.task.submit_with(&args, options);
        let book = Rc::clone(&self.book);
        future.on_completed(move |completed| completed_is(&book, key, &text, &completed));
        future
    }

    /// As [`Pool::submit_after`]: a task that needs the results of others. Whether its own result is known shows when its
    /// inputs are there.
    pub fn submit_after<I: Inputs>(
        &self,
        inputs: I,
        args: impl FnOnce(I::Values) -> A + 'static,
    ) -> Future<R> {
        self.submit_after_with(inputs, args, &TaskOptions::default())
    }

    /// [`Self::submit_after`] with options, for the case that the result has to be computed.
    pub fn submit_after_with<I: Inputs>(
        &self,
        inputs: I,
        args: impl FnOnce(I::Values) -> A + 'static,
        options: &TaskOptions,
    ) -> Future<R> {
        let (task, options) = (self.downgrade(), options.clone());
        self.task.after(inputs, args, move |promise, args| {
            if let Some(task) = task.upgrade() {
                task.submit_into(promise, args, &options);
            }
        })
    }

    /// As many tasks as all workers together should hold, or do hold.
    pub(super) fn held(&self) -> usize {
        self.task.held()
    }

    fn downgrade(&self) -> WeakTask<A, R> {
        WeakTask { book: Rc::clone(&self.book), call: self.call, task: self.task.downgrade() }
    }

    /// `None`: there is no file any more, or the arguments are none that can be told apart.
    fn key(&self, args: &A) -> Option<(Key, Text)> {
        self.book.borrow().store.as_ref()?;
        let text = Text::of(args)?;
        Some((Key::new(self.call, &text), text))
    }

    fn is_running_or_known(&self, key: Key) -> bool {
        let book = self.book.borrow();
        book.running.contains_key(&key) || book.rows.contains_key(&key)
    }

    /// Gives the result to whom it was promised, wherever it comes from.
    fn submit_into(&self, promise: Promise<R>, args: A, options: &TaskOptions) {
        let Some((key, text)) = self.key(&args) else {
            self.task
                .submit_with(&args, options)
                .on_completed(move |completed| promise.set(completed.result));
            return;
        };
        if let Some(waiting) = self.book.borrow_mut().running.get_mut(&key) {
            waiting.push_back(self.waiting(promise, args, text, options.clone()));
            return;
        }
        let known = self.book.borrow().get::<R>(key);
        if let Some(result) = known {
            self.book.borrow_mut().found += 1;
            return promise.set(Ok(result));
        }
        self.book.borrow_mut().running.insert(key, VecDeque::new());
        self.compute_into(promise, &args, text, options);
    }

    fn compute_into(&self, promise: Promise<R>, args: &A, text: Text, options: &TaskOptions) {
        let (book, key) = (Rc::clone(&self.book), Key::new(self.call, &text));
        self.task.submit_with(args, options).on_completed(move |completed| {
            completed_is(&book, key, &text, &completed);
            promise.set(completed.result);
        });
    }

    /// Waits for what is computed for somebody else.
    fn waiting(&self, promise: Promise<R>, args: A, text: Text, options: TaskOptions) -> Waiting {
        let task = self.downgrade();
        Box::new(move |news| {
            let Some(task) = task.upgrade().filter(|_| promise.is_wanted()) else { return false };
            let known = match news {
                News::Known(result) => result.value().map(Ok),
                News::Over(error) => Some(Err(error.clone())),
                News::Compute => None,
            };
            if let Some(known) = known {
                task.book.borrow_mut().found += u64::from(known.is_ok());
                promise.set(known);
                return false;
            }
            task.compute_into(promise, &args, text, &options);
            true
        })
    }
}

/// A task has ended: its result is kept, and who waits for it is told.
fn completed_is<R: Serialize + DeserializeOwned>(
    book: &Shared,
    key: Key,
    arguments: &Text,
    completed: &Completed<R>,
) {
    let result = completed.result.as_ref().ok().and_then(Text::of);
    if completed.result.is_ok() {
        book.borrow_mut().computed += 1;
    }
    if let Some(result) = &result {
        let meta = Meta {
            worker: completed.worker,
            attempt: 0,
            started: completed.started,
            duration: completed.duration.as_secs_f64(),
        };
        book.borrow_mut().keep(key, arguments, result, meta);
    }
    // One at a time, with nothing borrowed: each may hand in a task, whose end may come at once.
    loop {
        let next = {
            let mut book = book.borrow_mut();
            let next = book.running.get_mut(&key).and_then(VecDeque::pop_front);
            if next.is_none() {
                book.running.remove(&key);
            }
            next
        };
        let Some(next) = next else { return };
        let news = match (&result, &completed.result) {
            (Some(result), _) => News::Known(result),
            (None, Err(error)) if is_over(error) => News::Over(error),
            (None, _) => News::Compute,
        };
        let computes = next(news);
        if computes {
            return;
        }
    }
}

/// Whether no other task would fare better.
fn is_over(error: &TaskError) -> bool {
    matches!(error.kind, TaskErrorKind::Closed | TaskErrorKind::WorkerLost)
}
