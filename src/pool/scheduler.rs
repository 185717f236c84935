//! Decides which worker gets which task, and when. Pure: no clock, no messages; time is an argument and
//! decisions are return values, so the same code serves MPI, threads and a simulation.
//!
//! It knows tasks by slot (a small number that is used again), never their contents. Every decision is O(1)
//! per task; only the loss of a worker and the search for overdue ones look at everything.

use std::collections::VecDeque;
use std::time::Duration;

use super::load::LoadIndex;
use super::options::PoolOptions;
use super::pace::{Gap, Pace};

/// What is to be made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the answer to the attempt that counts; the slot is free now.
    Accepted,
    /// The task was given to another worker, answered or dropped meanwhile.
    Late,
}

/// The work of a lost worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// Tasks that wait for another worker now.
    pub(super) reissued: usize,
    /// Slots of tasks that have lost too many workers, or that no worker is left for. They are free now.
    pub(super) given_up: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Ready,
    /// Cancelled while in the queue, which still holds the slot.
    Cancelled,
    With(u32),
}

#[derive(Clone, Copy, Debug)]
struct Task {
    place: Place,
    kind: u32,
    /// Grows with every use of the slot, so an old answer never fits a new task.
    attempt: u32,
    /// Workers that this task has been given to.
    given: u32,
}

/// The dispatcher's mind. Workers are numbered from 0.
pub(super) struct Scheduler {
    paces: Vec<Pace>,
    gap: Gap,
    fixed_depth: Option<usize>,
    fixed_bundle: Option<usize>,
    max_attempts: u32,
    lost_after: Option<Duration>,
    tasks: Vec<Task>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    /// Slots in `ready` that are still wanted.
    waiting: usize,
    /// Tasks that workers hold.
    out: usize,
    loads: LoadIndex,
    /// When each worker last spoke, or was given a task while it had none.
    heard: Vec<Duration>,
}

impl Scheduler {
    /// For so many kinds of tasks and workers.
    pub(super) fn new(kinds: usize, workers: usize, options: &PoolOptions) -> Self {
        Self {
            paces: vec![Pace::default(); kinds],
            gap: Gap::default(),
            fixed_depth: options.depth.map(|n| n.max(1)),
            fixed_bundle: options.bundle.map(|n| n.max(1)),
            max_attempts: options.max_attempts.max(1),
            lost_after: options.lost_after,
            tasks: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            waiting: 0,
            out: 0,
            loads: LoadIndex::new(workers),
            heard: vec![Duration::ZERO; workers],
        }
    }

    fn depth(&self, kind: u32) -> usize {
        self.fixed_depth.unwrap_or_else(|| self.paces[kind as usize].depth(self.gap.seconds()))
    }

    fn bundle(&self, kind: u32) -> usize {
        self.fixed_bundle.unwrap_or_else(|| self.paces[kind as usize].bundle(self.depth(kind)))
    }

    /// Workers that are not lost.
    pub(super) fn alive(&self) -> usize {
        self.loads.len()
    }

    /// Whether a worker is not lost.
    pub(super) fn is_alive(&self, worker: u32) -> bool {
        self.loads.contains(worker)
    }

    /// Tasks that workers hold.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// Whether tasks wait for a worker.
    pub(super) fn has_ready(&self) -> bool {
        self.waiting > 0
    }

    /// How many more tasks of this kind the workers can take so that none of them waits.
    pub(super) fn wanted(&self, kind: u32) -> usize {
        (self.depth(kind) * self.alive()).saturating_sub(self.out + self.waiting)
    }

    /// Takes in that rank 0 comes by after `gap`, with work out.
    pub(super) fn note_gap(&mut self, gap: Duration) {
        self.gap.note(gap);
    }

    /// Takes in a new task, at the end of the queue; returns its slot.
    pub(super) fn add(&mut self, kind: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(Task { place: Place::Free, kind, attempt: 0, given: 0 });
            (self.tasks.len() - 1) as u32
        });
        let task = &mut self.tasks[slot as usize];
        (task.place, task.kind, task.given) = (Place::Ready, kind, 0);
        self.ready.push_back(slot);
        self.waiting += 1;
        slot
    }

    /// Drops a task that no worker has yet; false if it is too late for that. The slot is free then.
    pub(super) fn cancel(&mut self, slot: u32) -> bool {
        let task = &mut self.tasks[slot as usize];
        if task.place != Place::Ready {
            return false;
        }
        task.place = Place::Cancelled;
        self.waiting -= 1;
        true
    }

    /// The next message to send: the worker, and the slots of its tasks in `batch`. `None`: nothing to do now.
    ///
    /// The least loaded worker is served first. It gets a bundle, but not more than its share of all tasks at
    /// hand; and while it holds plenty, room for less than a bundle is not worth a message.
    pub(super) fn next_batch(&mut self, now: Duration, batch: &mut Vec<u32>) -> Option<u32> {
        batch.clear();
        let first = loop {
            let slot = *self.ready.front()?;
            if self.tasks[slot as usize].place == Place::Ready {
                break slot;
            }
            self.ready.pop_front();
            self.free_slot(slot);
        };
        let (worker, load) = self.loads.least()?;
        let kind = self.tasks[first as usize].kind;
        let (depth, bundle, load) = (self.depth(kind), self.bundle(kind), load as usize);
        let room = depth.saturating_sub(load);
        if room == 0 || (room < bundle && load > depth / 2) {
            return None;
        }
        let share = (self.out + self.waiting).div_ceil(self.alive()).saturating_sub(load).max(1);
        for _ in 0..room.min(bundle).min(share) {
            let Some(slot) = self.pop_ready(kind) else { break };
            let task = &mut self.tasks[slot as usize];
            task.place = Place::With(worker);
            task.attempt = task.attempt.wrapping_add(1);
            task.given += 1;
            batch.push(slot);
        }
        self.waiting -= batch.len();
        self.out += batch.len();
        if load == 0 {
            self.heard[worker as usize] = now;
        }
        self.loads.insert(worker, (load + batch.len()) as u32);
        Some(worker)
    }

    fn pop_ready(&mut self, kind: u32) -> Option<u32> {
        loop {
            let slot = *self.ready.front()?;
            let task = self.tasks[slot as usize];
            if task.place == Place::Ready && task.kind != kind {
                return None;
            }
            self.ready.pop_front();
            if task.place == Place::Ready {
                return Some(slot);
            }
            self.free_slot(slot);
        }
    }

    fn free_slot(&mut self, slot: u32) {
        self.tasks[slot as usize].place = Place::Free;
        self.free.push(slot);
    }

    /// The attempt that is under way for a slot.
    pub(super) fn attempt(&self, slot: u32) -> u32 {
        self.tasks[slot as usize].attempt
    }

    /// Takes in that a worker said something, be it late or foreign. One that had been given up is back.
    pub(super) fn heard(&mut self, worker: u32, now: Duration) {
        self.heard[worker as usize] = now;
        if !self.loads.contains(worker) {
            self.loads.insert(worker, 0);
        }
    }

    /// Takes in an answer of a worker.
    pub(super) fn answered(&mut self, worker: u32, slot: u32, attempt: u32, duration: Duration) -> Verdict {
        match self.tasks.get(slot as usize) {
            Some(task) if task.place == Place::With(worker) && task.attempt == attempt => {
                let kind = task.kind as usize;
                self.paces[kind].note(duration);
                self.out -= 1;
                self.free_slot(slot);
                Verdict::Accepted
            }
            _ => Verdict::Late,
        }
    }

    /// Takes in that a worker has answered `n` of the tasks that it holds (after [`Self::answered`] for each).
    pub(super) fn relieve(&mut self, worker: u32, n: u32) {
        if n > 0 && self.loads.contains(worker) {
            self.loads.insert(worker, self.loads.load(worker).saturating_sub(n));
        }
    }

    /// Gives up a worker: its tasks go to others, ahead of the queue. Once more is harmless.
    pub(super) fn lose(&mut self, worker: u32) -> Loss {
        let mut loss = Loss::default();
        self.loads.remove(worker);
        for slot in (0..self.tasks.len() as u32).rev() {
            let task = self.tasks[slot as usize];
            let given_up = match task.place {
                Place::With(holder) if holder == worker => {
                    self.out -= 1;
                    task.given >= self.max_attempts || self.alive() == 0
                }
                Place::Ready if self.alive() == 0 => {
                    self.waiting -= 1;
                    true
                }
                _ => continue,
            };
            if given_up {
                loss.given_up.push(slot);
            } else {
                self.tasks[slot as usize].place = Place::Ready;
                self.ready.push_front(slot);
                self.waiting += 1;
                loss.reissued += 1;
            }
        }
        if self.alive() == 0 {
            for slot in std::mem::take(&mut self.ready) {
                if self.tasks[slot as usize].place == Place::Cancelled {
                    self.free_slot(slot);
                }
            }
        }
        for &slot in &loss.given_up {
            self.free_slot(slot);
        }
        loss
    }

    /// Workers that hold tasks and have said nothing for so long that they count as lost.
    pub(super) fn overdue(&self, now: Duration) -> Vec<u32> {
        let Some(lost_after) = self.lost_after else { return Vec::new() };
        let longest = self.paces.iter().map(Pace::longest).max().unwrap_or_default();
        let limit = lost_after.max(longest.saturating_mul(10));
        (0..self.heard.len() as u32)
            .filter(|&worker| {
                self.loads.load(worker) > 0 && now.saturating_sub(self.heard[worker as usize]) > limit
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const NOW: Duration = Duration::ZERO;

    fn scheduler(workers: usize, options: &PoolOptions) -> Scheduler {
        Scheduler::new(1, workers, options)
    }

    fn batches(s: &mut Scheduler) -> Vec<(u32, Vec<u32>)> {
        let mut batch = Vec::new();
        std::iter::from_fn(|| s.next_batch(NOW, &mut batch).map(|worker| (worker, batch.clone()))).collect()
    }

    fn answer(s: &mut Scheduler, worker: u32, slot: u32, duration: Duration) -> Verdict {
        let verdict = s.answered(worker, slot, s.attempt(slot), duration);
        s.relieve(worker, u32::from(verdict == Verdict::Accepted));
        verdict
    }

    #[test]
    fn the_first_tasks_go_out_one_to_each_worker() {
        let mut s = scheduler(3, &PoolOptions::default());
        assert_eq!(s.wanted(0), 3);
        for _ in 0..5 {
            s.add(0);
        }
        assert_eq!(batches(&mut s), [(0, vec![0]), (1, vec![1]), (2, vec![2])]);
        assert_eq!((s.out(), s.wanted(0)), (3, 0));
    }

    #[test]
    fn a_worker_gets_one_spare_when_tasks_turn_out_to_be_short() {
        let mut s = scheduler(2, &PoolOptions::default());
        for _ in 0..4 {
            s.add(0);
        }
        batches(&mut s);
        assert_eq!(answer(&mut s, 0, 0, Duration::from_millis(5)), Verdict::Accepted);
        assert_eq!(batches(&mut s), [(0, vec![2]), (1, vec![3])]);
        assert_eq!(s.wanted(0), 1);
    }

    #[test]
    fn few_tasks_are_shared_out_evenly_even_if_a_bundle_could_take_them_all() {
        let options = PoolOptions { depth: Some(64), bundle: Some(16), ..PoolOptions::default() };
        let mut s = scheduler(4, &options);
        for _ in 0..8 {
            s.add(0);
        }
        let sizes: Vec<_> =
            batches(&mut s).into_iter().map(|(worker, batch)| (worker, batch.len())).collect();
        assert_eq!(sizes, [(0, 2), (1, 2), (2, 2), (3, 2)]);
    }

    #[test]
    fn a_busy_worker_is_not_sent_crumbs() {
        let options = PoolOptions { depth: Some(8), bundle: Some(4), ..PoolOptions::default() };
        let mut s = scheduler(1, &options);
        for _ in 0..9 {
            s.add(0);
        }
        assert_eq!(batches(&mut s).len(), 2);
        answer(&mut s, 0, 0, NOW);
        assert_eq!(batches(&mut s), []);
        for slot in [1, 2, 3] {
            answer(&mut s, 0, slot, NOW);
        }
        assert_eq!(batches(&mut s).len(), 1);
    }

    #[test]
    fn a_lost_workers_tasks_go_to_others_and_its_late_answers_are_dropped() {
        let options = PoolOptions { depth: Some(2), ..PoolOptions::default() };
        let mut s = scheduler(2, &options);
        for _ in 0..4 {
            s.add(0);
        }
        batches(&mut s);
        let old = s.attempt(0);
        assert_eq!(s.lose(0), Loss { reissued: 2, given_up: vec![] });
        assert_eq!(batches(&mut s), []);
        answer(&mut s, 1, 1, NOW);
        answer(&mut s, 1, 3, NOW);
        assert_eq!(batches(&mut s), [(1, vec![0]), (1, vec![2])]);
        assert_eq!(s.answered(0, 0, old, NOW), Verdict::Late);
        s.heard(0, NOW);
        assert_eq!(s.alive(), 2);
        assert_eq!(answer(&mut s, 1, 0, NOW), Verdict::Accepted);
    }

    #[test]
    fn a_task_that_loses_every_worker_is_given_up() {
        let options = PoolOptions { max_attempts: 2, ..PoolOptions::default() };
        let mut s = scheduler(3, &options);
        s.add(0);
        batches(&mut s);
        assert_eq!(s.lose(0).reissued, 1);
        assert_eq!(batches(&mut s), [(1, vec![0])]);
        assert_eq!(s.lose(1).given_up, [0]);
        s.add(0);
        s.add(0);
        assert_eq!(s.lose(2).given_up.len(), 2);
        assert_eq!((s.out(), s.alive(), s.wanted(0)), (0, 0, 0));
    }

    #[test]
    fn silence_counts_from_the_last_word_and_scales_with_the_longest_task() {
        let options = PoolOptions {
            depth: Some(1),
            lost_after: Some(Duration::from_secs(5)),
            ..PoolOptions::default()
        };
        let mut s = scheduler(2, &options);
        s.add(0);
        s.add(0);
        let mut batch = Vec::new();
        while s.next_batch(Duration::from_secs(100), &mut batch).is_some() {}
        assert!(s.overdue(Duration::from_secs(105)).is_empty());
        assert_eq!(s.overdue(Duration::from_secs(106)), [0, 1]);
        s.heard(1, Duration::from_secs(106));
        answer(&mut s, 1, 1, Duration::from_secs(3));
        assert!(s.overdue(Duration::from_secs(125)).is_empty());
        assert_eq!(s.overdue(Duration::from_secs(131)), [0]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add,
        Send,
        Answer(usize),
        Replay(usize),
        Lose(u32),
        Return(u32),
        Cancel(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Add),
            3 => Just(Step::Send),
            5 => (0_usize..50).prop_map(Step::Answer),
            1 => (0_usize..50).prop_map(Step::Replay),
            1 => (0_u32..4).prop_map(Step::Lose),
            1 => (0_u32..4).prop_map(Step::Return),
            1 => (0_usize..50).prop_map(Step::Cancel),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Whatever happens, each task ends exactly once: answered, cancelled or given up.
        #[test]
        fn every_task_ends_exactly_once(steps in steps(), depth in 1_usize..5, bundle in 1_usize..4) {
            let options = PoolOptions { depth: Some(depth), bundle: Some(bundle), ..PoolOptions::default() };
            let mut s = scheduler(4, &options);
            let mut open: BTreeMap<u32, bool> = BTreeMap::new();
            let mut sent: Vec<(u32, u32, u32)> = Vec::new();
            let mut old = Vec::new();
            let mut batch = Vec::new();
            for step in steps {
                match step {
                    Step::Add if s.alive() > 0 => {
                        prop_assert!(open.insert(s.add(0), true).is_none(), "a slot in use was given out");
                    }
                    Step::Add => {}
                    Step::Send => if let Some(worker) = s.next_batch(NOW, &mut batch) {
                        prop_assert!(!batch.is_empty() && batch.len() <= bundle && s.is_alive(worker));
                        prop_assert!(s.loads.load(worker) as usize <= depth);
                        for &slot in &batch {
                            sent.push((worker, slot, s.attempt(slot)));
                        }
                    },
                    Step::Answer(i) if !sent.is_empty() => {
                        let (worker, slot, attempt) = sent.remove(i % sent.len());
                        if s.is_alive(worker) {
                            prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Accepted);
                            s.relieve(worker, 1);
                            prop_assert!(open.remove(&slot).is_some());
                        }
                        old.push((worker, slot, attempt));
                    }
                    Step::Replay(i) if !old.is_empty() => {
                        let (worker, slot, attempt) = old[i % old.len()];
                        prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Late);
                    }
                    Step::Lose(worker) if s.is_alive(worker) => {
                        let (lost, kept) = sent.into_iter().partition(|(holder, ..)| *holder == worker);
                        sent = kept;
                        old.extend::<Vec<_>>(lost);
                        for slot in s.lose(worker).given_up {
                            prop_assert!(open.remove(&slot).is_some());
                        }
                    }
                    Step::Return(worker) => s.heard(worker, NOW),
                    Step::Cancel(i) if !open.is_empty() => {
                        let slot = *open.keys().nth(i % open.len()).unwrap();
                        if s.cancel(slot) {
                            open.remove(&slot);
                        }
                    }
                    _ => {}
                }
                let held: BTreeSet<u32> = sent.iter().map(|(_, slot, _)| *slot).collect();
                prop_assert_eq!(held.len(), s.out());
            }
            for worker in 0..4 {
                s.heard(worker, NOW);
            }
            for _ in 0..1000 {
                while let Some(worker) = s.next_batch(NOW, &mut batch) {
                    sent.extend(batch.iter().map(|&slot| (worker, slot, s.attempt(slot))));
                }
                let Some((worker, slot, attempt)) = sent.pop() else { break };
                prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Accepted);
                s.relieve(worker, 1);
                prop_assert!(open.remove(&slot).is_some());
            }
            prop_assert!(open.is_empty(), "never ended: {:?}", open);
        }
    }
}
