//! Waiting from ordinary code.

use crate::abi;
use crate::task::poll_as;
use core::future::Future;
use core::pin::Pin;
use core::task::Poll;

/// This code cannot be suspended: no JSPI, or it was not started with `guest.run()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldBlock(pub i32);

/// Runs a future to its end, suspending the calling code; without JSPI as far as what is ready carries.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, WouldBlock> {
    struct Main<F: Future> {
        future: F,
        value: Option<F::Output>,
    }
    extern "C" fn poll<F: Future>(arg: usize, task: i32) -> i32 {
        let main = unsafe { &mut *(arg as *mut Main<F>) };
        if task < 0 {
            return abi::READY;                             // dropped by block_on() itself
        }
        match poll_as(task, unsafe { Pin::new_unchecked(&mut main.future) }) {
            Poll::Pending => abi::PENDING,
            Poll::Ready(value) => {
                main.value = Some(value);
                abi::READY
            }
        }
    }
    let mut main = Main { future, value: None };
    let result = unsafe { abi::tk_block_on(poll::<F>, &mut main as *mut Main<F> as usize) };
    main.value.take().ok_or(WouldBlock(if result < 0 { result } else { abi::EWOULDBLOCK }))
}
