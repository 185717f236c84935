//! What the members of a group say to each other while they run one task together.

use super::error::TransportError;
use super::transport::{Alone, Link, RawCommunicator};
use super::wire;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Looks for a message before the core is given away between two looks.
const HOT_LOOKS: u32 = 200;
/// Then the rank looks and yields for so long before it sleeps between looks.
const AWAKE: Duration = Duration::from_millis(1);
/// A sleep is this much shorter than the waiting before it.
const WAITING_PER_SLEEP: u32 = 8;
/// The longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);
/// How long after the task its last words may take to leave, before the next task.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// In front of each message: the attempt that it belongs to.
const ID: usize = 8;

/// The ranks that run one task together; from [`Program::group_task`](super::Program::group_task).
///
/// Every member runs the task's function, with the same arguments. They may talk through the methods below, or through MPI
/// itself ([`Self::communicator`]). Members are named by their places in the group, from 0.
///
/// The methods that wait for others fail as soon as a member has failed (its function returned an error or panicked, or
/// its rank was lost), so that no member is left waiting. Calls of MPI itself can't be ended like that: see
/// [`PoolOptions::group_grace`](super::PoolOptions::group_grace).
pub struct Group<'a> {
    place: Place<'a>,
    /// The place of this rank.
    own: u32,
    link: Box<dyn Link>,
    /// Messages of this member to itself.
    to_itself: RefCell<VecDeque<Vec<u8>>>,
    ears: RefCell<&'a mut dyn FnMut() -> bool>,
    given_up: Cell<bool>,
    finished: Cell<bool>,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its rank in the pool.
    pub(crate) rank: u32,
    /// Those of all members; the first one's result counts.
    pub(crate) members: &'a [u32],
    /// Which task, and which attempt.
    pub(crate) id: u64,
}

/// Why the members of a group could not talk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Another member has failed, or the task is not wanted any more: return, whatever with.
    #[error("the group has given up: another member has failed, or its time is over")]
    GivenUp,
    /// The message is not what this rank expects: the members don't run the same calls in the same order.
    #[error("the members don't say the same things in the same order: {0}")]
    Unexpected(String),
    /// There is no such member.
    #[error("there is no member {place} in a group of {size}")]
    NoMember {
        /// The place asked for.
        place: u32,
        /// The number of members.
        size: u32,
    },
    /// The message could not be sent or received.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl From<GroupError> for String {
    /// So that `?` works in a task.
    fn from(error: GroupError) -> Self {
        error.to_string()
    }
}

impl<'a> Group<'a> {
    pub(crate) fn new(place: Place<'a>, link: Box<dyn Link>, ears: &'a mut dyn FnMut() -> bool) -> Self {
        let own = place.members.iter().position(|rank| *rank == place.rank).unwrap_or_default() as u32;
        Self {
            place,
            own,
            link,
            to_itself: RefCell::default(),
            ears: RefCell::new(ears),
            given_up: Cell::new(false),
            finished: Cell::new(false),
        }
    }

    /// Runs `f` with a group of this rank only.
    pub(crate) fn alone<T>(rank: u32, f: impl FnOnce(&Group<'_>) -> T) -> T {
        let mut ears = || false;
        f(&Group::new(Place { rank, members: &[rank], id: 0 }, Box::new(Alone), &mut ears))
    }

    /// The place of this rank in the group, from 0. The result of the member at 0 is the task's.
    pub fn rank(&self) -> u32 {
        self.own
    }

    /// The number of members.
    pub fn size(&self) -> u32 {
        self.place.members.len() as u32
    }

    /// The ranks of all members in the pool (and in `MPI_COMM_WORLD`), by place.
    pub fn members(&self) -> &[u32] {
        self.place.members
    }

    /// The communicator of this group, for MPI calls of your own: members have the same ranks there as here. It returns
    /// errors instead of ending the job, belongs to the pool (never free it), and is valid until the function returns.
    /// Tags from 32000 on are the pool's, and so are messages of any tag while methods of this type are used.
    ///
    /// `None` without MPI, where workers are threads.
    pub fn communicator(&self) -> Option<RawCommunicator> {
        self.link.communicator()
    }

    /// The same as Fortran knows it; C makes it a communicator by `MPI_Comm_f2c`, mpi4py by `MPI.Comm.f2py`.
    #[cfg(feature = "mpi")]
    pub fn fortran_communicator(&self) -> Option<i32> {
        self.link.communicator().map(super::transport::mpi::fortran_handle)
    }

    /// The same as Fortran knows it: none without MPI.
    #[cfg(not(feature = "mpi"))]
    pub fn fortran_communicator(&self) -> Option<i32> {
        None
    }

    /// Whether another member has failed, or nobody waits for the result any more: a long computation may look now and
    /// then, and return early. A task on one rank is not told.
    pub fn has_given_up(&self) -> bool {
        if !self.given_up.get() {
            let given_up = (self.ears.borrow_mut())();
            self.given_up.set(given_up);
        }
        self.given_up.get()
    }

    /// Makes this member's result the task's, whatever its place, as soon as its function returns it; the others are told to
    /// give up. For a search that one member is enough to end, or for a failure that is a value.
    pub fn finish(&self) {
        self.finished.set(true);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.get()
    }

    fn rank_of(&self, place: u32) -> Result<u32, GroupError> {
        let no_member = || GroupError::NoMember { place, size: self.size() };
        self.place.members.get(place as usize).copied().ok_or_else(no_member)
    }

    /// Sends a value to a member, which has to [`receive`](Self::receive) it. Does not wait for that.
    ///
    /// # Errors
    /// If there is no such member, the value can't be encoded, or MPI fails.
    pub fn send<T: Serialize>(&self, to: u32, value: &T) -> Result<(), GroupError> {
        let rank = self.rank_of(to)?;
        let mut message = self.place.id.to_le_bytes().to_vec();
        wire::encode(value, &mut message).map_err(|error| GroupError::Unexpected(error.to_string()))?;
        if to == self.own {
            self.to_itself.borrow_mut().push_back(message);
            return Ok(());
        }
        Ok(self.link.send(rank, message)?)
    }

    /// The next value that a member has sent to this one. Waits for it, asleep if it takes long.
    ///
    /// # Errors
    /// As soon as the group has given up; if the value is of another type, or MPI fails.
    pub fn receive<T: DeserializeOwned>(&self, from: u32) -> Result<T, GroupError> {
        let message = self.next(from)?;
        wire::decode(&message[ID..]).map_err(|error| GroupError::Unexpected(error.to_string()))
    }

    fn next(&self, from: u32) -> Result<Vec<u8>, GroupError> {
        let rank = self.rank_of(from)?;
        if from == self.own {
            let nothing = || GroupError::Unexpected("this member has sent nothing to itself".into());
            return self.to_itself.borrow_mut().pop_front().ok_or_else(nothing);
        }
        let mut looks = 0_u32;
        let mut began = None;
        loop {
            // What attempts before this one have left behind is dropped.
            while let Some(message) = self.link.try_receive(rank)? {
                if message.get(..ID) == Some(&self.place.id.to_le_bytes()) {
                    return Ok(message);
                }
            }
            looks = looks.saturating_add(1);
            if looks < HOT_LOOKS {
                std::hint::spin_loop();
                continue;
            }
            if self.has_given_up() {
                return Err(GroupError::GivenUp);
            }
            let waited = began.get_or_insert_with(Instant::now).elapsed();
            if waited < AWAKE {
                std::thread::yield_now();
            } else {
                std::thread::sleep((waited / WAITING_PER_SLEEP).min(LONGEST_SLEEP));
            }
        }
    }

    /// Gives all members the value of one: that of `root`, the others' is ignored.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn broadcast<T: Serialize + DeserializeOwned>(&self, root: u32, value: T) -> Result<T, GroupError> {
        self.rank_of(root)?;
        let size = self.size();
        // Places as seen from the root: a tree in which place p gets it from p without its lowest bit.
        let own = (self.own + size - root) % size;
        let place = |seen: u32| (seen + root) % size;
        let value = if own == 0 { value } else { self.receive(place(own & (own - 1)))? };
        let lowest = if own == 0 { size.next_power_of_two() } else { own & own.wrapping_neg() };
        let mut step = lowest / 2;
        while step > 0 {
            if own + step < size {
                self.send(place(own + step), &value)?;
            }
            step /= 2;
        }
        Ok(value)
    }

    /// The values of all members, by place, on the first one; `None` on the others.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn gather<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<Option<Vec<T>>, GroupError> {
        if self.own > 0 {
            self.send(0, &value)?;
            return Ok(None);
        }
        let others = (1..self.size()).map(|place| self.receive(place));
        std::iter::once(Ok(value)).chain(others).collect::<Result<Vec<T>, _>>().map(Some)
    }

    /// Combines the values of all members, in the order of their places, the same on every member and in every run.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn reduce<T: Serialize + DeserializeOwned>(
        &self,
        value: T,
        combine: impl Fn(T, T) -> T,
    ) -> Result<T, GroupError> {
        let (own, size) = (self.own, self.size());
        let mut value = value;
        let mut step = 1;
        while step < size {
            if own & step != 0 {
                self.send(own - step, &value)?;
                break;
            }
            if own + step < size {
                value = combine(value, self.receive(own + step)?);
            }
            step *= 2;
        }
        self.broadcast(0, value)
    }

    /// Adds up arrays of the same length, element by element; all members get the sums.
    ///
    /// # Errors
    /// As [`Self::receive`]; if the lengths differ.
    pub fn sum(&self, values: &mut [f64]) -> Result<(), GroupError> {
        let sums = self.reduce(values.to_vec(), |mut a, b| {
            // Another length shows below.
            if a.len() == b.len() {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a += b)
            } else {
                a.clear()
            }
            a
        })?;
        if sums.len() != values.len() {
            return Err(GroupError::Unexpected("arrays of different lengths are added".into()));
        }
        values.copy_from_slice(&sums);
        Ok(())
    }

    /// Waits until all members have come here.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn barrier(&self) -> Result<(), GroupError> {
        self.reduce((), |(), ()| ())
    }

    /// Waits a little for messages that are still on their way: their transfer needs this thread.
    pub(crate) fn see_off(&self) {
        let mut began = None;
        while let Ok(false) = self.link.is_done() {
            let waited = began.get_or_insert_with(Instant::now).elapsed();
            if waited > LAST_WORDS || self.has_given_up() {
                return;
            }
            std::thread::yield_now();
        }
    }
}
