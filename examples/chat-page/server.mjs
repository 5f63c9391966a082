// A chat over WebSockets, page and server. Run: node examples/chat-page/server.mjs 8080        then open the address it prints, twice.
//
// The listener is tokiwa's: requests for files are answered on its streams (http-parser-js), an upgrade hands the
// socket to the package `ws` with toNode(). What anybody says goes through one broadcast channel; each member has a
// task that reads from it, at its own pace: one that falls behind is told how much it missed and goes on.
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { broadcast, fromPromise, LaggedError, mpsc, run, select, spawn } from "tokiwa";
import { ctrlC, TcpListener } from "tokiwa/net";
import { WebSocketServer } from "ws";
import { HttpError, MessageReader, refuse, respond } from "../net/http.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".map": "application/json" };
const HISTORY = 256;
const UNREAD = 16;
const NAME = /^[\p{L}\p{N} _-]{1,24}$/u;
const TEXT_LIMIT = 500;
const EMPTY = Buffer.alloc(0);

/** Only the files of this page, and the built package for it to import. */
function fileOf(url) {
  const path = url.split("?")[0];
  if (path === "/") return new URL("index.html", import.meta.url);
  const own = /^\/(chat\.(?:js|css))$/.exec(path);
  if (own) return new URL(own[1], import.meta.url);
  const built = /^\/dist\/([\w.-]+\.js)$/.exec(path);
  if (built) return new URL(`../../dist/${built[1]}`, import.meta.url);
  throw new HttpError(404, "Not Found");
}

class Room {
  #sender = broadcast(HISTORY)[0];
  #names = new Map();

  enter(name) {
    let unique = name;
    for (let i = 2; this.#names.has(unique); i++) unique = `${name} ${i}`;
    this.#names.set(unique, true);
    const receiver = this.#sender.subscribe();
    this.#tell({ type: "entered", name: unique });
    return [unique, receiver];
  }

  leave(name) {
    this.#names.delete(name);
    this.#tell({ type: "left", name });
  }

  say(name, text) {
    this.#tell({ type: "said", name, text: text.slice(0, TEXT_LIMIT) });
  }

  #tell(event) {
    try {
      this.#sender.send(JSON.stringify({ ...event, members: [...this.#names.keys()] }));
    } catch {
      // nobody is there to hear it
    }
  }
}

/** Sends a member what is said. */
async function deliver(receiver, socket) {
  for (;;) {
    let message;
    try {
      message = await receiver.recv();
    } catch (error) {
      if (!(error instanceof LaggedError)) return;
      message = JSON.stringify({ type: "missed", count: error.skipped });
    }
    await new Promise((resolve) => socket.send(message, resolve));
  }
}

/** Messages of a socket, as a channel. Who writes faster than he is heard is stopped by his own socket. */
function messagesOf(socket) {
  const [sender, receiver] = mpsc(UNREAD);
  socket.on("message", (data) => {
    try {
      sender.trySend(String(data));
    } catch {
      socket.close(1008, "too fast");                      // what one packet brings comes also after pause()
    }
    if (sender.capacity < UNREAD / 2) socket.pause();
  });
  socket.on("error", () => sender.close());
  socket.on("close", () => sender.close());
  return receiver;
}

async function member(room, socket) {
  const messages = messagesOf(socket);
  const name = await messages.recv();
  if (name === undefined || !NAME.test(name)) {
    socket.close(1008, "a name has 1 to 24 letters or digits");
    return;
  }
  const [unique, receiver] = room.enter(name);
  socket.send(JSON.stringify({ type: "welcome", name: unique }));
  const delivery = spawn(deliver, receiver, socket);
  try {
    for await (const text of messages) {
      if (socket.isPaused) socket.resume();
      room.say(unique, text);
    }
  } finally {
    delivery.abort();
    receiver.close();
    room.leave(unique);
    socket.terminate();
  }
}

/** One connection: files, or a WebSocket. */
function* connection(stream, room, sockets) {
  const reader = new MessageReader(stream, "REQUEST");
  try {
    for (let request; (request = yield* reader.head()) !== undefined; ) {
      if (request.upgrade) {
        upgrade(request, stream, room, sockets);
        return;
      }
      yield* reader.skipBody(0);
      try {
        const file = fileOf(request.url);
        const bytes = yield* fromPromise(readFile(file));
        yield* respond(stream, 200, "OK", ["content-type", TYPES[extname(file.pathname)]], bytes, request.keepsAlive);
      } catch (error) {
        yield* refuse(stream, error, request.keepsAlive);
      }
      if (!request.keepsAlive) break;
    }
  } catch (error) {
    yield* refuse(stream, error, false);
  } finally {
    stream.close();
  }
}

function upgrade({ method, url, headers }, stream, room, sockets) {
  const byName = {};
  for (let i = 0; i < headers.length; i += 2) byName[headers[i].toLowerCase()] = headers[i + 1];
  const socket = stream.toNode();
  socket.on("error", () => socket.destroy());
  sockets.handleUpgrade({ method, url, headers: byName }, socket, EMPTY, (opened) => spawn(member, room, opened).result());
}

/** Serves the chat until the returned function is called. */
export async function startChat(port) {
  const listener = await TcpListener.bind({ host: "127.0.0.1", port });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  const room = new Room();
  const accepting = spawn(function* () {
    for (;;) spawn(connection, yield* listener.accept(), room, sockets).result();
  });
  const stop = () => {
    accepting.abort();
    listener.close();
    for (const socket of sockets.clients) socket.close(1001, "the server ends");
  };
  return { port: listener.localAddr.port, stop, dropAll: () => sockets.clients.forEach((socket) => socket.terminate()) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(async () => {
    const { port, stop } = await startChat(Number(process.argv[2] ?? 8080));
    console.log(`open http://127.0.0.1:${port}/ in two windows, Ctrl-C ends it`);
    await select({ quit: ctrlC() });
    stop();
  });
}
