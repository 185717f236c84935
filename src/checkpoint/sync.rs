//! A thread for what the system may take long over (putting files on disk, giving them up), so that rank 0
//! never waits for a disk.

use super::files::Files;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The thread and its orders.
pub(super) struct Syncer {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Orders not carried out yet.
    waiting: usize,
    error: Option<io::Error>,
}

enum Order {
    File(Arc<File>),
    Folder,
    Close(File),
}

impl Syncer {
    pub(super) fn start(files: &Files) -> io::Result<Self> {
        let (orders, todo) = channel();
        let state = Arc::new(Mutex::new(State::default()));
        let (files, shared) = (files.clone(), state.clone());
        let thread = std::thread::Builder::new().name("journal sync".into()).spawn(move || {
            for order in todo {
                let result = match order {
                    Order::File(file) => files.sync(&file),
                    Order::Folder => files.sync_folder(),
                    Order::Close(file) => {
                        drop(file);
                        Ok(())
                    }
                };
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
                if let Err(error) = result {
                    state.error = Some(error);
                }
            }
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread), state })
    }

    fn order(&self, order: Order) {
        self.state().waiting += 1;
        // The thread only ends after `orders` is dropped.
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    pub(super) fn file(&self, file: Arc<File>) {
        self.order(Order::File(file));
    }

    pub(super) fn folder(&self) {
        self.order(Order::Folder);
    }

    /// Closes a file that has no name any more: giving its memory back takes 10 ms for 50 MB.
    pub(super) fn close(&self, file: File) {
        self.order(Order::Close(file));
    }

    /// Whether all orders are carried out.
    pub(super) fn is_idle(&self) -> bool {
        self.state().waiting == 0
    }

    /// What went wrong since the last question.
    pub(super) fn error(&self) -> Option<io::Error> {
        self.state().error.take()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
