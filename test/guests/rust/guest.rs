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

thread_local! { static TEXT: std::cell::RefCell<String> = std::cell::RefCell::default(); }
/// Room for an address that JavaScript writes.
#[no_mangle] pub extern "C" fn text_room(bytes: usize) -> *mut u8 {
    TEXT.with(|text| { *text.borrow_mut() = " ".repeat(bytes); unsafe { text.borrow_mut().as_bytes_mut().as_mut_ptr() } })
}
fn text() -> String { TEXT.with(|text| text.borrow().clone()) }

/// A request: status, body, a header; and one to nowhere. Through a combinator with wakers of its own, too.
#[no_mangle] pub extern "C" fn start_fetch() {
    let url = text();
    spawn(async move {
        let response = tokio::net::fetch(&url).await.unwrap();
        let status = response.status() as i32;
        let length = response.header("content-length").map_or(-1, |length| length.parse().unwrap());
        assert!(response.header("x-none").is_none());
        let body = Other(Box::pin(response.bytes())).await.unwrap();
        add(status * 1_000_000 + (length == body.len() as i32) as i32 * 100_000 + body.iter().map(|byte| *byte as i32).sum::<i32>());
        let posted = tokio::net::fetch_with(&url, r#"{"method":"POST","body":"abc"}"#).await.unwrap().text().await.unwrap();
        add((posted == "abc") as i32);
        let error = tokio::net::fetch("http://127.0.0.1:9/").await.err().unwrap();
        assert!(error.code == -15 && !error.message.is_empty());
        add(10);
    });
}

/// A future that is polled with another waker than its task's.
struct Other<F>(std::pin::Pin<Box<F>>);
struct Forward(std::task::Waker);
impl std::task::Wake for Forward { fn wake(self: std::sync::Arc<Self>) { self.0.wake_by_ref() } }
impl<F: std::future::Future> std::future::Future for Other<F> {
    type Output = F::Output;
    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        let waker = std::sync::Arc::new(Forward(cx.waker().clone())).into();
        self.0.as_mut().poll(&mut std::task::Context::from_waker(&waker))
    }
}

#[no_mangle] pub extern "C" fn start_websocket(messages: i32) {
    let url = text();
    spawn(async move {
        use tokio::net::{Message, WebSocket};
        let socket = WebSocket::connect(&url).await.unwrap();
        for number in 0..messages {
            let message = if number % 2 == 0 { Message::Text("x".repeat(number as usize)) } else { Message::Binary(vec![number as u8; number as usize]) };
            socket.send(message.clone()).await.unwrap();
            if socket.recv().await.unwrap() == Some(message) { add(1); }
        }
    });
}

#[no_mangle] pub extern "C" fn start_tcp() {
    let address = text();
    spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(&[5; 1000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let (mut buffer, mut total) = ([0; 100], 0);
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            if count == 0 { break; }
            total += buffer[..count].iter().map(|byte| *byte as i32).sum::<i32>();
        }
        add(total);
        assert!(tokio::net::TcpStream::connect("nowhere").await.err().unwrap().code == -1);
        assert!(tokio::net::UnixStream::connect("/nowhere/at/all").await.err().unwrap().message.contains("ENOENT"));
        add(10_000);
    });
}
