//! Who gives the core away while a rank waits: this program, by its [`Ladder`](super::Ladder), or the library.
//!
//! Where ranks outnumber cores, Open MPI gives the core away at each look that finds nothing. The next look then comes
//! after a turn of another rank, though the message may be there a fraction of a microsecond later. While the pool looks
//! for messages it does without that, since it knows better when to give the core away; blocking calls, and those of user
//! code on the communicator of its group, keep the library's way.
#![expect(unsafe_code, reason = "a switch of a C library")]

/// Sets whether looks in vain give the core away; what it was before. Plain assignment in Open MPI 3 to 5.
type Switch = unsafe extern "C" fn(bool) -> bool;

/// The library's switch, where it has one.
pub(super) struct Yields {
    switch: Option<Switch>,
    /// Looks in vain give the core away unless told otherwise.
    on: bool,
}

impl Yields {
    /// Finds the switch in the libraries of this process.
    pub(super) fn find() -> Self {
        let name = b"opal_progress_set_yield_when_idle\0";
        // SAFETY: the symbol, where there is one, is the function of this signature, in a library that is never unloaded.
        let switch =
            unsafe { libloading::os::unix::Library::this().get::<Switch>(name).ok().map(|found| *found) };
        // There is no question without setting it.
        let on = Self::set(switch, false);
        Self::set(switch, on);
        Self { switch, on }
    }

    fn set(switch: Option<Switch>, on: bool) -> bool {
        // SAFETY: it sets a flag that only this thread looks at, as all MPI calls come from it.
        switch.is_some_and(|switch| unsafe { switch(on) })
    }

    /// No look gives the core away until this is dropped.
    pub(super) fn off(&self) -> Off<'_> {
        if self.on {
            Self::set(self.switch, false);
        }
        Off(self)
    }
}

/// Looks in vain keep the core.
pub(super) struct Off<'a>(&'a Yields);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        if self.0.on {
            Yields::set(self.0.switch, true);
        }
    }
}
