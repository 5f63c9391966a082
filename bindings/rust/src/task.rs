//! Tasks.
//!
//! A spawned future lives in a box that the core holds by its address, and is polled until it is ready or
//! aborted; in its last poll (`task < 0`) the box is dropped. What box and handle have in common is `Shared` here, and one with a lock where
//! futures go from thread to thread (loops.rs).

use crate::abi;
use crate::portable::Portable;
use crate::thread::Job;
use alloc::{boxed::Box, rc::Rc};
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |task| RawWaker::new(task, &VTABLE),
    |task| wake(task),
    |task| wake(task),
    |_| {},
);

fn wake(task: *const ()) {
    unsafe { abi::tk_wake(task as usize as i32) };
}

/// The waker of a task: its number. Waking a task that has ended does nothing.
pub(crate) fn waker_of(task: i32) -> Waker {
    unsafe { Waker::from_raw(RawWaker::new(task as usize as *const (), &VTABLE)) }
}

struct Current(Cell<i32>);
// One thread: see the crate's first lines. With pthreads it is the main thread's; the others' loops know whom they poll.
unsafe impl Sync for Current {}
static CURRENT: Current = Current(Cell::new(-1));

fn current() -> i32 {
    #[cfg(tokiwa_pthreads)]
    {
        let task = unsafe { abi::tk_current() };
        if task >= 0 {
            return task;
        }
    }
    CURRENT.0.get()
}

/// Whether this thread keeps its task in CURRENT.
fn keeps_current() -> bool {
    #[cfg(tokiwa_pthreads)]
    return unsafe { abi::tk_current() } < 0;
    #[cfg(not(tokiwa_pthreads))]
    true
}

/// The task that polls with this very waker; `None` inside of a combinator with wakers of its own.
pub(crate) fn task_of(waker: &Waker) -> Option<i32> {
    let task = current();
    if task >= 0 && waker.will_wake(&waker_of(task)) { Some(task) } else { None }
}

pub(crate) fn poll_as<F: Future + ?Sized>(task: i32, future: Pin<&mut F>) -> Poll<F::Output> {
    let waker = waker_of(task);
    if !keeps_current() {
        return future.poll(&mut Context::from_waker(&waker));
    }
    let outer = CURRENT.0.replace(task);
    let result = future.poll(&mut Context::from_waker(&waker));
    CURRENT.0.set(outer);
    result
}

/// Where a task's result goes: what its box and its handle have in common.
pub(crate) trait Finish<T>: Clone {
    /// Keeps the result, and wakes whoever waits for it.
    fn finish(&self, result: Result<T, JoinError>);
}

struct Body<F, S> {
    future: F,
    shared: S,
}

extern "C" fn poll_body<F: Future, S: Finish<F::Output>>(arg: usize, task: i32) -> i32 {
    let body = arg as *mut Body<F, S>;
    if task < 0 {
        let body = unsafe { Box::from_raw(body) };
        let shared = body.shared.clone();
        drop(body);
        shared.finish(Err(JoinError(())));
        return abi::READY;
    }
    // The box stays where it is until the future is done, so pinning it is sound.
    match poll_as(task, unsafe { Pin::new_unchecked(&mut (*body).future) }) {
        Poll::Pending => abi::PENDING,
        Poll::Ready(value) => {
            let shared = unsafe { Box::from_raw(body) }.shared.clone();
            shared.finish(Ok(value));
            abi::READY
        }
    }
}

/// Gives a future to the core with `spawn`; the new task's number, or an error below 0, and then the future is dropped.
pub(crate) fn start<F: Future, S: Finish<F::Output>>(future: F, shared: S, spawn: impl FnOnce(abi::PollFn, usize) -> i32) -> i32 {
    let body = Box::into_raw(Box::new(Body { future, shared }));
    let task = spawn(poll_body::<F, S>, body as usize);
    if task < 0 {
        drop(unsafe { Box::from_raw(body) });
    }
    task
}

struct Shared<T> {
    result: RefCell<Option<Result<T, JoinError>>>,
    waiter: RefCell<Option<Waker>>,
    is_finished: Cell<bool>,
}

impl<T> Finish<T> for Rc<Shared<T>> {
    fn finish(&self, result: Result<T, JoinError>) {
        *self.result.borrow_mut() = Some(result);
        self.is_finished.set(true);
        let waiter = self.waiter.borrow_mut().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// Starts a task: queued, first polled when the loop runs.
///
/// # Panics
/// When the core has no memory for another task, or the module is not attached.
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let shared = Rc::new(Shared { result: RefCell::new(None), waiter: RefCell::new(None), is_finished: Cell::new(false) });
    let task = start(future, shared.clone(), |poll, arg| unsafe { abi::tk_spawn_detached(poll, arg) });
    if task < 0 {
        panic!("the runtime cannot start another task: {}", task);
    }
    JoinHandle { shared, task }
}

/// The same: every task is local here.
pub fn spawn_local<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    spawn(future)
}

/// Runs `f`, which blocks or computes, on one of a few threads kept for that, with copies of its arguments: each thread has a memory of
/// its own, so `f` is a function or a closure that captures nothing. See [`crate::thread`].
pub fn spawn_blocking<A: Portable, R: Portable>(f: fn(A) -> R, args: A) -> Job<R> {
    crate::thread::spawn_blocking(f, args)
}

/// The end of a task. Dropping it leaves the task running.
pub struct JoinHandle<T> {
    shared: Rc<Shared<T>>,
    task: i32,
}

impl<T> JoinHandle<T> {
    /// Drops the task's future at its next turn; nothing happens if it has ended.
    pub fn abort(&self) {
        if !self.is_finished() {
            unsafe { abi::tk_abort(self.task) };
        }
    }

    /// The task's number: in JavaScript `guest.task(id)` is its handle, while it lives.
    pub fn id(&self) -> i32 {
        self.task
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished.get()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.shared.result.borrow_mut().take() {
            return Poll::Ready(result);
        }
        *self.shared.waiter.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The task was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinError(pub(crate) ());

impl JoinError {
    /// Always true: a panic traps, and the host reports it.
    pub fn is_cancelled(&self) -> bool {
        true
    }
}

impl core::fmt::Display for JoinError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("task was cancelled")
    }
}

/// Gives every other ready task a turn.
pub fn yield_now() -> YieldNow {
    YieldNow(false)
}

/// See [`yield_now`].
pub struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Spends one of the 128 operations of this poll; without any left it yields.
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if unsafe { abi::tk_coop() } != 0 || current() < 0 {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
