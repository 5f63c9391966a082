// What can go wrong in the workers of a page: [code, part of the message] of each, and that the next call works.
import { Runtime } from "/dist/index.js";
import { send, Thread, ThreadPool } from "/dist/threads.js";

const ended = async (handle) => {
  const { status, value, reason } = await handle.result();
  return status === "fulfilled" ? value : [reason.code ?? reason.name, reason.message];
};

function blob(source) {
  return () => new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
}

const answering = (what) => blob(`addEventListener("message", async ({ data: { port, lock } }) => { await new Promise((held) => navigator.locks.request(lock, () => (held(), new Promise(() => {})))); port.postMessage({ k: "ready" }); port.onmessage = ({ data: message }) => { if (Array.isArray(message)) { const id = message[5]; ${what} } }; });`);

export default async (transport) => {
  const found = {};
  const thread = new Thread({ transport });
  const waiting = () => thread.exec(() => tokiwa.sleep(600_000));
  for (const [name, kill] of Object.entries({
    thrown: () => void setTimeout(() => { throw new RangeError("outside"); }),
    closed: () => void self.close(),
  })) {
    const before = waiting();
    thread.exec(kill).result();
    found[name] = await ended(before);
    found[`${name}, then`] = await ended(thread.exec(() => "alive"));
  }
  found.uncloneable = (await ended(thread.exec(() => self)))[0];
  const aborted = (await thread.exec(() => { throw new DOMException("stop", "AbortError"); }).result()).reason;
  found.aborted = [aborted instanceof DOMException, aborted.name, aborted.code];
  thread.terminate();

  for (const [name, worker] of Object.entries({
    missing: () => new Worker("/none.js"),
    "a syntax error": blob("this is no program"),
    "throws at once": blob("throw new Error('at once')"),
    nonsense: answering("port.postMessage(null)"),
    "unknown status": answering("port.postMessage([1, 77, 1, id, 1, 5])"),
    "closes when it is ready": blob('addEventListener("message", ({ data: { port } }) => { port.postMessage({ k: "ready" }); self.close(); })'),
    refuses: () => { throw new Error("no worker today"); },
    "no worker": () => 42,
  })) {
    const own = new Thread({ transport, worker });
    found[name] = await ended(own.exec(send("f")));
    own.terminate();
  }

  const pool = new ThreadPool({ size: 2, transport });
  found.others = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (n) => {
      const outcome = await ended(pool.exec(async (k) => {
        await tokiwa.sleep(5);
        if (k === 2) self.close();
        return k === 2 ? new Promise(() => {}) : k;
      }, n));
      return Array.isArray(outcome) ? outcome[0] : outcome;
    }),
  );
  found.pending = pool.pendingJobs;

  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1, transport });
  const held = runtime.spawn(send(() => { for (;;); })).result();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const began = performance.now();
  await runtime.shutdown({ timeout: 100 });
  found.held = [(await held).status, performance.now() - began < 1500];
  await pool.shutdown();
  return found;
};
