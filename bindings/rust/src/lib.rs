//! Tasks, timers and channels for Rust in WebAssembly, on the host's own event loop.
//!
//! The guest side of the npm package `tokiwa`: the queue, the timers and the polls are its core's, this crate holds
//! the futures. Names are Tokio's, so `use tokiwa as tokio;` carries many programs over. One thread; no `Send` needed. With
//! `--cfg tokiwa_pthreads` there is a module `loops` for futures that are `Send`, on the pthreads of a module that emcc links.
//!
//! A waker is the task's number and nothing else: no allocation, no reference count.
//!
//! ```text
//! rustc --target wasm32-unknown-unknown --crate-type cdylib -C panic=abort -C target-feature=+mutable-globals \
//!   -C link-arg=--export-table -C link-arg=--growable-table -C link-arg=--export=__stack_pointer ...
//! ```
#![no_std]
#![deny(missing_docs)]
extern crate alloc;

mod abi;
#[cfg(tokiwa_pthreads)]
pub mod loops;
pub mod net;
pub mod portable;
pub mod promise;
pub mod runtime;
pub mod sync;
pub mod task;
pub mod thread;
pub mod time;

#[doc(hidden)]
pub mod macros;

pub use task::spawn;
