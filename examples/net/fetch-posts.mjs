// Three posts fetched at once from a server of our own; one fails, the others still print. Run: node examples/net/fetch-posts.mjs
//
// fetch is the host's: its promise is awaited in a task, and the task's signal ends the request when the task is aborted.
import { createServer } from "node:http";
import { currentTask, run, spawn } from "tokiwa";

const POSTS = { 1: { id: 1, title: "first" }, 3: { id: 3, title: "third" } };

async function fetchPost(origin, id) {
  const response = await fetch(`${origin}/posts/${id}`, { signal: currentTask().signal });
  if (!response.ok) throw new Error(`post ${id}: ${response.status} ${response.statusText}`);
  return response.json();
}

await run(async () => {
  const server = createServer((request, response) => {
    const post = POSTS[request.url.split("/").at(-1)];
    if (post === undefined) response.writeHead(404).end();
    else response.end(JSON.stringify(post));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;

  const handles = [1, 2, 3].map((id) => spawn(fetchPost, origin, id));
  for (const handle of handles) {
    const { status, value, reason } = await handle.result();
    console.log(status === "fulfilled" ? `post ${value.id}: ${value.title}` : `failed: ${reason.message}`);
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
