// A chat server: a line from one goes to all others. Run: node examples/net/chat.mjs        or, to serve: ... chat.mjs 7000
//
// Each client has a task that reads lines and a task that writes; between them a channel with little room. Who
// reads too slowly fills his channel and is dropped, instead of filling the server's memory.
import { mpsc, run, select, spawn } from "tokiwa";
import { BufReader, ctrlC, TcpListener, TcpStream } from "tokiwa/net";

const BACKLOG = 32;
const LINE_LIMIT = 1024;
const encoder = new TextEncoder();

class Room {
  #members = new Map();

  enter(name, outbox) {
    this.say(name, "has entered");
    this.#members.set(name, outbox);
  }

  leave(name) {
    if (this.#members.delete(name)) this.say(name, "has left");
  }

  say(from, text) {
    for (const [name, outbox] of this.#members) {
      if (name === from) continue;
      try {
        outbox.trySend(`${from}: ${text}\n`);
      } catch {
        this.#members.delete(name);                        // too slow, or gone
        outbox.close();
      }
    }
  }
}

function* deliver(inbox, writer) {
  for (let line; (line = yield* inbox.recv()) !== undefined; ) yield* writer.writeAll(encoder.encode(line));
  yield* writer.shutdown();
}

async function member(room, stream) {
  const [reader, writer] = stream.split();
  const lines = new BufReader(reader).lines({ limit: LINE_LIMIT });
  const [outbox, inbox] = mpsc(BACKLOG);
  const delivery = spawn(deliver, inbox, writer);
  let name;
  try {
    name = await lines.next();
    if (name === undefined) return;
    room.enter(name, outbox);
    for await (const line of lines) room.say(name, line);
  } catch (error) {
    console.error(`${name ?? "somebody"}: ${error.message}`);
  } finally {
    room.leave(name);
    outbox.close();
    await delivery.result();
    stream.close();
  }
}

/** Two clients talk; what each of them hears, in order. */
async function demonstrate(addr) {
  const [ada, bob] = [await TcpStream.connect(addr), await TcpStream.connect(addr)];
  const say = (stream, text) => stream.writeAll(encoder.encode(`${text}\n`));
  const [hears, heard] = [new BufReader(ada).lines(), new BufReader(bob).lines()];
  await say(ada, "ada");
  await new Promise((resolve) => setTimeout(resolve, 20));  // she is in before he is
  await say(bob, "bob");
  console.log(`ada hears "${await hears.next()}"`);
  await say(ada, "hello bob");
  console.log(`bob hears "${await heard.next()}"`);
  await bob.shutdown();
  console.log(`ada hears "${await hears.next()}"`);
  ada.close();
  bob.close();
}

await run(async () => {
  const port = Number(process.argv[2] ?? 0);
  const listener = await TcpListener.bind({ host: "127.0.0.1", port });
  const room = new Room();
  const server = spawn(async () => {
    for await (const stream of listener) spawn(member, room, stream);
  });
  if (port === 0) await demonstrate(listener.localAddr);
  else {
    console.log(`chatting on port ${port}, Ctrl-C ends it`);
    await select({ server, quit: ctrlC() });
  }
  listener.close();
  await server;
});
