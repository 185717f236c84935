//! A worker as its tasks see it.

use super::data::{DataStore, Preloaded};
use super::runners::Runners;
use super::world::WorkerInfo;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// What a task sees of the worker that runs it.
pub struct Worker {
    info: WorkerInfo,
    states: Vec<Box<dyn Any>>,
    data: Arc<DataStore>,
    /// Time of the task at hand that is not its own.
    left_out: Duration,
    /// That time says nothing about how long other tasks take.
    void: bool,
}

impl Worker {
    pub(crate) fn new(info: WorkerInfo, runners: &mut Runners) -> Self {
        let (states, data) = (std::mem::take(&mut runners.states), Arc::clone(&runners.data));
        Self { info, states, data, left_out: Duration::ZERO, void: false }
    }

    /// So much of the time since this task began went into something that is done once for many: it is left out of the
    /// task's measured duration, as the task is taken to have started so much later.
    pub fn leave_out(&mut self, time: Duration) {
        self.left_out += time;
    }

    /// The time of this task says nothing about how long others take: it could not be begun.
    pub(crate) fn leave_out_of_pace(&mut self) {
        self.void = true;
    }

    /// What is to be left out of the task that has ended, and whether all of its time says nothing about others.
    pub(super) fn take_left_out(&mut self) -> (Duration, bool) {
        (std::mem::take(&mut self.left_out), std::mem::take(&mut self.void))
    }

    /// Drops the states of the tasks.
    pub(super) fn drop_states(&mut self) {
        self.states.clear();
    }

    /// The state of this type that [`Program::init`](super::Program::init) has made on this worker.
    ///
    /// # Panics
    /// If no initialiser makes such a state.
    #[track_caller]
    pub fn state<S: 'static>(&mut self) -> &mut S {
        find_state(&mut self.states)
    }

    /// Data that rank 0 has read for all ([`Program::data`](super::Program::data),
    /// [`Program::node_data`](super::Program::node_data)).
    ///
    /// # Panics
    /// If the handle is another program's.
    #[track_caller]
    pub fn data<H: Preloaded>(&self, handle: H) -> &H::Target {
        self.data.get(&handle)
    }

    /// A state and some data at the same time.
    ///
    /// # Panics
    /// As [`Self::state`] and [`Self::data`].
    #[track_caller]
    pub fn state_and_data<S: 'static, H: Preloaded>(&mut self, handle: H) -> (&mut S, &H::Target) {
        (find_state(&mut self.states), self.data.get(&handle))
    }

    /// Who this worker is.
    pub fn info(&self) -> &WorkerInfo {
        &self.info
    }

    /// Its rank, from 1.
    pub fn rank(&self) -> u32 {
        self.info.rank
    }
}

#[track_caller]
fn find_state<S: 'static>(states: &mut [Box<dyn Any>]) -> &mut S {
    let Some(state) = states.iter_mut().find_map(|state| state.downcast_mut()) else {
        panic!("no initialiser makes a state of type {}", std::any::type_name::<S>());
    };
    state
}
