// What the tests of Rust guests run; see scripts/build-guests.mjs.
use std::cell::Cell;
use std::time::Duration;
use tokiwa as tokio;
use tokio::promise::JsPromise;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn, yield_now, JoinHandle};
use tokio::time::{sleep, timeout, Instant};

thread_local! { static TOTAL: Cell<i32> = Cell::new(0); }
fn add(value: i32) { TOTAL.with(|total| total.set(total.get() + value)); }
#[no_mangle] pub extern "C" fn total() -> i32 { TOTAL.with(|total| total.get()) }
#[no_mangle] pub extern "C" fn reset() { TOTAL.with(|total| total.set(0)); }

async fn leaf(ms: u64, value: i32) -> i32 { sleep(Duration::from_millis(ms)).await; value }
async fn parent(id: u64) -> i32 {
    let first = leaf(id % 5, 1).await;
    let (second, third) = (spawn(leaf(10, 10)), spawn(leaf(10, 100)));
    first + second.await.unwrap() + third.await.unwrap()
}

/// Tasks that wait for tasks: 111 each.
#[no_mangle] pub extern "C" fn start_tree(count: i32) {
    spawn(async move {
        let handles: Vec<JoinHandle<i32>> = (0..count).map(|id| spawn(parent(id as u64))).collect();
        for handle in handles { add(handle.await.unwrap()); }
    });
}

#[no_mangle] pub extern "C" fn start_yielders(tasks: i32, yields: i32) {
    for _ in 0..tasks { spawn(async move { for _ in 0..yields { yield_now().await; } add(1); }); }
}

/// SCENARIOS A.1: three services of 120, 90 and 150 ms at once; the sum of answers, and how long it took.
#[no_mangle] pub extern "C" fn start_services() {
    spawn(async {
        let start = Instant::now();
        let services: Vec<_> = [120, 90, 150].iter().map(|ms| spawn(leaf(*ms, *ms as i32))).collect();
        for service in services { add(service.await.unwrap()); }
        add(1000 * start.elapsed().as_millis() as i32);
    });
}

#[no_mangle] pub extern "C" fn start_channels(messages: i32) {
    let (sender, mut receiver) = mpsc::channel(4);
    for _ in 0..4 {
        let sender = sender.clone();
        spawn(async move { for value in 0..messages { sender.send(value).await.unwrap(); } });
    }
    drop(sender);
    let (done, total) = oneshot::channel();
    spawn(async move {
        let mut sum = 0;
        while let Some(value) = receiver.recv().await { sum += value; }
        done.send(sum).unwrap();
    });
    spawn(async move { add(total.await.unwrap()); });
}

struct Guard;
impl Drop for Guard { fn drop(&mut self) { add(7); } }

/// timeout, join!, select! and abort: 1 + 20 + 300 + 7 + 4000.
#[no_mangle] pub extern "C" fn start_combinators() {
    spawn(async {
        if timeout(Duration::from_millis(5), leaf(1000, 0)).await.is_err() { add(1); }
        let (a, b, c) = tokio::join!(leaf(3, 5), leaf(1, 7), async { 8 });
        add(a + b + c);
        add(tokio::select! {
            value = leaf(2, 300) => value,
            _ = leaf(50, 0) => 0,
            _ = std::future::pending::<()>() => -1,
        });
        let handle = spawn(async { let _guard = Guard; sleep(Duration::from_secs(3600)).await; });
        yield_now().await;
        yield_now().await;
        handle.abort();
        if handle.await.unwrap_err().is_cancelled() { add(4000); }
    });
}

#[no_mangle] pub extern "C" fn start_promise(id: i32) {
    spawn(async move { match JsPromise::from_id(id).await { Ok(value) => add(value as i32), Err(error) => add(error.0) } });
}

#[no_mangle] pub extern "C" fn start_panic() { spawn(async { panic!("oops") }); }

/// Blocking code: needs guest.run().
#[no_mangle] pub extern "C" fn blocking(ms: i32) -> i32 {
    match tokio::runtime::block_on(async move { let task = spawn(leaf(ms as u64, 40)); leaf(1, 2).await + task.await.unwrap() }) { Ok(value) => value, Err(error) => error.0 }
}
