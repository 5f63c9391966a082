// 20 000 stars, a task each, that twinkle by timers of their own; a request and a WebSocket beside them. Plain Rust
// on Tokio's names: no glue, no wasm-bindgen.
//
//   rustc --edition 2021 --target wasm32-unknown-unknown --crate-type rlib --crate-name tokiwa $(npx tokiwa path rust)/src/lib.rs
//   rustc --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=3 -C panic=abort -C target-feature=+mutable-globals \
//     --extern tokiwa=libtokiwa.rlib -C link-args="--export-table --growable-table --export=__stack_pointer" stars.rs
use std::cell::RefCell;
use std::time::Duration;
use tokiwa as tokio;
use tokio::net::{fetch, WebSocket};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

#[derive(Default)]
struct State {
    light: Vec<u8>,
    pixels: Vec<u8>,
    text: String,
    changes: u32,
}

thread_local! { static STATE: RefCell<State> = RefCell::default(); }

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| work(&mut state.borrow_mut()))
}

struct Random(u32);
impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }
}

/// One star: brighter and darker again, at a pace of its own.
async fn star(seed: u32) {
    let mut random = Random(seed.wrapping_mul(2_654_435_761) | 1);
    let place = random.below((WIDTH * HEIGHT) as u32) as usize;
    let pace = 40 + random.below(400) as u64;
    let brightest = 60 + random.below(196);
    let mut phase = random.below(16);
    loop {
        let level = if phase < 8 { phase } else { 15 - phase };
        with(|state| {
            state.light[place] = (brightest * level / 7) as u8;
            state.changes += 1;
        });
        phase = (phase + 1) % 16;
        sleep(Duration::from_millis(pace)).await;
    }
}

#[no_mangle]
pub extern "C" fn start(stars: u32) {
    with(|state| {
        state.light = vec![0; WIDTH * HEIGHT];
        state.pixels = vec![0; WIDTH * HEIGHT * 4];
    });
    for seed in 0..stars {
        tokio::spawn(star(seed + 1));
    }
}

/// The sky as RGBA.
#[no_mangle]
pub extern "C" fn render() -> *const u8 {
    with(|state| {
        let State { light, pixels, .. } = state;
        for (pixel, light) in pixels.chunks_exact_mut(4).zip(light.iter()) {
            pixel.copy_from_slice(&[16 + light / 5 * 4, 20 + light / 5 * 4, 34 + (*light as u32 * 220 / 255) as u8, 255]);
        }
        pixels.as_ptr()
    })
}

#[no_mangle]
pub extern "C" fn changes() -> u32 {
    with(|state| state.changes)
}

/// What to show, for JavaScript: its address and length.
#[no_mangle]
pub extern "C" fn text() -> *const u8 {
    with(|state| state.text.as_ptr())
}
#[no_mangle]
pub extern "C" fn text_length() -> usize {
    with(|state| state.text.len())
}
/// Room for a text of so many bytes that JavaScript writes.
#[no_mangle]
pub extern "C" fn text_room(bytes: usize) -> *mut u8 {
    with(|state| {
        state.text = "\0".repeat(bytes);
        unsafe { state.text.as_bytes_mut().as_mut_ptr() }
    })
}

async fn lines_of(url: &str) -> Result<usize, tokio::net::Error> {
    Ok(fetch(url).await?.text().await?.lines().count())
}

/// Messages to an echo server, numbered by one task, sent and compared by another.
async fn talk(url: &str, messages: u32) -> Result<u32, tokio::net::Error> {
    let (sender, mut receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        for number in 0..messages {
            if sender.send(format!("star {}", number)).await.is_err() {
                return;
            }
        }
    });
    let socket = WebSocket::connect(url).await?;
    let mut same = 0;
    while let Some(message) = receiver.recv().await {
        socket.send(message.as_str()).await?;
        if socket.recv().await? == Some(message.as_str().into()) {
            same += 1;
        }
    }
    Ok(same)
}

/// Reads this file and talks to the server whose address the text holds; the text is then what came of it.
#[no_mangle]
pub extern "C" fn connect() -> i32 {
    let address = with(|state| state.text.clone());
    let task = tokio::spawn(async move {
        let (lines, echoes) = tokio::join!(lines_of("stars.rs"), timeout(Duration::from_secs(20), talk(&address, 50)));
        let text = match (lines, echoes) {
            (Ok(lines), Ok(Ok(echoes))) => format!("{} lines fetched, {} of 50 messages came back", lines, echoes),
            failed => format!("failed: {:?}", failed),
        };
        with(|state| state.text = text);
    });
    task.id()
}
