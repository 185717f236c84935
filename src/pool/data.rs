//! Data that rank 0 reads once, before any task runs, and every worker can use: whole on each rank, or once per node in
//! memory that its ranks share.
//!
//! Only handles are known to users; what they stand for lies in a [`DataStore`] on each rank (one for all threads of
//! a process).

#[cfg(feature = "mpi")]
use super::transport::mpi::{MpiWorld, Region};
#[cfg(feature = "mpi")]
use super::{error::TransportError, wire};
use super::{panics, program::Program};
use serde::{Serialize, de::DeserializeOwned};
use std::any::Any;
use std::marker::PhantomData;

/// A handle of data that each worker has whole; from [`Program::data`].
pub struct Data<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

/// A handle of numbers that are there once per node; from [`Program::node_data`].
pub struct NodeData<E> {
    index: u32,
    kind: PhantomData<fn() -> E>,
}

impl<T> Clone for Data<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Data<T> {}

impl<E> Clone for NodeData<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for NodeData<E> {}

/// Plain numbers, which may lie in shared memory.
pub trait Element: sealed::Plain {}

/// A handle of preloaded data: [`Data`] or [`NodeData`].
pub trait Preloaded: sealed::Handle {
    /// What it stands for.
    type Target: ?Sized;

    #[doc(hidden)]
    fn find<'s>(&self, store: &'s DataStore) -> Option<&'s Self::Target>;
}

impl<T: Send + Sync + 'static> Preloaded for Data<T> {
    type Target = T;

    fn find<'s>(&self, store: &'s DataStore) -> Option<&'s T> {
        store.items.get(self.index as usize)?.downcast_ref()
    }
}

impl<E: Element> Preloaded for NodeData<E> {
    type Target = [E];

    fn find<'s>(&self, store: &'s DataStore) -> Option<&'s [E]> {
        match store.items.get(self.index as usize)?.downcast_ref::<Numbers<E>>()? {
            Numbers::Own(numbers) => Some(numbers),
            #[cfg(feature = "mpi")]
            Numbers::OfNode(region) => Some(region.as_slice()),
        }
    }
}

/// All data of one rank.
#[derive(Default)]
pub struct DataStore {
    items: Vec<Item>,
}

pub(super) type Item = Box<dyn Any + Send + Sync>;

enum Numbers<E> {
    Own(Vec<E>),
    #[cfg(feature = "mpi")]
    OfNode(Region<E>),
}

impl DataStore {
    /// What a handle stands for.
    ///
    /// # Panics
    /// If the handle is another program's.
    #[track_caller]
    pub(super) fn get<H: Preloaded>(&self, handle: &H) -> &H::Target {
        let Some(target) = handle.find(self) else {
            panic!("this handle of preloaded data belongs to another program");
        };
        target
    }

    pub(super) fn item(&self, index: u32) -> Option<&Item> {
        self.items.get(index as usize)
    }

    /// Reads everything in this process.
    pub(super) fn load(sources: &[Box<dyn Source>]) -> Result<Self, (String, String)> {
        let named = |source: &dyn Source, message: String| (source.name().to_owned(), message);
        let items = sources.iter().map(|s| s.load().map_err(|message| named(s.as_ref(), message)));
        Ok(Self { items: items.collect::<Result<_, _>>()? })
    }

    /// Reads everything on rank 0 and spreads it over all ranks. All ranks call this.
    #[cfg(feature = "mpi")]
    pub(super) fn spread(
        sources: &[Box<dyn Source>],
        world: &MpiWorld,
        how: &How,
    ) -> Result<Self, SpreadError> {
        let (mut items, mut malformed) = (Vec::new(), None);
        for source in sources {
            match source.spread(world, how) {
                Ok(item) => items.push(item),
                // The others do not know, and wait for this rank at what comes next.
                Err(error @ SpreadError::Malformed(..)) => malformed = malformed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if !sources.is_empty() {
            // It may be rank 0 that has no room for its copy; then all leave.
            if world.rank() == 0 {
                world.announce(malformed.is_none().then_some(0), how.limit)?;
            } else {
                world.announced(how.limit)?.ok_or(SpreadError::Absent)?;
            }
        }
        malformed.map_or(Ok(Self { items }), Err)
    }
}

/// How data is spread.
#[cfg(feature = "mpi")]
pub(super) struct How {
    /// How long other ranks wait for rank 0 to have read.
    pub(super) limit: std::time::Duration,
    /// Ranks that share memory at most.
    pub(super) node_size: Option<u32>,
}

/// Why data could not be spread.
#[cfg(feature = "mpi")]
pub(super) enum SpreadError {
    /// On rank 0: it could not be read; its name and why.
    Unreadable(String, String),
    /// On the other ranks: rank 0 has none, so this rank should leave.
    Absent,
    /// On this rank: what came does not decode, or there is no room for it; its name and why.
    Malformed(String, String),
    Transport(TransportError),
}

#[cfg(feature = "mpi")]
impl From<TransportError> for SpreadError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// Where some data comes from.
pub(super) trait Source: Send + Sync {
    fn name(&self) -> &str;

    fn load(&self) -> Result<Item, String>;

    #[cfg(feature = "mpi")]
    fn spread(&self, world: &MpiWorld, how: &How) -> Result<Item, SpreadError>;
}

struct Whole<F> {
    name: String,
    load: F,
}

struct PerNode<F> {
    name: String,
    load: F,
}

fn read<T>(load: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panics::catch(load)
        .unwrap_or_else(|caught| Err(format!("panic: {} ({})", caught.message, caught.location)))
}

impl<T, F> Source for Whole<F>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn() -> Result<T, String> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self) -> Result<Item, String> {
        Ok(Box::new(read(&self.load)?))
    }

    #[cfg(feature = "mpi")]
    fn spread(&self, world: &MpiWorld, how: &How) -> Result<Item, SpreadError> {
        let value = if world.rank() == 0 { read(&self.load) } else { Err(String::new()) };
        Ok(Box::new(spread_value(&self.name, value, world, how)?))
    }
}

/// The value of rank 0, on all ranks; what it is on the others does not matter. All call this.
#[cfg(feature = "mpi")]
pub(super) fn spread_value<T: Serialize + DeserializeOwned>(
    name: &str,
    value: Result<T, String>,
    world: &MpiWorld,
    how: &How,
) -> Result<T, SpreadError> {
    if world.rank() > 0 {
        let length = world.announced(how.limit)?.ok_or(SpreadError::Absent)?;
        let mut bytes = vec![0; length as usize];
        world.broadcast(&mut bytes)?;
        let malformed = |e: wire::WireError| SpreadError::Malformed(name.to_owned(), e.to_string());
        return wire::decode::<T>(&bytes).map_err(malformed);
    }
    let mut bytes = Vec::new();
    let value =
        value.and_then(|value| wire::encode(&value, &mut bytes).map_err(|e| e.to_string()).map(|()| value));
    world.announce(value.is_ok().then_some(bytes.len() as u64), how.limit)?;
    let value = value.map_err(|message| SpreadError::Unreadable(name.to_owned(), message))?;
    world.broadcast(&mut bytes)?;
    Ok(value)
}

impl<E, F> Source for PerNode<F>
where
    E: Element,
    F: Fn() -> Result<Vec<E>, String> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self) -> Result<Item, String> {
        Ok(Box::new(Numbers::Own(read(&self.load)?)))
    }

    #[cfg(feature = "mpi")]
    fn spread(&self, world: &MpiWorld, how: &How) -> Result<Item, SpreadError> {
        let (own, length) = if world.rank() > 0 {
            (Vec::new(), world.announced(how.limit)?.ok_or(SpreadError::Absent)?)
        } else {
            let read = read(&self.load);
            world.announce(read.as_ref().ok().map(|numbers| numbers.len() as u64), how.limit)?;
            let numbers = read.map_err(|message| SpreadError::Unreadable(self.name.clone(), message))?;
            let length = numbers.len() as u64;
            (numbers, length)
        };
        Ok(Box::new(Numbers::OfNode(world.share(&own, length as usize, how.node_size)?)))
    }
}

impl Program {
    /// Adds data that every worker needs: `load` runs once, on rank 0, before any task; the others get the value by a
    /// broadcast, of any size. Threads of one process share it. On rank 0, [`Pool::data`](super::Pool::data) has it.
    ///
    /// If it can't be read, [`Self::run`] fails with [`LaunchError::Data`](super::LaunchError::Data).
    ///
    /// ```
    /// let mut program = adaptive_mpi::pool::Program::new();
    /// let table = program.data("table", || Ok(vec![1.0, 10.0, 100.0]));
    /// let pick = program.task("pick", move |worker, i: usize| Ok(worker.data(table)[i]));
    /// let picked = program.run(|pool| pool.submit(pick, 2).wait());
    /// assert_eq!(picked, Ok(Some(Ok(100.0))));
    /// ```
    pub fn data<T>(
        &mut self,
        name: &str,
        load: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Data<T>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let index = self.add_source(Box::new(Whole { name: name.to_owned(), load }));
        Data { index, kind: PhantomData }
    }

    /// Adds numbers that lie in memory once per node, for all its ranks to read: for tables too large to be there per
    /// rank. Otherwise as [`Self::data`]. Rank 0 holds them twice while they are spread.
    pub fn node_data<E: Element>(
        &mut self,
        name: &str,
        load: impl Fn() -> Result<Vec<E>, String> + Send + Sync + 'static,
    ) -> NodeData<E> {
        let index = self.add_source(Box::new(PerNode { name: name.to_owned(), load }));
        NodeData { index, kind: PhantomData }
    }
}

pub(super) mod sealed {
    pub trait Plain: Copy + Send + Sync + 'static {}
    pub trait Handle {}
    impl<T> Handle for super::Data<T> {}
    impl<E> Handle for super::NodeData<E> {}
}

macro_rules! elements {
    ($($number:ty)*) => {
        $(
            impl sealed::Plain for $number {}
            impl Element for $number {}
        )*
    };
}

elements!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);
