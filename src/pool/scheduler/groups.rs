//! Tasks for several workers at once: who takes part, when, and what the answers of members make of the task.
//!
//! Large and small tasks stand in one order, by priority and then by age. When the next one is large and too few workers
//! are idle, those that will be free first (of one node, where one is large enough) are reserved: they finish what they
//! hold and get nothing new, while all others go on with small tasks. So neither kind starves the other.

use super::waiting::Waiting;
use super::{Place, Scheduler};
use crate::pool::pace::Pace;
use std::cmp::Reverse;
use std::time::Duration;

/// At the end of the pool, members that wait for a lost one are waited for no longer than this beyond the time of a task.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// What to do about the next task for several workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum GroupTurn {
    /// Start it with the members that were told.
    Start(u32),
    /// It asks for more workers than there are. Its slot is free now.
    Impossible(u32),
    /// Nothing now.
    Wait,
}

/// What the answer of a member means for the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pool) enum MemberVerdict {
    /// The worker belongs to no such group any more.
    Late,
    /// The task has ended before; this member is free again.
    Freed,
    /// Others are still at it. `first`: the answer is the one that counts, if all goes well.
    Open { first: bool },
    /// All have answered. `first` as before.
    Done { first: bool },
    /// By this answer the task has failed; its slot is free.
    Failed(Abandoned),
    /// By this answer the attempt has failed; the task waits for another one.
    Again(Abandoned),
}

/// An attempt that has failed, and the members that don't know it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Abandoned {
    pub(in crate::pool) slot: u32,
    pub(in crate::pool) attempt: u32,
    /// Those who still run it.
    pub(in crate::pool) rest: Vec<u32>,
    /// All that took part.
    pub(in crate::pool) members: Vec<u32>,
}

/// A group at work, until its last member has answered.
#[derive(Debug, Default)]
struct Run {
    slot: u32,
    attempt: u32,
    members: Vec<u32>,
    /// Members that have not answered.
    open: usize,
    /// The task does not depend on this run any more.
    over: bool,
    /// Since when that is known.
    since: Option<Duration>,
}

struct Reserved {
    slot: u32,
    workers: Vec<u32>,
}

/// The state of all groups.
pub(super) struct Groups {
    grace: Duration,
    /// The pool ends: nobody needs members of torn groups any more.
    at_end: bool,
    /// The workers of each host, by rank.
    hosts: Vec<Vec<u32>>,
    queue: Waiting,
    waiting: usize,
    reserved: Option<Reserved>,
    runs: Vec<Run>,
    free: Vec<u32>,
    /// By worker: the run that it belongs to.
    of_worker: Vec<Option<u32>>,
}

impl Groups {
    pub(super) fn new(workers: usize, grace: Duration) -> Self {
        Self {
            grace,
            at_end: false,
            hosts: vec![(0..workers as u32).collect()],
            queue: Waiting::default(),
            waiting: 0,
            reserved: None,
            runs: Vec::new(),
            free: Vec::new(),
            of_worker: vec![None; workers],
        }
    }

    /// Tasks that wait for workers.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn waiting_mut(&mut self) -> &mut usize {
        &mut self.waiting
    }

    pub(super) fn push_back(&mut self, priority: i32, slot: u32) {
        self.queue.push_back(priority, slot);
    }

    pub(super) fn push_front(&mut self, priority: i32, slot: u32) {
        self.queue.push_front(priority, slot);
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        self.queue.pop()
    }

    /// The first member of a run.
    pub(super) fn first_of(&self, run: u32) -> Option<u32> {
        self.runs[run as usize].members.first().copied()
    }

    /// Whether a worker is in a run.
    pub(super) fn are_at_work(&self) -> bool {
        self.of_worker.iter().any(Option::is_some)
    }

    /// Takes a worker out of its run, if it is in one. The number of the run if the task depended on it, with the others.
    pub(super) fn leave(&mut self, worker: u32) -> Option<(u32, Option<Abandoned>)> {
        let number = self.of_worker[worker as usize].take()?;
        let run = &mut self.runs[number as usize];
        run.open -= 1;
        let abandoned = (!run.over).then(|| self.end(number));
        self.drop_if_answered(number);
        Some((number, abandoned)).filter(|(_, abandoned)| abandoned.is_some())
    }

    /// The task does not depend on this run any more.
    fn end(&mut self, number: u32) -> Abandoned {
        self.runs[number as usize].over = true;
        self.abandoned(number)
    }

    fn abandoned(&self, number: u32) -> Abandoned {
        let run = &self.runs[number as usize];
        let still = |worker: &&u32| self.of_worker[**worker as usize] == Some(number);
        Abandoned {
            slot: run.slot,
            attempt: run.attempt,
            rest: run.members.iter().filter(still).copied().collect(),
            members: run.members.clone(),
        }
    }

    fn drop_if_answered(&mut self, number: u32) {
        if self.runs[number as usize].open == 0 {
            self.runs[number as usize] = Run::default();
            self.free.push(number);
        }
    }

    fn begin(&mut self, run: Run) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.runs.push(Run::default());
            (self.runs.len() - 1) as u32
        });
        for &member in &run.members {
            self.of_worker[member as usize] = Some(number);
        }
        self.runs[number as usize] = run;
        number
    }
}

impl Scheduler {
    /// Tells which workers share a host; each list in the order of ranks. Before that, all share one.
    pub(in crate::pool) fn set_hosts(&mut self, hosts: Vec<Vec<u32>>) {
        self.groups.hosts = hosts;
    }

    /// Whether [`Self::next_group`] may have something to do.
    pub(in crate::pool) fn has_groups(&self) -> bool {
        self.groups.waiting > 0 || self.groups.reserved.is_some()
    }

    /// The pool ends: see [`Self::stuck`].
    pub(in crate::pool) fn begin_end(&mut self) {
        self.groups.at_end = true;
    }

    /// Whether any worker belongs to a group at work.
    pub(in crate::pool) fn has_groups_at_work(&self) -> bool {
        self.groups.are_at_work()
    }

    /// Whether a worker belongs to a group at work.
    pub(in crate::pool) fn is_member(&self, worker: u32) -> bool {
        self.groups.of_worker[worker as usize].is_some()
    }

    /// The attempt at a task that a group has, as if it had failed; `None` if no group has it.
    pub(in crate::pool) fn group_of(&self, slot: u32) -> Option<Abandoned> {
        let Place::Group(number) = self.tasks[slot as usize].place else { return None };
        Some(self.groups.abandoned(number))
    }

    /// Whether a worker holds nothing.
    pub(in crate::pool) fn is_idle(&self, worker: u32) -> bool {
        self.loads.contains(worker) && self.loads.load(worker) == 0
    }

    /// Looks at the next task for several workers, if it is its turn. O(1) while too few are idle, else O(workers).
    pub(in crate::pool) fn next_group(&mut self, now: Duration, members: &mut Vec<u32>) -> GroupTurn {
        if self.groups.waiting == 0 {
            self.release_reserved();
            return GroupTurn::Wait;
        }
        let Some(slot) = self.front_group() else { return GroupTurn::Wait };
        let task = self.tasks[slot as usize];
        let ranks = task.order.ranks as usize;
        let own = (Reverse(task.order.priority), task.stamp);
        if ranks > self.alive() {
            self.groups.queue.pop();
            self.note_waiting(slot, false);
            self.release_reserved();
            self.free_slot(slot);
            return GroupTurn::Impossible(slot);
        }
        if self.front().is_some_and(|small| {
            let task = &self.tasks[small as usize];
            (Reverse(task.order.priority), task.stamp) < own
        }) {
            self.release_reserved();
            return GroupTurn::Wait;
        }
        if self.loads.idle() >= ranks
            && let Some(chosen) = self.choose_idle(ranks)
        {
            self.release_reserved();
            members.clone_from(&chosen);
            self.start_group(slot, chosen, now);
            return GroupTurn::Start(slot);
        }
        if self.groups.reserved.as_ref().is_none_or(|reserved| reserved.slot != slot) {
            self.release_reserved();
            let workers = self.choose_soonest(ranks);
            workers.iter().for_each(|worker| self.loads.park(*worker, true));
            self.groups.reserved = Some(Reserved { slot, workers });
        }
        GroupTurn::Wait
    }

    fn front_group(&mut self) -> Option<u32> {
        loop {
            let slot = self.groups.queue.front()?;
            if self.tasks[slot as usize].place == Place::Ready {
                return Some(slot);
            }
            self.groups.queue.pop();
            self.free_slot(slot);
        }
    }

    fn start_group(&mut self, slot: u32, members: Vec<u32>, now: Duration) {
        self.groups.queue.pop();
        self.note_waiting(slot, false);
        for &worker in &members {
            self.heard[worker as usize] = now;
            self.loads.insert(worker, 1);
            self.loads.park(worker, true);
        }
        let attempt = self.tasks[slot as usize].attempt.wrapping_add(1);
        let open = members.len();
        let run = self.groups.begin(Run { slot, attempt, members, open, ..Run::default() });
        let task = &mut self.tasks[slot as usize];
        (task.place, task.attempt) = (Place::Group(run), attempt);
        task.given += 1;
        self.out += 1;
    }

    /// Reserved workers take other tasks again.
    pub(super) fn release_reserved(&mut self) {
        let Some(reserved) = self.groups.reserved.take() else { return };
        for worker in reserved.workers {
            if !self.is_member(worker) {
                self.loads.park(worker, false);
            }
        }
    }

    /// Whether any host has so many workers that are not lost: then no group is spread over several.
    fn fits_a_host(&self, ranks: usize) -> bool {
        self.groups.hosts.iter().any(|host| self.alive_on(host) >= ranks)
    }

    fn alive_on(&self, host: &[u32]) -> usize {
        host.iter().filter(|worker| self.loads.contains(**worker)).count()
    }

    /// So many idle workers: of the host with the fewest idle ones that suffice. Within it, neighbours that always go
    /// together, so that groups, whose communicators are kept, come again.
    fn choose_idle(&self, ranks: usize) -> Option<Vec<u32>> {
        let idle_on = |host: &Vec<u32>| host.iter().filter(|worker| self.is_idle(**worker)).count();
        let fitting = self.groups.hosts.iter().map(|host| (idle_on(host), host));
        if let Some((_, host)) = fitting.filter(|(idle, _)| *idle >= ranks).min_by_key(|(idle, _)| *idle) {
            let mut blocks = host.chunks_exact(ranks);
            if let Some(block) = blocks.find(|block| block.iter().all(|worker| self.is_idle(*worker))) {
                return Some(block.to_vec());
            }
            return Some(host.iter().copied().filter(|worker| self.is_idle(*worker)).take(ranks).collect());
        }
        if self.fits_a_host(ranks) {
            return None;
        }
        let mut hosts: Vec<&Vec<u32>> = self.groups.hosts.iter().collect();
        hosts.sort_by_key(|host| Reverse(idle_on(host)));
        let mut chosen: Vec<u32> =
            hosts.into_iter().flatten().copied().filter(|worker| self.is_idle(*worker)).take(ranks).collect();
        chosen.sort_unstable();
        Some(chosen)
    }

    /// So many workers that hold the least, of one host if one is large enough.
    fn choose_soonest(&self, ranks: usize) -> Vec<u32> {
        let least = |workers: &mut dyn Iterator<Item = u32>| {
            let mut alive: Vec<u32> = workers.filter(|worker| self.loads.contains(*worker)).collect();
            alive.sort_by_key(|worker| self.loads.load(*worker));
            alive.truncate(ranks);
            alive
        };
        let worst = |chosen: &Vec<u32>| chosen.last().map(|worker| self.loads.load(*worker));
        let hosts = self.groups.hosts.iter().map(|host| least(&mut host.iter().copied()));
        hosts
            .filter(|chosen| chosen.len() == ranks)
            .min_by_key(worst)
            .unwrap_or_else(|| least(&mut self.groups.hosts.iter().flatten().copied()))
    }

    /// Takes in the answer of a member: a result or (`failed`) an error; `again`: another attempt is wanted then.
    pub(in crate::pool) fn member_answered(
        &mut self,
        worker: u32,
        (slot, attempt): (u32, u32),
        duration: impl Into<Option<Duration>>,
        (failed, again): (bool, bool),
    ) -> MemberVerdict {
        let Some(number) = self.groups.of_worker[worker as usize] else { return MemberVerdict::Late };
        let run = &mut self.groups.runs[number as usize];
        if (run.slot, run.attempt) != (slot, attempt) {
            return MemberVerdict::Late;
        }
        run.open -= 1;
        let (over, open, first) = (run.over, run.open, run.members.first() == Some(&worker));
        self.groups.of_worker[worker as usize] = None;
        self.loads.insert(worker, 0);
        let reserved =
            self.groups.reserved.as_ref().is_some_and(|reserved| reserved.workers.contains(&worker));
        self.loads.park(worker, reserved);
        let verdict = if over {
            MemberVerdict::Freed
        } else if failed {
            let abandoned = self.groups.end(number);
            self.out -= 1;
            if again && !self.tasks[slot as usize].unwanted {
                self.tasks[slot as usize].given -= 1;
                self.push_back(slot);
                MemberVerdict::Again(abandoned)
            } else {
                self.free_slot(slot);
                MemberVerdict::Failed(abandoned)
            }
        } else if open > 0 {
            MemberVerdict::Open { first }
        } else {
            self.note_pace(slot, duration.into());
            self.out -= 1;
            self.free_slot(slot);
            MemberVerdict::Done { first }
        };
        self.groups.drop_if_answered(number);
        verdict
    }

    /// Members of failed groups that have not come back for too long: for the grace that is given and the time of the longest
    /// task seen, as they may just be computing. At the end of the pool nobody needs them any more: those that have lost one
    /// of their number are not waited for that long then. To be asked now and then.
    pub(in crate::pool) fn stuck(&mut self, now: Duration) -> Vec<u32> {
        let longest = self.paces.iter().map(Pace::longest).max().unwrap_or_default();
        let Groups { runs, of_worker, grace, at_end, .. } = &mut self.groups;
        let mut stuck = Vec::new();
        for (number, run) in runs.iter_mut().enumerate().filter(|(_, run)| run.over) {
            let since = *run.since.get_or_insert(now);
            let is_torn = run.members.iter().any(|worker| !self.loads.contains(*worker));
            let grace = if *at_end && is_torn { LAST_GRACE.min(*grace) } else { *grace };
            if now.saturating_sub(since) > grace.saturating_add(longest) {
                let still = |worker: &&u32| of_worker[**worker as usize] == Some(number as u32);
                stuck.extend(run.members.iter().filter(still));
            }
        }
        stuck
    }
}
