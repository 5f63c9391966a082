//! What the runtime gives: `tokiwa.h` in Rust. See there for each function.
#![allow(missing_docs)]

pub const PENDING: i32 = 0;
pub const READY: i32 = 1;
pub const EWOULDBLOCK: i32 = -4;

pub type PollFn = extern "C" fn(arg: usize, task: i32) -> i32;

#[cfg_attr(not(any(target_os = "emscripten", tokiwa_pthreads)), link(wasm_import_module = "tokiwa"))]
extern "C" {
    pub fn tk_spawn_detached(poll: PollFn, arg: usize) -> i32;
    #[cfg(tokiwa_pthreads)]
    pub fn tk_spawn_detached_on(home: u32, poll: PollFn, arg: usize) -> i32;
    #[cfg(tokiwa_pthreads)]
    pub fn tk_current() -> i32;
    pub fn tk_wake(task: i32) -> i32;
    pub fn tk_abort(task: i32) -> i32;
    pub fn tk_coop() -> i32;
    pub fn tk_now() -> f64;
    pub fn tk_timer_begin(task: i32, ms: f64) -> i32;
    pub fn tk_timer_tick() -> f64;
    pub fn tk_timer_end(timer: i32, tick: f64);
    pub fn tk_timer_fired(tick: f64) -> i32;
    pub fn tk_await_start(promise: i32, waiter: i32) -> i32;
    pub fn tk_result() -> f64;
    pub fn tk_promise_drop(promise: i32);
    pub fn tk_block_on(poll: PollFn, arg: usize) -> i32;
    pub fn tk_io_fetch(url: *const u8, init: *const u8) -> i32;
    pub fn tk_io_websocket(url: *const u8) -> i32;
    pub fn tk_io_tcp(host: *const u8, port: i32) -> i32;
    pub fn tk_io_unix(path: *const u8) -> i32;
    pub fn tk_io_poll(io: i32, interest: i32, task: i32) -> i32;
    pub fn tk_io_read(io: i32, into: *mut u8, bytes: i32) -> i32;
    pub fn tk_io_left(io: i32) -> i32;
    pub fn tk_io_write(io: i32, from: *const u8, bytes: i32) -> i32;
    pub fn tk_io_write_text(io: i32, from: *const u8, bytes: i32) -> i32;
    pub fn tk_io_shutdown(io: i32) -> i32;
    pub fn tk_io_status(io: i32) -> i32;
    pub fn tk_io_header(io: i32, name: *const u8, into: *mut u8, bytes: i32) -> i32;
    pub fn tk_io_error(io: i32, into: *mut u8, bytes: i32) -> i32;
    pub fn tk_io_close(io: i32) -> i32;
}

/// Memory for the stacks of blocking code. A C page has its own, in `tokiwa.h`.
#[cfg_attr(not(tokiwa_pthreads), no_mangle)]
pub extern "C" fn tk_alloc(bytes: usize) -> *mut u8 {
    match core::alloc::Layout::from_size_align(bytes, 16) {
        Ok(layout) if bytes > 0 => unsafe { alloc::alloc::alloc(layout) },
        _ => core::ptr::null_mut(),
    }
}

/// Takes back what `tk_alloc` gave.
#[cfg(not(tokiwa_pthreads))]
#[no_mangle]
pub extern "C" fn tk_free(memory: *mut u8, bytes: usize) {
    if let (Ok(layout), false) = (core::alloc::Layout::from_size_align(bytes, 16), memory.is_null() || bytes == 0) {
        unsafe { alloc::alloc::dealloc(memory, layout) };
    }
}
