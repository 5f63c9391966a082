//! Rust futures on a loop of pthreads: they go from thread to thread. Linked into loops.c by emcc.
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::Arc;
use tokiwa::loops::{self, Loop};
use tokiwa::time::{sleep, Duration, Instant};

extern "C" {
    fn malloc(bytes: usize) -> *mut u8;
    fn free(memory: *mut u8);
    fn thread_here() -> u32;
}

/// C's, which knows of threads.
struct FromC;
unsafe impl GlobalAlloc for FromC {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        malloc(layout.size())
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        free(memory)
    }
}
#[global_allocator]
static MEMORY: FromC = FromC;

static TOTAL: AtomicI32 = AtomicI32::new(0);
static IS_DONE: AtomicI32 = AtomicI32::new(0);
static MOVED: AtomicI32 = AtomicI32::new(0);
static GUARDS: AtomicI32 = AtomicI32::new(0);

#[no_mangle]
pub extern "C" fn rs_total() -> i32 {
    TOTAL.load(SeqCst)
}
#[no_mangle]
pub extern "C" fn rs_done() -> i32 {
    IS_DONE.load(SeqCst)
}
#[no_mangle]
pub extern "C" fn rs_moved() -> i32 {
    MOVED.load(SeqCst)
}
#[no_mangle]
pub extern "C" fn rs_guards() -> i32 {
    GUARDS.load(SeqCst)
}

struct Guard;
impl Guard {
    fn new() -> Self {
        GUARDS.fetch_add(1, SeqCst);
        Guard
    }
}
impl Drop for Guard {
    fn drop(&mut self) {
        GUARDS.fetch_sub(1, SeqCst);
    }
}

/// A task of the main thread waits for one of the loop.
fn wait_for(handle: loops::JoinHandle<i32>) {
    IS_DONE.store(0, SeqCst);
    MOVED.store(0, SeqCst);
    tokiwa::spawn(async move {
        TOTAL.store(handle.await.unwrap_or(-1), SeqCst);
        IS_DONE.store(1, SeqCst);
    });
}

type Boxed = std::pin::Pin<Box<dyn std::future::Future<Output = i32> + Send>>;

fn tree(depth: i32) -> Boxed {
    Box::pin(async move {
        let _guard = Guard::new();
        let before = unsafe { thread_here() };
        if depth == 0 {
            return 1;
        }
        let (left, right) = (loops::spawn(tree(depth - 1)), loops::spawn(tree(depth - 1)));
        let sum = left.await.unwrap() + right.await.unwrap();
        if unsafe { thread_here() } != before {
            MOVED.fetch_add(1, SeqCst);
        }
        sum + 1
    })
}
#[no_mangle]
pub extern "C" fn rs_tree(home: u32, depth: i32) {
    wait_for(Loop(home).spawn(tree(depth)));
}

/// Timers, yields and what is shared: each of `count` tasks adds to a counter, and none sleeps too short.
#[no_mangle]
pub extern "C" fn rs_sleepers(home: u32, count: i32) {
    wait_for(Loop(home).spawn(async move {
        let counter = Arc::new(AtomicI32::new(0));
        let mut handles = Vec::new();
        for i in 0..count {
            let counter = counter.clone();
            handles.push(loops::spawn(async move {
                let (started, duration) = (Instant::now(), Duration::from_millis((i % 20) as u64));
                sleep(duration).await;
                if started.elapsed() < duration {
                    counter.fetch_add(1_000_000, SeqCst);
                }
                for _ in 0..10 {
                    tokiwa::task::yield_now().await;
                    counter.fetch_add(1, SeqCst);
                }
            }));
        }
        for handle in handles {
            handle.await.unwrap();
        }
        counter.load(SeqCst)
    }));
}

/// Each is aborted, and says so.
#[no_mangle]
pub extern "C" fn rs_aborts(home: u32, count: i32) {
    wait_for(Loop(home).spawn(async move {
        let mut cancelled = 0;
        for i in 0..count {
            let handle = loops::spawn(async {
                let _guard = Guard::new();
                loop {
                    tokiwa::task::yield_now().await;
                }
            });
            for _ in 0..i % 5 {
                tokiwa::task::yield_now().await;
            }
            handle.abort();
            cancelled += handle.await.is_err() as i32;
        }
        cancelled
    }));
}

/// Blocking code of a pthread outside of the loop.
#[no_mangle]
pub extern "C" fn rs_block(home: u32) -> i32 {
    let answer = tokiwa::runtime::block_on(async move {
        sleep(Duration::from_millis(5)).await;
        Loop(home).spawn(async { 40 }).await.unwrap() + 2
    });
    answer.unwrap_or(-1)
}
