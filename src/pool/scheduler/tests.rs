use super::endings::Loss;
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
    assert_eq!(s.wanted(0, Order::default()), 3);
    for _ in 0..5 {
        s.add(0, Order::default());
    }
    assert_eq!(batches(&mut s), [(0, vec![0]), (1, vec![1]), (2, vec![2])]);
    assert_eq!((s.out(), s.wanted(0, Order::default())), (3, 0));
}

#[test]
fn a_worker_gets_one_spare_when_tasks_turn_out_to_be_short() {
    let mut s = scheduler(2, &PoolOptions::default());
    for _ in 0..4 {
        s.add(0, Order::default());
    }
    batches(&mut s);
    assert_eq!(answer(&mut s, 0, 0, Duration::from_millis(5)), Verdict::Accepted);
    // One short task says nothing of the other worker's.
    assert_eq!((batches(&mut s), s.wanted(0, Order::default())), (vec![(0, vec![2])], 0));
    assert_eq!(answer(&mut s, 1, 1, Duration::from_millis(5)), Verdict::Accepted);
    assert_eq!(batches(&mut s), [(1, vec![3])]);
    assert_eq!(s.wanted(0, Order::default()), 2);
}

#[test]
fn a_task_that_ends_its_workers_takes_no_other_with_it() {
    let options = PoolOptions { depth: Some(8), bundle: Some(8), max_attempts: 3, ..PoolOptions::default() };
    let mut s = scheduler(5, &options);
    (0..40).for_each(|_| _ = s.add(0, Order::default()));
    let (poison, mut given_up, mut done) = (3, Vec::new(), 0);
    let mut lost = 0;
    loop {
        let all = batches(&mut s);
        if all.is_empty() {
            break;
        }
        for (worker, slots) in all {
            if slots.contains(&poison) && s.is_out(poison) {
                lost += 1;
                given_up.extend(s.lose(worker, |_| true).given_up);
                continue;
            }
            for slot in slots {
                assert_eq!(answer(&mut s, worker, slot, Duration::from_micros(5)), Verdict::Accepted);
                done += 1;
            }
        }
    }
    assert_eq!((lost, given_up, done), (3, vec![poison], 39));
}

#[test]
fn short_tasks_do_not_wait_behind_long_ones_of_another_kind() {
    let mut s = Scheduler::new(2, 3, &PoolOptions::default());
    let (short, long, order) = (0, 1, Order::default());
    for _ in 0..300 {
        s.add(short, order);
    }
    let answer_short = |s: &mut Scheduler, (worker, slots): (u32, Vec<u32>)| {
        for slot in slots {
            assert_eq!(answer(s, worker, slot, Duration::from_micros(5)), Verdict::Accepted);
        }
    };
    for _ in 0..20 {
        batches(&mut s).into_iter().for_each(|batch| answer_short(&mut s, batch));
    }
    let slot = s.add(long, order);
    let all = batches(&mut s);
    let at_it = all.iter().find(|(_, slots)| slots.contains(&slot)).unwrap().0;
    all.into_iter().filter(|(worker, _)| *worker != at_it).for_each(|batch| answer_short(&mut s, batch));
    (0..500).for_each(|_| _ = s.add(short, order));
    let mut done = 0;
    loop {
        let all = batches(&mut s);
        if all.is_empty() {
            break;
        }
        for (worker, slots) in all {
            assert_ne!(worker, at_it, "it holds a task that may take long");
            done += slots.len();
            answer_short(&mut s, (worker, slots));
        }
    }
    assert_eq!(done, 500);
}

#[test]
fn idle_workers_get_tasks_though_others_hold_more_than_they_should_by_now() {
    let mut s = scheduler(4, &PoolOptions::default());
    let order = Order::default();
    (0..4).for_each(|_| _ = s.add(0, order));
    batches(&mut s);
    (0..4).for_each(|worker| {
        assert_eq!(answer(&mut s, worker, worker, Duration::from_millis(5)), Verdict::Accepted)
    });
    (0..8).for_each(|_| _ = s.add(0, order));
    let held: BTreeMap<u32, Vec<u32>> =
        batches(&mut s).into_iter().fold(BTreeMap::new(), |mut held, (worker, slots)| {
            held.entry(worker).or_insert_with(Vec::new).extend(slots);
            held
        });
    // Now they take an hour, so that none should be held in reserve; two workers have done theirs.
    for slot in [held[&0][0], held[&0][1], held[&1][0], held[&1][1]] {
        let worker = if held[&0].contains(&slot) { 0 } else { 1 };
        answer(&mut s, worker, slot, Duration::from_secs(3600));
    }
    assert_eq!((s.out(), s.depth(0), s.wanted(0, order)), (4, 1, 2));
    (0..2).for_each(|_| _ = s.add(0, order));
    let served: BTreeSet<u32> = batches(&mut s).into_iter().map(|(worker, _)| worker).collect();
    assert_eq!((served, s.wanted(0, order)), (BTreeSet::from([0, 1]), 0));
}

#[test]
fn what_a_worker_holds_that_is_left_out_takes_no_room_of_the_others() {
    let mut s = scheduler(2, &PoolOptions { depth: Some(4), ..PoolOptions::default() });
    for _ in 0..8 {
        s.add(0, Order::default());
    }
    let slots = batches(&mut s).into_iter().filter(|(worker, _)| *worker == 1).flat_map(|(_, slots)| slots);
    let slots: Vec<u32> = slots.collect();
    assert_eq!((s.out(), s.wanted(0, Order::default())), (8, 0));
    s.set_standing(0, Standing::Aside);
    assert_eq!(s.wanted(0, Order::default()), 0);
    answer(&mut s, 1, slots[0], Duration::from_millis(5));
    assert_eq!(s.wanted(0, Order::default()), 1);
    s.set_standing(0, Standing::Good);
    assert_eq!((s.out(), s.wanted(0, Order::default())), (7, 1));
}

#[test]
fn few_tasks_are_shared_out_evenly_even_if_a_bundle_could_take_them_all() {
    let options = PoolOptions { depth: Some(64), bundle: Some(16), ..PoolOptions::default() };
    let mut s = scheduler(4, &options);
    for _ in 0..8 {
        s.add(0, Order::default());
    }
    let sizes: Vec<_> = batches(&mut s).into_iter().map(|(worker, batch)| (worker, batch.len())).collect();
    assert_eq!(sizes, [(0, 2), (1, 2), (2, 2), (3, 2)]);
}

#[test]
fn a_busy_worker_is_not_sent_crumbs() {
    let options = PoolOptions { depth: Some(8), bundle: Some(4), ..PoolOptions::default() };
    let mut s = scheduler(1, &options);
    for _ in 0..13 {
        s.add(0, Order::default());
    }
    assert_eq!(batches(&mut s).len(), 2);
    answer(&mut s, 0, 0, NOW);
    assert_eq!(batches(&mut s), []);
    for slot in [1, 2, 3] {
        answer(&mut s, 0, slot, NOW);
    }
    assert_eq!(batches(&mut s), [(0, vec![8, 9, 10, 11])]);
    for slot in [4, 5, 6, 7] {
        answer(&mut s, 0, slot, NOW);
    }
    assert_eq!(batches(&mut s), [], "one task while it holds a bundle");
    answer(&mut s, 0, 8, NOW);
    assert_eq!(batches(&mut s), [(0, vec![12])]);
}

#[test]
fn a_lost_workers_tasks_go_to_others_and_its_late_answers_are_dropped() {
    let options = PoolOptions { depth: Some(2), ..PoolOptions::default() };
    let mut s = scheduler(2, &options);
    for _ in 0..4 {
        s.add(0, Order::default());
    }
    batches(&mut s);
    let old = s.attempt(0);
    assert_eq!(s.lose(0, |_| true), Loss { reissued: 2, ..Loss::default() });
    assert_eq!(batches(&mut s), []);
    answer(&mut s, 1, 1, NOW);
    answer(&mut s, 1, 3, NOW);
    assert_eq!(batches(&mut s), [(1, vec![0])], "alone: it may have been the end of its worker");
    assert_eq!(s.answered(0, 0, old, NOW), Verdict::Late);
    s.heard(0, NOW);
    assert_eq!(s.alive(), 2);
    assert_eq!(answer(&mut s, 1, 0, NOW), Verdict::Accepted);
}

#[test]
fn a_task_that_loses_every_worker_is_given_up() {
    let options = PoolOptions { max_attempts: 2, ..PoolOptions::default() };
    let mut s = scheduler(3, &options);
    s.add(0, Order::default());
    batches(&mut s);
    assert_eq!(s.lose(0, |_| true).reissued, 1);
    assert_eq!(batches(&mut s), [(1, vec![0])]);
    assert_eq!(s.lose(1, |_| true).given_up, [0]);
    s.add(0, Order::default());
    s.add(0, Order::default());
    assert_eq!(s.lose(2, |_| true).given_up.len(), 2);
    assert_eq!((s.out(), s.alive(), s.wanted(0, Order::default())), (0, 0, 0));
}

#[test]
fn silence_counts_from_the_last_word_and_scales_with_the_longest_task() {
    let options =
        PoolOptions { depth: Some(1), lost_after: Some(Duration::from_secs(5)), ..PoolOptions::default() };
    let mut s = scheduler(2, &options);
    s.add(0, Order::default());
    s.add(0, Order::default());
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
    AddBlocked,
    Unblock(usize),
    Fail(usize),
    Disown(usize),
    Expire,
    TakeBack,
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
        1 => Just(Step::AddBlocked),
        1 => (0_usize..50).prop_map(Step::Unblock),
        1 => (0_usize..50).prop_map(Step::Fail),
        1 => (0_usize..50).prop_map(Step::Disown),
        1 => Just(Step::Expire),
        1 => Just(Step::TakeBack),
    ];
    prop::collection::vec(step, 0..200)
}

#[test]
fn a_task_with_a_deadline_goes_alone_to_a_worker_that_holds_nothing() {
    let options = PoolOptions { depth: Some(4), bundle: Some(4), ..PoolOptions::default() };
    let mut s = scheduler(2, &options);
    let limited = Order { deadline: Some(Duration::from_secs(5)), ..Order::default() };
    for order in [Order::default(), limited, limited, Order::default(), limited] {
        s.add(0, order);
    }
    assert_eq!(batches(&mut s), [(0, vec![0]), (1, vec![1])]);
    answer(&mut s, 0, 0, NOW);
    assert_eq!(batches(&mut s), [(0, vec![2]), (1, vec![3])]);
    answer(&mut s, 1, 1, NOW);
    assert_eq!(batches(&mut s), [], "one with a deadline waits for a worker that holds nothing");
    assert_eq!(s.next_deadline(), Some(Duration::from_secs(5)), "an ended task leaves its entry until then");
    let now = Duration::from_secs(5);
    assert_eq!(s.expire(now), Some(Expired { slot: 2, worker: Some(0) }));
    assert_eq!(s.expire(now), Some(Expired { slot: 4, worker: None }));
    assert_eq!((s.expire(now), s.open(), s.out()), (None, 1, 2));
    assert_eq!(answer(&mut s, 0, 2, NOW), Verdict::Accepted, "the late answer frees its worker");
    assert_eq!((s.open(), s.out()), (1, 1));
}

#[test]
fn a_blocked_task_is_not_sent_before_it_is_unblocked_and_then_by_its_priority() {
    let mut s = scheduler(1, &PoolOptions { depth: Some(1), ..PoolOptions::default() });
    let urgent = s.add_blocked(0, Order { priority: 1, ..Order::default() });
    assert_eq!((batches(&mut s), s.open()), (vec![], 1));
    let usual = s.add(0, Order::default());
    s.unblock(urgent);
    assert_eq!(batches(&mut s), [(0, vec![urgent])]);
    s.unblock(urgent);
    answer(&mut s, 0, urgent, NOW);
    assert_eq!(batches(&mut s), [(0, vec![usual])]);
}

#[test]
fn a_task_that_nobody_wants_is_not_given_to_another_worker() {
    let mut s = scheduler(2, &PoolOptions { depth: Some(1), ..PoolOptions::default() });
    let (kept, dropped) = (s.add(0, Order::default()), s.add(0, Order::default()));
    batches(&mut s);
    s.disown(dropped);
    assert_eq!(s.lose(1, |_| true), Loss::default());
    assert_eq!(s.lose(0, |_| true), Loss { given_up: vec![kept], ..Loss::default() });
    assert_eq!((s.open(), s.out()), (0, 0));
}

proptest! {
    /// Whatever happens, each task ends exactly once: answered, cancelled or given up.
    #[test]
    fn every_task_ends_exactly_once(steps in steps(), depth in 1_usize..5, bundle in 1_usize..4) {
        let options = PoolOptions { depth: Some(depth), bundle: Some(bundle), ..PoolOptions::default() };
        let mut s = scheduler(4, &options);
        let mut open: BTreeMap<u32, bool> = BTreeMap::new();
        let mut unwanted = BTreeSet::new();
        let (mut now, mut added) = (NOW, 0_u32);
        let mut orders = |now: Duration| {
            added += 1;
            let deadline = (added % 3 == 0).then(|| now + Duration::from_secs(u64::from(added % 4)));
            Order { priority: (added % 5) as i32 - 2, deadline, bundle: 0, ranks: 0 }
        };
        let mut sent: Vec<(u32, u32, u32)> = Vec::new();
        let mut old = Vec::new();
        let mut batch = Vec::new();
        for step in steps {
            match step {
                Step::Add if s.alive() > 0 => {
                    prop_assert!(open.insert(s.add(0, orders(now)), true).is_none(), "a slot in use was given out");
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
                        prop_assert!(open.remove(&slot).is_some() || unwanted.remove(&slot));
                    }
                    old.push((worker, slot, attempt));
                }
                Step::Fail(i) if !sent.is_empty() => {
                    let (worker, slot, attempt) = sent.remove(i % sent.len());
                    if s.is_alive(worker) {
                        prop_assert_eq!(s.failed(worker, slot, attempt, NOW), Verdict::Accepted);
                        s.relieve(worker, 1);
                        unwanted.remove(&slot);
                    }
                    old.push((worker, slot, attempt));
                }
                Step::AddBlocked if s.alive() > 0 => {
                    prop_assert!(open.insert(s.add_blocked(0, orders(now)), true).is_none());
                }
                Step::Unblock(i) if !open.is_empty() && s.alive() > 0 => {
                    s.unblock(*open.keys().nth(i % open.len()).unwrap());
                }
                Step::Disown(i) if !open.is_empty() => {
                    let slot = *open.keys().nth(i % open.len()).unwrap();
                    if s.is_out(slot) {
                        unwanted.insert(slot);
                    }
                    s.disown(slot);
                    open.remove(&slot);
                }
                Step::Expire => {
                    now += Duration::from_secs(1);
                    while let Some(Expired { slot, worker }) = s.expire(now) {
                        prop_assert_eq!(worker.is_some(), sent.iter().any(|(_, held, _)| *held == slot));
                        prop_assert!(open.remove(&slot).is_some());
                        if worker.is_some() {
                            unwanted.insert(slot);
                        }
                    }
                }
                Step::TakeBack => {
                    for TakenBack { worker, slot, attempt } in s.take_back(Duration::from_secs(1000), |_| true) {
                        let at = sent.iter().position(|held| *held == (worker, slot, attempt));
                        prop_assert!(at.is_some(), "{} is not with {}", slot, worker);
                        old.extend(at.map(|at| sent.remove(at)));
                        prop_assert!(sent.iter().any(|(holder, ..)| *holder == worker), "it keeps what it is at");
                    }
                }
                Step::Replay(i) if !old.is_empty() => {
                    let (worker, slot, attempt) = old[i % old.len()];
                    prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Late);
                }
                Step::Lose(worker) if s.is_alive(worker) => {
                    let (lost, kept) = sent.into_iter().partition(|(holder, ..)| *holder == worker);
                    sent = kept;
                    old.extend::<Vec<_>>(lost);
                    for slot in s.lose(worker, |_| true).given_up {
                        prop_assert!(open.remove(&slot).is_some());
                    }
                    unwanted.retain(|slot| sent.iter().any(|(_, held, _)| held == slot));
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
            prop_assert_eq!(open.len(), s.open());
        }
        for worker in 0..4 {
            s.heard(worker, NOW);
        }
        open.keys().for_each(|slot| s.unblock(*slot));
        for _ in 0..1000 {
            while let Some(worker) = s.next_batch(NOW, &mut batch) {
                sent.extend(batch.iter().map(|&slot| (worker, slot, s.attempt(slot))));
            }
            let Some((worker, slot, attempt)) = sent.pop() else { break };
            prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Accepted);
            s.relieve(worker, 1);
            prop_assert!(open.remove(&slot).is_some() || unwanted.remove(&slot));
        }
        prop_assert!(open.is_empty(), "never ended: {:?}", open);
    }
}
