//! Promises of JavaScript.

use crate::abi;
use crate::task::task_of;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A promise that JavaScript named with `guest.expose(promise)`. Its value is a number; others are 0.
///
/// Awaited by the task itself, not through a combinator with wakers of its own.
pub struct JsPromise(i32);

/// The promise was rejected, or there is no promise of that number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(pub i32);

impl JsPromise {
    /// Takes over the number; dropping it forgets the promise.
    pub fn from_id(id: i32) -> Self {
        JsPromise(id)
    }
}

impl Future for JsPromise {
    type Output = Result<f64, Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = task_of(cx.waker()).expect("a JsPromise is awaited by a task of tokiwa, with its own waker");
        match unsafe { abi::tk_await_start(self.0, task) } {
            abi::PENDING => Poll::Pending,
            abi::READY => Poll::Ready(Ok(unsafe { abi::tk_result() })),
            error => Poll::Ready(Err(Rejected(error))),
        }
    }
}

impl Drop for JsPromise {
    fn drop(&mut self) {
        unsafe { abi::tk_promise_drop(self.0) };
    }
}
