//! Requests, WebSockets and sockets, through the host.
//!
//! JavaScript turns them on: `attach(runtime, guest, { io: guestIo() })`, with `guestIo({ net })` for TCP and Unix sockets.
//! Without it everything fails with the code -10. Dropping a connection closes it.

use crate::abi;
use crate::macros::PollFn;
use crate::task::task_of;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

const OPEN: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const TEXT: i32 = 8;
const AGAIN: i32 = -13;
const END: i32 = -14;
const FAILED: i32 = -15;
const CHUNK: usize = 4096;

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// As in `tokiwa.h`; -15 for what the host reports.
    pub code: i32,
    /// The host's words; empty for other codes.
    pub message: String,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.message.is_empty() { write!(f, "error {}", self.code) } else { f.write_str(&self.message) }
    }
}

/// What everything here gives.
pub type Result<T> = core::result::Result<T, Error>;

/// A text as the host takes it: UTF-8, ended with a zero.
fn zero_ended(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

struct Io(i32);

impl Drop for Io {
    fn drop(&mut self) {
        unsafe { abi::tk_io_close(self.0) };
    }
}

impl Io {
    async fn open(id: i32) -> Result<Io> {
        if id < 0 {
            return Err(Error { code: id, message: String::new() });
        }
        let io = Io(id);
        io.ready(OPEN).await?;
        Ok(io)
    }

    fn error(&self, code: i32) -> Error {
        let mut message = String::new();
        if code == FAILED {
            message = self.text(|into, bytes| unsafe { abi::tk_io_error(self.0, into, bytes) }).unwrap_or_default();
        }
        Error { code, message }
    }

    /// A text that the host puts into a buffer, and whose length it tells.
    fn text(&self, put: impl Fn(*mut u8, i32) -> i32) -> Option<String> {
        let length = put(core::ptr::null_mut(), 0);
        if length < 0 {
            return None;
        }
        let mut bytes = alloc::vec![0; length as usize + 1];
        put(bytes.as_mut_ptr(), bytes.len() as i32);
        bytes.pop();
        String::from_utf8(bytes).ok()
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: i32) -> Poll<Result<i32>> {
        let task = task_of(cx.waker());
        match unsafe { abi::tk_io_poll(self.0, interest, task.unwrap_or(-1)) } {
            abi::PENDING => {
                if task.is_none() {
                    relay(self.0, interest, cx.waker().clone());
                }
                Poll::Pending
            }
            error if error < 0 => Poll::Ready(Err(self.error(error))),
            ready => Poll::Ready(Ok(ready)),
        }
    }

    async fn ready(&self, interest: i32) -> Result<i32> {
        PollFn(|cx: &mut Context<'_>| self.poll_ready(cx, interest)).await
    }

    /// Bytes; `None` at the end.
    async fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        self.ready(READ).await?;
        match unsafe { abi::tk_io_read(self.0, into.as_mut_ptr(), into.len() as i32) } {
            END => Ok(None),
            count if count >= 0 => Ok(Some(count as usize)),
            error => Err(self.error(error)),
        }
    }

    async fn write(&self, bytes: &[u8], is_text: bool) -> Result<()> {
        loop {
            self.ready(WRITE).await?;
            let write = if is_text { abi::tk_io_write_text } else { abi::tk_io_write };
            match unsafe { write(self.0, bytes.as_ptr(), bytes.len() as i32) } {
                AGAIN => continue,
                error if error < 0 => return Err(self.error(error)),
                _ => return Ok(()),
            }
        }
    }

    async fn shutdown(&self) -> Result<()> {
        self.ready(WRITE).await?;
        unsafe { abi::tk_io_shutdown(self.0) };
        Ok(())
    }
}

/// For wakers that are no task's: a task of its own that waits and calls them.
fn relay(io: i32, interest: i32, waker: Waker) {
    extern "C" fn poll(arg: usize, task: i32) -> i32 {
        let relay = arg as *mut (i32, i32, Waker);
        if task >= 0 {
            let (io, interest, waker) = unsafe { &*relay };
            if unsafe { abi::tk_io_poll(*io, *interest, task) } == abi::PENDING {
                return abi::PENDING;
            }
            waker.wake_by_ref();
        }
        drop(unsafe { Box::from_raw(relay) });
        abi::READY
    }
    let arg = Box::into_raw(Box::new((io, interest, waker)));
    if unsafe { abi::tk_spawn_detached(poll, arg as usize) } < 0 {
        drop(unsafe { Box::from_raw(arg) });
    }
}

/// Starts a request and waits for the head of its response.
pub async fn fetch(url: &str) -> Result<Response> {
    let url = zero_ended(url);
    Ok(Response(Io::open(unsafe { abi::tk_io_fetch(url.as_ptr(), core::ptr::null()) }).await?))
}

/// As [`fetch`], with what JavaScript's `fetch` takes beside the address, as JSON: `{"method":"POST","body":"..."}`.
pub async fn fetch_with(url: &str, init: &str) -> Result<Response> {
    let (url, init) = (zero_ended(url), zero_ended(init));
    Ok(Response(Io::open(unsafe { abi::tk_io_fetch(url.as_ptr(), init.as_ptr()) }).await?))
}

/// See [`fetch`].
pub struct Response(Io);

impl Response {
    /// The status, for example 404.
    pub fn status(&self) -> u16 {
        unsafe { abi::tk_io_status(self.0 .0) as u16 }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        let name = zero_ended(name);
        self.0.text(|into, bytes| unsafe { abi::tk_io_header(self.0 .0, name.as_ptr(), into, bytes) })
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let mut bytes = alloc::vec![0; CHUNK];
        let count = self.0.read(&mut bytes).await?;
        Ok(count.map(|count| {
            bytes.truncate(count);
            bytes
        }))
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(mut chunk) = self.chunk().await? {
            all.append(&mut chunk);
        }
        Ok(all)
    }

    /// The whole body as a text; what is no UTF-8 is replaced.
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }
}

/// A message of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::Text(text.to_owned())
    }
}

/// A WebSocket.
pub struct WebSocket(Io);

impl WebSocket {
    /// Connects.
    pub async fn connect(url: &str) -> Result<WebSocket> {
        let url = zero_ended(url);
        Ok(WebSocket(Io::open(unsafe { abi::tk_io_websocket(url.as_ptr()) }).await?))
    }

    /// Sends a message.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        match message.into() {
            Message::Text(text) => self.0.write(text.as_bytes(), true).await,
            Message::Binary(bytes) => self.0.write(&bytes, false).await,
        }
    }

    /// The next message; `None` when the other side has closed.
    pub async fn recv(&self) -> Result<Option<Message>> {
        let ready = self.0.ready(READ).await?;
        let mut bytes = alloc::vec![0; unsafe { abi::tk_io_left(self.0 .0) } as usize];
        if self.0.read(&mut bytes).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(if ready & TEXT != 0 { Message::Text(String::from_utf8_lossy(&bytes).into_owned()) } else { Message::Binary(bytes) }))
    }
}

/// A TCP connection, where the host has sockets.
pub struct TcpStream(Io);

impl TcpStream {
    /// Connects to `"host:port"`.
    pub async fn connect(address: &str) -> Result<TcpStream> {
        let (host, port) = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))).ok_or(Error { code: -1, message: String::new() })?;
        let host = zero_ended(host);
        Ok(TcpStream(Io::open(unsafe { abi::tk_io_tcp(host.as_ptr(), port as i32) }).await?))
    }

    /// Reads some bytes; 0 at the end.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        Ok(self.0.read(into).await?.unwrap_or(0))
    }

    /// Writes all bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes, false).await
    }

    /// Sends the end.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.0.shutdown().await
    }
}

/// A Unix socket, where the host has them.
pub struct UnixStream(Io);

impl UnixStream {
    /// Connects to a path.
    pub async fn connect(path: &str) -> Result<UnixStream> {
        let path = zero_ended(path);
        Ok(UnixStream(Io::open(unsafe { abi::tk_io_unix(path.as_ptr()) }).await?))
    }

    /// Reads some bytes; 0 at the end.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        Ok(self.0.read(into).await?.unwrap_or(0))
    }

    /// Writes all bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes, false).await
    }

    /// Sends the end.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.0.shutdown().await
    }
}
