// Threads of a sandboxed frame: of no origin, so without Web Locks in its workers.
const script = `
  import { spawnBlocking } from "${location.origin}/dist/index.js";
  import { Thread } from "${location.origin}/dist/threads.js";

  const thread = new Thread();
  const values = [await thread.exec((n) => n * 2, 21), await spawnBlocking((n) => n + 1, 1)];
  thread.terminate();
  values.push((await thread.exec(() => 1).result()).reason.code);
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
