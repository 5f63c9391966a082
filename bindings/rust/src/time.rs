//! Time on the runtime's clock, which tests may pause.

use crate::abi;
use crate::task::{poll_as, task_of};
use alloc::boxed::Box;
use core::future::Future;
use core::ops::{Add, Sub};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
pub use core::time::Duration;

/// A moment of the runtime's clock.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Instant(f64);

impl Instant {
    /// The present.
    pub fn now() -> Self {
        Instant(unsafe { abi::tk_now() })
    }

    /// Time since then.
    pub fn elapsed(&self) -> Duration {
        Instant::now() - *self
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        let ms = self.0 - earlier.0;
        Duration::from_secs_f64(if ms > 0.0 { ms / 1000.0 } else { 0.0 })
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration.as_secs_f64() * 1000.0)
    }
}

/// Waits until the time has passed. Never early; resolution 1 ms. Dropping it takes the timer back.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until a moment.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, timer: -1, tick: -1.0, owner: -1 }
}

/// See [`sleep`].
pub struct Sleep {
    deadline: Instant,
    timer: i32,
    tick: f64,
    /// The task that the timer wakes; -1: none is set.
    owner: i32,
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    fn disarm(&mut self) {
        if self.owner >= 0 {
            unsafe { abi::tk_timer_end(self.timer, self.tick) };
            self.owner = -1;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.owner >= 0 && unsafe { abi::tk_timer_fired(self.tick) } != 0 {
            self.owner = -1;
            return Poll::Ready(());
        }
        let task = task_of(cx.waker());
        if self.owner >= 0 && task == Some(self.owner) {
            return Poll::Pending;
        }
        let left = self.deadline.0 - unsafe { abi::tk_now() };
        if left <= 0.0 {
            return Poll::Ready(());
        }
        self.disarm();
        match task {
            Some(task) => {
                self.timer = unsafe { abi::tk_timer_begin(task, left) };
                if self.timer < -1 {
                    panic!("the runtime cannot set another timer: {}", self.timer + 1);
                }
                self.tick = unsafe { abi::tk_timer_tick() };
                self.owner = task;
            }
            None => relay(self.deadline, cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// For wakers that are no task's: a task of its own that waits and calls them.
fn relay(deadline: Instant, waker: Waker) {
    struct Relay {
        sleep: Sleep,
        waker: Waker,
    }
    extern "C" fn poll(arg: usize, task: i32) -> i32 {
        let relay = arg as *mut Relay;
        if task >= 0 {
            if poll_as(task, Pin::new(unsafe { &mut (*relay).sleep })).is_pending() {
                return abi::PENDING;
            }
            unsafe { (*relay).waker.wake_by_ref() };
        }
        drop(unsafe { Box::from_raw(relay) });
        abi::READY
    }
    let relay = Box::into_raw(Box::new(Relay { sleep: sleep_until(deadline), waker }));
    if unsafe { abi::tk_spawn_detached(poll, relay as usize) } < 0 {
        drop(unsafe { Box::from_raw(relay) });
        panic!("the runtime cannot set another timer");
    }
}

/// The time given to [`timeout`] ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elapsed(());

impl core::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

/// Drops the future when the time is over.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    crate::select! {
        biased;
        value = future => Ok(value),
        _ = sleep(duration) => Err(Elapsed(())),
    }
}
