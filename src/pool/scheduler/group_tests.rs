use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NOW: Duration = Duration::ZERO;

fn large(ranks: u32) -> Order {
    Order::of(ranks)
}

/// One task per worker and no bundles, so that small tasks are easy to follow.
fn scheduler(workers: usize) -> Scheduler {
    let options = PoolOptions { depth: Some(1), bundle: Some(1), ..PoolOptions::default() };
    Scheduler::new(1, workers, &options)
}

/// Everything that can be sent now: a task with its workers.
fn sent(s: &mut Scheduler) -> Vec<(u32, Vec<u32>)> {
    let (mut all, mut members, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        while let GroupTurn::Start(slot) = s.next_group(NOW, &mut members) {
            all.push((slot, members.clone()));
        }
        let Some(worker) = s.next_batch(NOW, &mut batch) else { return all };
        all.push((batch[0], vec![worker]));
    }
}

fn small_ends(s: &mut Scheduler, worker: u32, slot: u32) {
    assert_eq!(s.answered(worker, slot, s.attempt(slot), NOW), Verdict::Accepted);
    s.relieve(worker, 1);
}

fn member(s: &mut Scheduler, worker: u32, slot: u32, failed: bool) -> MemberVerdict {
    let attempt = s.group_of(slot).map_or_else(|| s.attempt(slot), |group| group.attempt);
    s.member_answered(worker, (slot, attempt), NOW, (failed, false))
}

#[test]
fn groups_of_different_sizes_run_side_by_side_and_the_same_ones_come_again() {
    let mut s = scheduler(7);
    for ranks in [4, 2, 1] {
        s.add(0, large(ranks));
    }
    let first = sent(&mut s);
    assert_eq!(first, [(0, vec![0, 1, 2, 3]), (1, vec![4, 5]), (2, vec![6])]);
    assert!((0..6).all(|worker| s.is_member(worker)) && !s.is_member(6));
    s.add(0, large(4));
    assert_eq!(sent(&mut s), []);
    for worker in 0..3 {
        assert_eq!(member(&mut s, worker, 0, false), MemberVerdict::Open { first: worker == 0 });
    }
    assert_eq!(sent(&mut s), []);
    assert_eq!(member(&mut s, 3, 0, false), MemberVerdict::Done { first: false });
    assert_eq!(sent(&mut s), [(3, vec![0, 1, 2, 3])]);
    assert_eq!((s.open(), s.out()), (3, 3));
}

#[test]
fn a_group_stays_on_one_host_if_any_is_large_enough_and_is_spread_over_few_if_not() {
    let mut s = scheduler(8);
    s.set_hosts(vec![vec![0, 3, 6], vec![1, 2, 4, 5, 7]]);
    s.add(0, large(3));
    s.add(0, large(3));
    s.add(0, large(3));
    assert_eq!(sent(&mut s), [(0, vec![0, 3, 6]), (1, vec![1, 2, 4])], "two are left, on one host: too few");
    s.add(0, large(7));
    for worker in [0, 3, 6] {
        member(&mut s, worker, 0, false);
    }
    assert_eq!(sent(&mut s), [(2, vec![0, 3, 6])]);
    for (worker, slot) in [(0, 2), (3, 2), (6, 2), (1, 1), (2, 1), (4, 1)] {
        member(&mut s, worker, slot, false);
    }
    assert_eq!(sent(&mut s), [(3, vec![0, 1, 2, 3, 4, 5, 7])], "no host has seven");
}

#[test]
fn a_large_task_reserves_the_workers_it_needs_and_no_others() {
    let mut s = scheduler(4);
    let small: Vec<u32> = (0..4).map(|_| s.add(0, Order::default())).collect();
    assert_eq!(sent(&mut s).len(), 4);
    let big = s.add(0, large(2));
    let mut younger: Vec<u32> = (0..6).map(|_| s.add(0, Order::default())).collect();
    // Workers 2 and 3 are not reserved: small tasks flow on there.
    for _ in 0..2 {
        assert_eq!(sent(&mut s), []);
        for worker in [2, 3] {
            let slot =
                (0..s.tasks.len() as u32).find(|slot| s.tasks[*slot as usize].place == Place::With(worker));
            small_ends(&mut s, worker, slot.unwrap());
            assert_eq!(sent(&mut s), [(younger.remove(0), vec![worker])]);
        }
    }
    small_ends(&mut s, 0, small[0]);
    assert_eq!(sent(&mut s), [], "worker 0 is kept for the large task");
    small_ends(&mut s, 1, small[1]);
    assert_eq!(sent(&mut s), [(big, vec![0, 1])]);
    member(&mut s, 0, big, false);
    assert_eq!(sent(&mut s), [(younger[0], vec![0])], "who is free again takes what is there");
}

#[test]
fn small_tasks_that_came_first_go_first_and_urgent_ones_overtake() {
    let mut s = scheduler(2);
    let older: Vec<u32> = (0..3).map(|_| s.add(0, Order::default())).collect();
    let big = s.add(0, large(2));
    assert_eq!(sent(&mut s), [(older[0], vec![0]), (older[1], vec![1])]);
    small_ends(&mut s, 0, older[0]);
    assert_eq!(sent(&mut s), [(older[2], vec![0])]);
    small_ends(&mut s, 1, older[1]);
    assert_eq!(sent(&mut s), [], "reserved");
    let urgent = s.add(0, Order { priority: 1, ..Order::default() });
    assert_eq!(sent(&mut s), [(urgent, vec![1])]);
    let lazy = s.add(0, Order { priority: -1, ..Order::default() });
    small_ends(&mut s, 1, urgent);
    small_ends(&mut s, 0, older[2]);
    assert_eq!(sent(&mut s), [(big, vec![0, 1])]);
    member(&mut s, 1, big, false);
    assert_eq!(sent(&mut s), [(lazy, vec![1])]);
}

#[test]
fn a_task_for_more_workers_than_there_are_is_impossible_at_once_or_when_some_are_lost() {
    let mut s = scheduler(3);
    let (never, later) = (s.add(0, large(4)), s.add(0, large(3)));
    let mut members = Vec::new();
    assert_eq!(s.next_group(NOW, &mut members), GroupTurn::Impossible(never));
    assert_eq!(s.next_group(NOW, &mut members), GroupTurn::Start(later));
    let small = s.add(0, Order::default());
    let loss = s.lose(1, |_| true);
    assert_eq!(loss.reissued, 1);
    assert_eq!(loss.abandoned.map(|group| group.rest), Some(vec![0, 2]));
    assert_eq!(s.next_group(NOW, &mut members), GroupTurn::Impossible(later));
    assert_eq!(sent(&mut s), [], "the others are still at it");
    let late = s.member_answered(0, (later, 1), NOW, (true, false));
    assert_eq!((late, sent(&mut s)), (MemberVerdict::Freed, vec![(small, vec![0])]));
    assert_eq!(s.open(), 1);
}

#[test]
fn the_failure_of_one_member_fails_the_task_and_the_others_are_free_when_they_return() {
    let mut s = scheduler(3);
    let big = s.add(0, large(3));
    sent(&mut s);
    assert_eq!(member(&mut s, 0, big, false), MemberVerdict::Open { first: true });
    let MemberVerdict::Failed(group) = member(&mut s, 2, big, true) else { panic!("it has failed") };
    assert_eq!((group.rest, group.members), (vec![1], vec![0, 1, 2]));
    assert_eq!((s.open(), s.out()), (0, 0));
    // The slot may be used again while a member of the old run is still out.
    let next = s.add(0, large(2));
    assert_eq!((next, sent(&mut s)), (big, vec![(big, vec![0, 2])]));
    assert_eq!(s.member_answered(1, (big, 1), NOW, (true, false)), MemberVerdict::Freed);
    assert_eq!(s.member_answered(1, (big, 1), NOW, (true, false)), MemberVerdict::Late);
    assert_eq!(member(&mut s, 0, big, false), MemberVerdict::Open { first: true });
    assert_eq!(member(&mut s, 2, big, false), MemberVerdict::Done { first: false });
}

#[test]
fn a_failed_attempt_is_made_again_if_wanted_by_other_workers_if_need_be() {
    let mut s = scheduler(3);
    let big = s.add(0, large(2));
    sent(&mut s);
    let verdict = s.member_answered(0, (big, 1), NOW, (true, true));
    assert!(matches!(verdict, MemberVerdict::Again(_)), "{verdict:?}");
    assert_eq!(sent(&mut s), [(big, vec![0, 2])], "worker 1 has not returned yet");
    assert_eq!(s.attempt(big), 2);
}

#[test]
fn members_that_don_t_come_back_after_a_failure_are_stuck_when_the_grace_is_over() {
    let mut s = scheduler(2);
    let big = s.add(0, large(2));
    sent(&mut s);
    let second = Duration::from_secs;
    assert!(s.stuck(second(1000)).is_empty(), "a long task is no failure");
    member(&mut s, 1, big, true);
    assert!(s.stuck(second(1000)).is_empty());
    assert!(s.stuck(second(1060)).is_empty());
    assert_eq!(s.stuck(second(1061)), [0]);
    s.lose(0, |_| true);
    assert!(s.stuck(second(1061)).is_empty());
    s.heard(0, second(1062));
    let next = s.add(0, large(2));
    assert_eq!(sent(&mut s), [(next, vec![0, 1])]);
    // Who may be computing has longer, where tasks take long.
    let seconds = Some(second(100));
    s.member_answered(0, (next, s.attempt(next)), seconds, (false, false));
    s.member_answered(1, (next, s.attempt(next)), seconds, (false, false));
    let last = s.add(0, large(2));
    sent(&mut s);
    member(&mut s, 1, last, true);
    assert!(s.stuck(second(2000)).is_empty());
    assert!(s.stuck(second(2160)).is_empty());
    assert_eq!(s.stuck(second(2161)), [0]);
    // At the end of the pool, one that waits for a lost one has less.
    s.begin_end();
    assert!(s.stuck(second(2160)).is_empty(), "none is lost");
    s.lose(1, |_| true);
    assert!(s.stuck(second(2102)).is_empty());
    assert_eq!(s.stuck(second(2103)), [0]);
}

#[test]
fn cancelled_and_disowned_tasks_leave_nothing_reserved() {
    let mut s = scheduler(2);
    let small = s.add(0, Order::default());
    sent(&mut s);
    let big = s.add(0, large(2));
    let other = s.add(0, Order::default());
    assert_eq!(sent(&mut s), []);
    assert!(s.cancel(big));
    assert_eq!(sent(&mut s), [(other, vec![1])]);
    small_ends(&mut s, 0, small);
    small_ends(&mut s, 1, other);
    let big = s.add(0, large(2));
    sent(&mut s);
    s.disown(big);
    assert_eq!(s.open(), 0);
    member(&mut s, 0, big, false);
    assert_eq!(member(&mut s, 1, big, false), MemberVerdict::Done { first: false });
    assert_eq!(s.out(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u32, i32),
    Send,
    Answer(usize, bool),
    Lose(u32),
    Return(u32),
    Cancel(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u32..6, -1..2).prop_map(|(ranks, priority)| Step::Add(ranks, priority)),
        3 => Just(Step::Send),
        8 => (0_usize..50, prop::bool::weighted(0.1)).prop_map(|(i, failed)| Step::Answer(i, failed)),
        1 => (0_u32..6).prop_map(Step::Lose),
        1 => (0_u32..6).prop_map(Step::Return),
        1 => (0_usize..50).prop_map(Step::Cancel),
    ];
    prop::collection::vec(step, 0..150)
}

proptest! {
    /// Whatever happens, every task ends once, a worker is in one group at a time, and none holds anything else meanwhile.
    #[test]
    fn large_and_small_tasks_all_end_and_groups_never_overlap(steps in steps()) {
        let mut s = scheduler(6);
        s.set_hosts(vec![vec![0, 1, 4], vec![2, 3, 5]]);
        let mut open: BTreeSet<u32> = BTreeSet::new();
        // What each worker holds: slot, attempt, and whether as a member.
        let mut held: BTreeMap<u32, (u32, u32, bool)> = BTreeMap::new();
        let mut members = Vec::new();
        let mut batch = Vec::new();
        let mut end = 0;
        for step in steps.into_iter().chain((0..400).map(|i| if i % 2 == 0 { Step::Send } else { Step::Answer(i, false) })) {
            end += 1;
            match step {
                Step::Add(ranks, priority) if s.alive() > 0 => {
                    let order = Order { priority, ..Order::of(ranks) };
                    prop_assert!(open.insert(s.add(0, order)));
                }
                Step::Send => loop {
                    match s.next_group(NOW, &mut members) {
                        GroupTurn::Start(slot) => {
                            prop_assert_eq!(members.len(), s.tasks[slot as usize].order.ranks as usize);
                            for &worker in &members {
                                let fresh = held.insert(worker, (slot, s.attempt(slot), true)).is_none();
                                prop_assert!(fresh && s.is_alive(worker), "{} holds something", worker);
                            }
                            continue;
                        }
                        GroupTurn::Impossible(slot) => {
                            prop_assert!(open.remove(&slot));
                            continue;
                        }
                        GroupTurn::Wait => {}
                    }
                    let Some(worker) = s.next_batch(NOW, &mut batch) else { break };
                    prop_assert!(held.insert(worker, (batch[0], s.attempt(batch[0]), false)).is_none());
                },
                Step::Answer(i, failed) if !held.is_empty() => {
                    let worker = *held.keys().nth(i % held.len()).unwrap();
                    let (slot, attempt, is_member) = held.remove(&worker).unwrap();
                    if is_member {
                        match s.member_answered(worker, (slot, attempt), NOW, (failed, false)) {
                            MemberVerdict::Done { .. } => prop_assert!(open.remove(&slot)),
                            MemberVerdict::Failed(group) => {
                                prop_assert!(open.remove(&slot));
                                for other in group.rest {
                                    prop_assert_eq!(held.get(&other), Some(&(slot, attempt, true)));
                                }
                            }
                            verdict => prop_assert!(!matches!(verdict, MemberVerdict::Late | MemberVerdict::Again(_))),
                        }
                    } else {
                        prop_assert_eq!(s.answered(worker, slot, attempt, NOW), Verdict::Accepted);
                        s.relieve(worker, 1);
                        prop_assert!(open.remove(&slot));
                    }
                }
                Step::Lose(worker) if s.is_alive(worker) => {
                    held.remove(&worker);
                    for slot in s.lose(worker, |_| true).given_up {
                        prop_assert!(open.remove(&slot));
                    }
                }
                Step::Return(worker) if !s.is_alive(worker) => s.heard(worker, NOW),
                Step::Cancel(i) if !open.is_empty() => {
                    let slot = *open.iter().nth(i % open.len()).unwrap();
                    if s.cancel(slot) {
                        open.remove(&slot);
                    }
                }
                _ => {}
            }
            prop_assert_eq!(open.len(), s.open(), "after {} steps", end);
            prop_assert_eq!(s.groups.waiting() + s.waiting + s.out(), s.open());
        }
        prop_assert!(open.is_empty() || s.alive() == 0, "never ended: {:?}", open);
    }
}
