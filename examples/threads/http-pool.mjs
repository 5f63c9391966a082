// Seven pages through a pool of two threads, counted as they come; then again, and the pool is dropped half-way.
// Run: node examples/threads/http-pool.mjs
import { createServer } from "node:http";
import { ThreadPool } from "tokiwa/threads";

const PAGES = 7;

const server = createServer((request, response) => {
  const page = Number(new URL(request.url, "http://localhost").searchParams.get("page"));
  setTimeout(() => response.end(`page ${page} `.repeat(page)), 20);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const addresses = Array.from({ length: PAGES }, (_, n) => `http://127.0.0.1:${server.address().port}/?page=${n + 1}`);

async function load(address) {
  const answer = await fetch(address);
  return (await answer.text()).length;
}

{
  const pool = new ThreadPool({ size: 2 });
  let count = 0;
  let characters = 0;
  const each = (length) => {
    characters += length;
    console.log(`${++count}/${PAGES}`);
  };
  await Promise.all(addresses.map((address) => pool.exec(load, address).then(each)));
  console.log(`${characters} characters, ${pool.pendingJobs} jobs pending`);
  await pool.shutdown();
}

{
  const pool = new ThreadPool({ size: 2 });
  let count = 0;
  const jobs = addresses.map((address) => pool.exec(load, address));
  for (const job of jobs) {
    job.then(
      () => {
        console.log(`${++count}/${PAGES}`);
        if (count === 3) void pool.shutdown();             // cancels what is running and what is queued
      },
      () => {},
    );
  }
  const results = await Promise.all(jobs.map((job) => job.result()));
  const cancelled = results.filter(({ status }) => status === "cancelled").length;
  console.log(`dropped half-way: ${cancelled} cancelled, ${pool.pendingJobs} jobs pending`);
}

server.close();
server.closeAllConnections();
