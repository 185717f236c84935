//! What becomes of panics. In a task: an answer with message and place, and nothing is printed. Anywhere else
//! on a thread that speaks MPI: a message, then the end of the whole job, because a panic that unwinds into
//! `MPI_Finalize` would hang it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

/// A panic that was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caught {
    pub(crate) message: String,
    /// `file:line:column`, and the backtrace if one was asked for.
    pub(crate) location: String,
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Caught>> = const { RefCell::new(None) };
    static FATAL: Cell<Option<fn()>> = const { Cell::new(None) };
}

static HOOK: Once = Once::new();

/// Sets the hook, once per process; the hook that was there goes on serving all other panics.
pub(crate) fn install() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.with(Cell::get) {
                LAST.with(|last| *last.borrow_mut() = Some(describe(info)));
                return;
            }
            before(info);
            if let Some(end) = FATAL.with(Cell::get) {
                end();
            }
        }));
    });
}

/// From now on, a panic on this thread outside of [`catch`] calls `end`, which should not return.
#[cfg(feature = "mpi")]
pub(crate) fn make_fatal(end: Option<fn()>) {
    FATAL.with(|fatal| fatal.set(end));
}

/// Runs `f`; a panic in it becomes an error. May be nested.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Caught> {
    let before = CATCHING.with(|catching| catching.replace(true));
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.with(|catching| catching.set(before));
    result.map_err(|payload| {
        let caught = LAST.with(|last| last.borrow_mut().take());
        let message = text(payload.as_ref());
        // Dropping a payload may run user code that panics: leaking it is the lesser evil.
        std::mem::forget(payload);
        caught.unwrap_or_else(|| Caught { message, location: String::new() })
    })
}

fn text(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic").to_owned()
}

fn describe(info: &PanicHookInfo<'_>) -> Caught {
    let mut location = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        location = format!("{location}\n{backtrace}");
    }
    Caught { message: text(info.payload()), location }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_tells_its_message_and_place() {
        install();
        let caught = catch(|| -> u8 { panic!("no {}", 7) }).unwrap_err();
        assert_eq!(caught.message, "no 7");
        assert!(caught.location.starts_with(file!()), "{}", caught.location);
        assert_eq!(catch(|| 5), Ok(5));
    }

    #[test]
    fn a_panic_while_another_is_caught_is_told_apart() {
        install();
        let outer: Result<u8, Caught> = catch(|| {
            let inner = catch(|| -> u8 { panic!("inner") }).unwrap_err();
            assert_eq!(inner.message, "inner");
            panic!("outer")
        });
        assert_eq!(outer.unwrap_err().message, "outer");
    }
}
