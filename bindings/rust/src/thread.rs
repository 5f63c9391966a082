//! Threads without shared memory.
//!
//! A thread is a Worker with an instance of this module and a memory of its own: statics start afresh there, and
//! what goes there and comes back is [`Portable`]. No COOP or COEP headers are needed.
//!
//! ```ignore
//! let thread = Thread::new()?;
//! let sum = thread.exec(|(a, b): (i32, i32)| a + b, (1, 2)).await?;                         // 3
//! let later = thread.exec_async(|n: u64| async move { sleep(Duration::from_millis(n)).await; n }, 1000).await?;
//! let fib = thread::exec(|n: u32| slow_fib(n), 30).await?;                                  // a thread of its own
//! ```
//!
//! Functions and closures that capture nothing go there as the place they have in the module's table, which is the
//! same in every instance of it. A panic traps, and is the job's error; so is a thread that dies.

use crate::abi;
use crate::portable::Portable;
use crate::task::{poll_as, task_of};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

/// What `tokiwa-threads.h` calls `tk_call`.
#[repr(C)]
struct Call {
    input: *const u8,
    input_length: u32,
    output: *mut u8,
    output_length: u32,
    state: usize,
    reserved: [u32; 3],
}

type CallFn = extern "C" fn(call: *mut Call) -> i32;
type CallPollFn = extern "C" fn(call: *mut Call, task: i32) -> i32;

#[cfg_attr(not(any(target_os = "emscripten", tokiwa_pthreads)), link(wasm_import_module = "tokiwa"))]
extern "C" {
    fn tk_thread_new() -> i32;
    fn tk_thread_exec(thread: i32, call: CallFn, bytes: *const u8, length: usize) -> i32;
    fn tk_thread_exec_poll(thread: i32, call: CallPollFn, bytes: *const u8, length: usize) -> i32;
    fn tk_thread_exec_js(thread: i32, source: *const u8, length: usize, may_await: i32) -> i32;
    fn tk_thread_terminate(thread: i32) -> i32;
    fn tk_thread_detach(thread: i32) -> i32;
    fn tk_spawn_blocking(call: CallFn, bytes: *const u8, length: usize) -> i32;
    fn tk_job_start(job: i32, waiter: i32) -> i32;
    fn tk_job_result(job: i32) -> i32;
    fn tk_job_length(job: i32) -> usize;
    fn tk_job_take(job: i32, into: *mut u8, capacity: usize) -> i32;
    fn tk_job_abort(job: i32) -> i32;
    fn tk_job_drop(job: i32);
}

const ENOMEM: i32 = -2;
const ESTALE: i32 = -3;
const ECANCELED: i32 = -5;
const ETRAP: i32 = -6;
const ECLOSED: i32 = -7;
const ELIMIT: i32 = -9;
const EDIED: i32 = -20;
const EBADDATA: i32 = -100;

/// Why there is no thread, or no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadError {
    /// One of the errors of `tokiwa-threads.h`.
    pub code: i32,
    /// What the other thread said, if it said something.
    pub message: String,
}

impl ThreadError {
    fn new(code: i32) -> Self {
        let message = match code {
            ENOMEM => "no memory for the bytes",
            ESTALE => "the thread was already terminated",
            ECLOSED => "the module was detached",
            ELIMIT => "there are as many threads as there may be",
            EBADDATA => "the bytes are no value of that type",
            _ => "the thread cannot do that",
        };
        ThreadError { code, message: message.into() }
    }

    /// The job was aborted, or its thread terminated.
    pub fn is_cancelled(&self) -> bool {
        self.code == ECANCELED
    }

    /// The job panicked.
    pub fn is_panic(&self) -> bool {
        self.code == ETRAP
    }

    /// The thread is not there any more: terminated before the call, or it died.
    pub fn is_terminated(&self) -> bool {
        self.code == ESTALE || self.code == EDIED || self.code == ECLOSED
    }
}

impl core::fmt::Display for ThreadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

// ---- there

/// The result's bytes, in a block that the runtime gives back with `tk_free`.
fn reply<R: Portable>(call: &mut Call, value: &R) -> i32 {
    let mut bytes = Vec::new();
    value.write(&mut bytes);
    if bytes.is_empty() {
        return abi::READY;
    }
    let block = abi::tk_alloc(bytes.len());
    if block.is_null() {
        return ENOMEM;
    }
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len()) };
    call.output = block;
    call.output_length = bytes.len() as u32;
    abi::READY
}

fn input(call: &Call) -> &[u8] {
    unsafe { core::slice::from_raw_parts(call.input, call.input_length as usize) }
}

/// Function pointers go by their number.
fn read_pointer(from: &mut &[u8]) -> Option<usize> {
    Some(u32::read(from)? as usize)
}

extern "C" fn run<A: Portable, R: Portable>(call: *mut Call) -> i32 {
    let call = unsafe { &mut *call };
    let mut bytes = input(call);
    // The first four bytes are what exec() of this very type has written.
    let f: fn(A) -> R = match read_pointer(&mut bytes) {
        Some(pointer) => unsafe { core::mem::transmute(pointer) },
        None => return EBADDATA,
    };
    match A::read(&mut bytes) {
        Some(args) => {
            let value = f(args);
            reply(call, &value)
        }
        None => EBADDATA,
    }
}

extern "C" fn run_async<A: Portable, F: Future>(call: *mut Call, task: i32) -> i32
where
    F::Output: Portable,
{
    let call = unsafe { &mut *call };
    if task < 0 {
        if call.state != 0 {
            drop(unsafe { Box::from_raw(call.state as *mut F) });
            call.state = 0;
        }
        return abi::READY;
    }
    if call.state == 0 {
        let mut bytes = input(call);
        let f: fn(A) -> F = match read_pointer(&mut bytes) {
            Some(pointer) => unsafe { core::mem::transmute(pointer) },
            None => return EBADDATA,
        };
        match A::read(&mut bytes) {
            Some(args) => call.state = Box::into_raw(Box::new(f(args))) as usize,
            None => return EBADDATA,
        }
    }
    let future = call.state as *mut F;
    // The box stays where it is until the future is done, so pinning it is sound.
    match poll_as(task, unsafe { Pin::new_unchecked(&mut *future) }) {
        Poll::Pending => abi::PENDING,
        Poll::Ready(value) => {
            drop(unsafe { Box::from_raw(future) });
            call.state = 0;
            reply(call, &value)
        }
    }
}

fn pack<A: Portable>(pointer: usize, args: &A) -> Vec<u8> {
    let mut bytes = Vec::new();
    (pointer as u32).write(&mut bytes);
    args.write(&mut bytes);
    bytes
}

// ---- here

/// A thread. Dropping it terminates it.
pub struct Thread {
    id: Cell<i32>,
}

impl Thread {
    /// Starts a thread; it can be given work at once.
    ///
    /// # Errors
    /// When there are as many as there may be (`attach()`'s `threads.maxThreads`), or the module cannot have any.
    pub fn new() -> Result<Thread, ThreadError> {
        let id = unsafe { tk_thread_new() };
        if id < 0 { Err(ThreadError::new(id)) } else { Ok(Thread { id: Cell::new(id) }) }
    }

    /// Runs `f` there: a function, or a closure that captures nothing. Submitted at this call.
    pub fn exec<A: Portable, R: Portable>(&self, f: fn(A) -> R, args: A) -> Job<R> {
        let bytes = pack(f as usize, &args);
        Job::new(unsafe { tk_thread_exec(self.id.get(), run::<A, R>, bytes.as_ptr(), bytes.len()) })
    }

    /// The same for a function that returns a future, which is polled there: timers, channels and threads of its own.
    pub fn exec_async<A: Portable, F: Future>(&self, f: fn(A) -> F, args: A) -> Job<F::Output>
    where
        F::Output: Portable,
    {
        let bytes = pack(f as usize, &args);
        Job::new(unsafe { tk_thread_exec_poll(self.id.get(), run_async::<A, F>, bytes.as_ptr(), bytes.len()) })
    }

    /// Runs JavaScript there, the body of a function.
    pub fn exec_js(&self, source: &str) -> Job<JsValue> {
        Job::new(unsafe { tk_thread_exec_js(self.id.get(), source.as_ptr(), source.len(), 0) })
    }

    /// The same for one that may `await`.
    pub fn exec_js_async(&self, source: &str) -> Job<JsValue> {
        Job::new(unsafe { tk_thread_exec_js(self.id.get(), source.as_ptr(), source.len(), 1) })
    }

    /// Ends it now, also in the middle of a job; what is pending is cancelled. A second time nothing happens.
    pub fn terminate(&self) {
        let id = self.id.replace(0);
        if id > 0 {
            unsafe { tk_thread_terminate(id) };
        }
    }

    /// Whether `terminate()` was called.
    pub fn is_terminated(&self) -> bool {
        self.id.get() == 0
    }

    /// Lets it do what it has, and end then.
    pub fn detach(self) {
        let id = self.id.replace(0);
        if id > 0 {
            unsafe { tk_thread_detach(id) };
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Runs `f` on a thread of its own, which ends with it.
pub fn exec<A: Portable, R: Portable>(f: fn(A) -> R, args: A) -> Job<R> {
    match Thread::new() {
        Ok(thread) => {
            let job = thread.exec(f, args);
            thread.detach();
            job
        }
        Err(error) => Job::failed(error),
    }
}

/// The same for a function that returns a future.
pub fn exec_async<A: Portable, F: Future>(f: fn(A) -> F, args: A) -> Job<F::Output>
where
    F::Output: Portable,
{
    match Thread::new() {
        Ok(thread) => {
            let job = thread.exec_async(f, args);
            thread.detach();
            job
        }
        Err(error) => Job::failed(error),
    }
}

/// See [`crate::task::spawn_blocking`].
pub(crate) fn spawn_blocking<A: Portable, R: Portable>(f: fn(A) -> R, args: A) -> Job<R> {
    let bytes = pack(f as usize, &args);
    Job::new(unsafe { tk_spawn_blocking(run::<A, R>, bytes.as_ptr(), bytes.len()) })
}

/// What JavaScript returned: the bytes of a `Uint8Array`, of a number as a double, of text, or of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsValue(pub Vec<u8>);

impl JsValue {
    /// A number.
    pub fn number(&self) -> Option<f64> {
        if self.0.len() == 8 { f64::read(&mut &self.0[..]) } else { None }
    }

    /// A text, or something else as JSON.
    pub fn text(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl Portable for JsValue {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let bytes = from.to_vec();
        *from = &[];
        Some(JsValue(bytes))
    }
}

/// Something that runs on another thread. Awaited by a task itself, with its own waker. Dropping it aborts it, if it has not begun
/// or waits for something.
pub struct Job<R> {
    id: i32,
    failure: Option<ThreadError>,
    result: PhantomData<fn() -> R>,
}

impl<R> Job<R> {
    fn new(id: i32) -> Self {
        Job { id, failure: if id < 0 { Some(ThreadError::new(id)) } else { None }, result: PhantomData }
    }

    fn failed(error: ThreadError) -> Self {
        Job { id: -1, failure: Some(error), result: PhantomData }
    }

    /// Aborts it: awaited, it is cancelled.
    pub fn abort(&self) {
        if self.id > 0 {
            unsafe { tk_job_abort(self.id) };
        }
    }

    /// Forgets it; it goes on.
    pub fn detach(mut self) {
        if self.id > 0 {
            unsafe { tk_job_drop(self.id) };
        }
        self.id = -1;
    }

    fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = unsafe { tk_job_length(self.id) };
        bytes.resize(length, 0);
        unsafe { tk_job_take(self.id, bytes.as_mut_ptr(), length) };
        self.id = -1;
        bytes
    }
}

impl<R: Portable> Future for Job<R> {
    type Output = Result<R, ThreadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        let task = task_of(cx.waker()).expect("a Job is awaited by a task of tokiwa, with its own waker");
        match unsafe { tk_job_start(self.id, task) } {
            abi::PENDING => Poll::Pending,
            abi::READY => {
                let result = unsafe { tk_job_result(self.id) };
                let bytes = self.take();
                Poll::Ready(if result < 0 { Err(ThreadError::new(result)) } else { R::read(&mut &bytes[..]).ok_or_else(|| ThreadError::new(EBADDATA)) })
            }
            code if code == ESTALE || code == ECLOSED => Poll::Ready(Err(ThreadError::new(code))),
            code => {
                let message = String::from_utf8_lossy(&self.take()).into_owned();
                Poll::Ready(Err(ThreadError { code, message }))
            }
        }
    }
}

impl<R> Drop for Job<R> {
    fn drop(&mut self) {
        if self.id > 0 {
            unsafe {
                tk_job_abort(self.id);
                tk_job_drop(self.id);
            }
        }
    }
}
