// Posts fetched at once from a server on loopback; one of them fails, the others still print.
import { createServer } from "node:http";
import { once } from "node:events";
import { currentTask, run, spawn } from "tokiwa";

const POSTS = { 1: { id: 1, title: "evergreen" }, 3: { id: 3, title: "needles" } };

async function startServer() {
  const server = createServer((request, response) => {
    const post = POSTS[request.url.slice("/posts/".length)];
    response.writeHead(post ? 200 : 500, { "content-type": "application/json" });
    setTimeout(() => response.end(JSON.stringify(post ?? { error: "no such post" })), 20);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function fetchPost(origin, id) {
  const response = await fetch(`${origin}/posts/${id}`, { signal: currentTask().signal });
  if (!response.ok) throw new Error(`post ${id}: HTTP ${response.status}`);
  return response.json();
}

export default {
  title: "three posts fetched at once, one of them fails",
  async run(print) {
    const server = await startServer();
    const origin = `http://127.0.0.1:${server.address().port}`;
    try {
      await run(async () => {
        const handles = [1, 2, 3].map((id) => spawn(fetchPost, origin, id));
        for (const handle of handles) {
          const result = await handle.result();
          if (result.status === "fulfilled") print(`post ${result.value.id}: ${result.value.title}`);
          else print(`failed: ${result.reason.message}`);
        }
      });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  },
  check(lines) {
    const expected = ["post 1: evergreen", "failed: post 2: HTTP 500", "post 3: needles"];
    return lines.join("\n") === expected.join("\n") ? undefined : `printed ${JSON.stringify(lines)}`;
  },
};
