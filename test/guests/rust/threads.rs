// What the tests of Rust guests with threads run: the programs of wasm-mt; see scripts/build-guests.mjs.
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokiwa as tokio;
use tokio::task::{spawn, spawn_blocking};
use tokio::thread::{self, Thread, ThreadError};
use tokio::time::{sleep, timeout, Instant};

thread_local! { static TOTAL: Cell<f64> = Cell::new(0.0); }
fn add(value: f64) { TOTAL.with(|total| total.set(total.get() + value)); }
#[no_mangle] pub extern "C" fn total() -> f64 { TOTAL.with(|total| total.get()) }
#[no_mangle] pub extern "C" fn reset() { TOTAL.with(|total| total.set(0.0)); }

/// A number that the compiler does not know.
fn opaque(value: u64) -> u64 { unsafe { std::ptr::read_volatile(&value) } }

/// Notes what a program gave, or 1e6 minus the code of its error.
fn start(program: impl Future<Output = Result<f64, ThreadError>> + 'static) {
    spawn(async move { add(match program.await { Ok(value) => value, Err(error) => 1e6 + error.code as f64 }); });
}

/// C1: 1 + 2, 1 - 2 after a second, and the same in JavaScript: 3 * 1 - 1 * 10 + 3 * 100 - 1 * 1000.
#[no_mangle] pub extern "C" fn start_exec() {
    start(async {
        let thread = Thread::new()?;
        let sum = thread.exec(|(a, b): (i32, i32)| a + b, (1, 2));
        let later = thread.exec_async(|(a, b): (i32, i32)| async move { sleep(Duration::from_millis(1000)).await; a - b }, (1, 2));
        let js = thread.exec_js("const add = (a, b) => a + b; return add(1, 2)");
        let js_later = thread.exec_js_async("return new Promise((done) => setTimeout(() => done(1 - 2), 1000))");
        let number = |value: tokio::thread::JsValue| value.number().unwrap();
        Ok(sum.await? as f64 + later.await? as f64 * 10.0 + number(js.await?) * 100.0 + number(js_later.await?) * 1000.0)
    });
}

/// C2: every call with n > 1 in a thread of its own, inside of the thread that calls.
fn fib(n: u32) -> Pin<Box<dyn Future<Output = Result<u32, i32>>>> {
    Box::pin(async move {
        if n <= 1 { return Ok(n); }
        let a = thread::exec_async(fib, n - 1);
        let b = thread::exec_async(fib, n - 2);
        let first = a.await.map_err(|error| error.code)??;
        let second = b.await.map_err(|error| error.code)??;
        Ok(first + second)
    })
}
#[no_mangle] pub extern "C" fn start_fib(n: u32) {
    start(async move { thread::exec_async(fib, n).await?.map(|value| value as f64).map_err(|code| ThreadError { code, message: String::new() }) });
}

/// C3: (start, answer) four times, then four starts and four answers.
#[no_mangle] pub extern "C" fn start_executors() {
    start(async {
        let mut sum = 0;
        for _ in 0..4 { sum += thread::exec(|_: ()| 42, ()).await?; }
        let jobs: Vec<_> = (0..4).map(|_| thread::exec(|_: ()| 42, ())).collect();
        for job in jobs { sum += 1000 * job.await?; }
        Ok(sum as f64)
    });
}

fn julia(side: u32) -> u32 {
    let scale = 0.00375 * 800.0 / side as f64;
    let mut sum = 0;
    for y in 0..side {
        for x in 0..side {
            let (mut re, mut im, mut n) = (y as f64 * scale - 1.5, x as f64 * scale - 1.5, 0);
            while n < 900 && re * re + im * im <= 2.0 {
                let next = re * re - im * im - 0.15;
                im = 2.0 * re * im + 0.65;
                re = next;
                n += 1;
            }
            sum += n;
        }
    }
    sum
}
#[no_mangle] pub extern "C" fn julia_here(side: u32) -> u32 { julia(side) }
/// C4: four whole images at once.
#[no_mangle] pub extern "C" fn start_julia(side: u32) {
    start(async move {
        let threads: Vec<Thread> = (0..4).map(|_| Thread::new().unwrap()).collect();
        let jobs: Vec<_> = threads.iter().map(|thread| thread.exec(julia, side)).collect();
        let mut sum = 0.0;
        for job in jobs { sum += job.await? as f64; }
        Ok(sum)
    });
}

#[derive(Debug, Clone, PartialEq)]
struct Report { name: String, scores: Vec<f32>, best: Option<(u8, char)>, flags: [bool; 3] }
tokio::portable!(Report { name, scores, best, flags });
/// A struct goes there, and another comes back.
#[no_mangle] pub extern "C" fn start_struct() {
    start(async {
        let report = Report { name: "täxt".into(), scores: vec![0.5; 1000], best: Some((7, 'ß')), flags: [true, false, true] };
        let back = thread::exec(|mut report: Report| { report.name.push('!'); report.scores.push(1.0); report }, report.clone()).await?;
        assert_eq!(back.name, "täxt!");
        assert_eq!(back.scores.len(), 1001);
        assert_eq!((back.best, back.flags), (report.best, report.flags));
        Ok(back.scores.iter().sum::<f32>() as f64)
    });
}

/// A panic is an error and the thread goes on: 1 + 20. After terminate(): 300, pending ones cancelled: 4000.
#[no_mangle] pub extern "C" fn start_errors() {
    start(async {
        let mut sum = 0.0;
        let thread = Thread::new()?;
        if thread.exec(|_: ()| -> i32 { panic!("oops") }, ()).await.unwrap_err().is_panic() { sum += 1.0; }
        sum += thread.exec(|n: i32| n * 2, 10).await? as f64;
        let pending = thread.exec_async(|_: ()| async { std::future::pending::<()>().await }, ());
        let queued = thread.exec(|_: ()| (), ());
        thread.terminate();
        thread.terminate();
        if thread.exec(|_: ()| (), ()).await.unwrap_err().is_terminated() && thread.is_terminated() { sum += 300.0; }
        if pending.await.unwrap_err().is_cancelled() && queued.await.unwrap_err().is_cancelled() { sum += 4000.0; }
        Ok(sum)
    });
}

/// Dropping what waits aborts it, dropping a thread ends it, a timeout drops its job.
#[no_mangle] pub extern "C" fn start_drops() {
    start(async {
        let thread = Thread::new()?;
        let endless = thread.exec(|_: ()| loop { opaque(0); }, ());
        let late = timeout(Duration::from_millis(100), endless).await.is_err();
        drop(thread);
        let other = Thread::new()?;
        drop(other.exec_async(|_: ()| async { sleep(Duration::from_secs(3600)).await }, ()));
        let after = other.exec(|_: ()| 5, ()).await?;
        Ok(if late { after as f64 } else { -1.0 })
    });
}

/// Blocking work beside a timer that fires first: 100 + the sum of the work.
#[no_mangle] pub extern "C" fn start_blocking() {
    start(async {
        // The host may hold this thread once, and for longer than that; not five times in a row.
        for _ in 0..5 {
            let begin = Instant::now();
            let work = spawn_blocking(|n: u64| { let mut sum = 0; for i in 0..n { sum = opaque(sum + i); } sum }, 50_000_000);
            sleep(Duration::from_millis(1)).await;
            let is_first = begin.elapsed() < Duration::from_millis(1000);
            let sum = work.await?;
            if is_first { return Ok(sum as f64 + 100.0); }
        }
        Ok(0.0)
    });
}

/// Threads without end.
fn endless(n: u32) -> Pin<Box<dyn Future<Output = i32>>> {
    Box::pin(async move { match thread::exec_async(endless, n + 1).await { Ok(code) => code, Err(error) => error.code } })
}
#[no_mangle] pub extern "C" fn start_endless() { start(async { Ok(endless(0).await as f64) }); }

/// Blocking code: needs guest.run().
#[no_mangle] pub extern "C" fn blocking(n: i32) -> i32 {
    tokio::runtime::block_on(async move { spawn_blocking(|n: i32| n + 1, n).await.unwrap_or(-1) }).unwrap_or(-2)
}
