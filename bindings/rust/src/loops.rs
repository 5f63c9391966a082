//! Futures that go from pthread to pthread (`tokiwa-loops.h`), in a module that emcc links with `-pthread`.
//!
//! Debian's rustc 1.63 has no library built for threads; this is what makes one that is right:
//!
//! ```text
//! rustc --cfg tokiwa_pthreads --crate-type staticlib -C lto=fat -C panic=abort -C target-feature=+atomics,+bulk-memory,+mutable-globals ...
//! emar t libapp.a | grep compiler_builtins | xargs emar d libapp.a      # emcc has its own
//! emcc -pthread app.c libapp.a $(npx tokiwa emscripten --cflags --ldflags --pthread)
//! ```
//!
//! Memory is to come from C: a `#[global_allocator]` over `malloc` and `free`. `std::sync::Mutex` and thread locals of such a library know
//! of one thread only: share atomics. Everything else of this crate that holds an `Rc` is not `Send`, and stays on its thread.
//!
//! What a task and its handle have in common is behind a lock that is held for a few instructions.

use crate::abi;
use crate::task::{self, Finish, JoinError};
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use core::task::{Context, Poll, Waker};

struct End<T> {
    result: Option<Result<T, JoinError>>,
    waiter: Option<Waker>,
}

struct Shared<T> {
    is_held: AtomicBool,
    is_finished: AtomicBool,
    task: AtomicI32,
    end: UnsafeCell<End<T>>,
}

// `end` is only touched inside of `with()`.
unsafe impl<T: Send> Sync for Shared<T> {}
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    fn with<R>(&self, f: impl FnOnce(&mut End<T>) -> R) -> R {
        while self.is_held.swap(true, SeqCst) {
            core::hint::spin_loop();
        }
        let result = f(unsafe { &mut *self.end.get() });
        self.is_held.store(false, SeqCst);
        result
    }
}

impl<T> Finish<T> for Arc<Shared<T>> {
    fn finish(&self, result: Result<T, JoinError>) {
        let waiter = self.with(|end| {
            end.result = Some(result);
            end.waiter.take()
        });
        self.is_finished.store(true, SeqCst);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

fn start<F>(future: F, spawn: impl FnOnce(abi::PollFn, usize) -> i32) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let end = UnsafeCell::new(End { result: None, waiter: None });
    let shared = Arc::new(Shared { is_held: AtomicBool::new(false), is_finished: AtomicBool::new(false), task: AtomicI32::new(-1), end });
    let task = task::start(future, shared.clone(), spawn);
    if task < 0 {
        panic!("the loop cannot start another task: {}", task);
    }
    shared.task.store(task, SeqCst);
    JoinHandle { shared }
}

/// A loop that pthreads run: `tk_loop` of `tokiwa-loops.h`, which makes it and starts its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop(pub u32);

impl Loop {
    /// Starts a future there, from any thread.
    ///
    /// # Panics
    /// When there is no such loop, no memory, or the module is detached.
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        start(future, |poll, arg| unsafe { abi::tk_spawn_detached_on(self.0, poll, arg) })
    }
}

/// Starts a future on the loop that this thread runs.
///
/// # Panics
/// Also on a thread that runs none.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    start(future, |poll, arg| unsafe { abi::tk_spawn_detached(poll, arg) })
}

/// The end of such a task, awaited by any task of any thread. Dropping it leaves the task running.
pub struct JoinHandle<T> {
    shared: Arc<Shared<T>>,
}

impl<T> JoinHandle<T> {
    /// Drops the task's future at its next turn; nothing happens if it has ended.
    pub fn abort(&self) {
        if !self.is_finished() {
            unsafe { abi::tk_abort(self.shared.task.load(SeqCst)) };
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished.load(SeqCst)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.with(|end| match end.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                end.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}
