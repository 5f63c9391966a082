// Threads of a sandboxed frame: of no origin, so without Web Locks in its workers.
const script = `
  import { Runtime, spawnBlocking } from "${location.origin}/dist/index.js";
  import { send, Thread } from "${location.origin}/dist/threads.js";

  const thread = new Thread();
  const values = [await thread.exec((n) => n * 2, 21), await spawnBlocking((n) => n + 1, 1)];
  thread.terminate();
  values.push((await thread.exec(() => 1).result()).reason.code);
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1 });
  const nested = () => tokiwa.spawnBlocking(async () => { const thread = new tokiwa.Thread(); const n = await thread.exec(() => 7); thread.terminate(); return n; });
  values.push(await runtime.spawn(send(nested)));
  values.push((await runtime.spawn(send(() => self.close())).result()).reason.message, await runtime.spawn(send(nested)));
  const began = performance.now();
  const held = runtime.spawn(send(() => { for (;;); }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await runtime.shutdown({ timeout: 100 });
  values.push((await held.result()).status, performance.now() - began < 1500);
  parent.postMessage(values, "*");
`;

export default function () {
  const frame = document.createElement("iframe");
  frame.sandbox.add("allow-scripts");
  frame.srcdoc = `<script type="module">${script}</script>`;
  document.body.append(frame);
  return new Promise((resolve) => {
    addEventListener("message", ({ data }) => resolve(data), { once: true });
  });
}
