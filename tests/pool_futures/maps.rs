//! Maps: one task over many arguments.

use crate::simulate;
use adaptive_mpi::pool::MapOptions;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_map_tells_all_failures_and_the_first_one_is_the_first() {
    // Three workers; the task that starts first ends last.
    simulate(
        3,
        |n| 1000 * (10 - n.min(9)),
        |pool, square| {
            let args = [13, 1, 13, 4, 5, 13, 7, 8, 9, 10];
            let error = pool.map(square, args).unwrap_err();
            let places: Vec<usize> = error.failures.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, [2, 0]);
            assert_eq!(error.first().message, "13 is not welcome");
            let text = error.to_string();
            assert!(text.starts_with("argument 2: ") && text.contains("and 1 more:\nargument 0: "), "{text}");
            assert!(
                pool.stats().workers.iter().map(|w| w.tasks).sum::<u64>() <= 4,
                "no task starts after a failure"
            );
        },
    );
}

#[test]
fn a_lazy_map_holds_only_a_window_of_an_endless_iterator() {
    simulate(
        4,
        |n| 1 + n % 7,
        |pool, square| {
            let taken = std::cell::Cell::new(0_u64);
            let args = (100_u64..).inspect(|_| taken.set(taken.get() + 1));
            let mut results = pool.imap(square, args, &MapOptions::new().window(10));
            for i in 0..1000_u64 {
                assert_eq!(results.next(), Some(Ok((100 + i) * (100 + i))));
                assert!(taken.get() <= i + 10, "{} taken, {i} returned", taken.get());
            }
            drop(results);
            let mut seen = BTreeSet::new();
            for (place, result) in pool.map_unordered(square, 0..500, &MapOptions::new()) {
                assert!(seen.insert(place));
                assert_eq!(result.is_err(), place == 13);
            }
            assert_eq!(seen.len(), 500);
        },
    );
}

#[test]
fn a_lazy_map_goes_on_after_an_error_and_a_time_limit() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let mut results = pool.imap(square, 12..15, &MapOptions::new());
            assert_eq!(results.next_within(Duration::from_millis(10)), None);
            assert!(!results.is_finished());
            assert_eq!(results.next(), Some(Ok(144)));
            assert_eq!(results.next().unwrap().unwrap_err().message, "13 is not welcome");
            assert_eq!((results.next(), results.next()), (Some(Ok(196)), None));
            assert!(results.is_finished());
        },
    );
}

#[test]
fn a_chunk_chosen_by_hand_shares_messages() {
    simulate(
        2,
        |_| 1000,
        |pool, square| {
            let results = pool.map_with(square, 20..120, &MapOptions::new().chunk(25)).unwrap();
            assert_eq!(results, (20..120).map(|x| x * x).collect::<Vec<u64>>());
            assert!(pool.stats().manager.messages_sent <= 5, "{:?}", pool.stats().manager);
        },
    );
}
