// The page around query.c: several queries at once over a database that is never downloaded as a whole.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";
import createQuery from "./built/query.mjs";

const QUERIES = [
  "SELECT count(*) FROM towns WHERE country = 'Country 7'",
  "SELECT name, inhabitants FROM towns ORDER BY inhabitants DESC LIMIT 3",
  "SELECT name, country FROM towns WHERE id = 31415",
  "SELECT country, max(inhabitants) FROM towns WHERE country IN ('Country 3', 'Country 33') GROUP BY country",
  "SELECT name FROM towns WHERE inhabitants BETWEEN 500000 AND 500050 ORDER BY name",
  "SELECT no_such_column FROM towns",
];

const element = (id) => document.getElementById(id);
const show = (id, text) => {
  element(id).textContent = text;
};

function text(guest, value) {
  const bytes = new TextEncoder().encode(`${value}\0`);
  const at = guest.exports._room(bytes.length);
  guest.exports.HEAPU8.set(bytes, at);
  return at;
}

async function query(guest, url, sql) {
  const at = await guest.run("query", text(guest, url), text(guest, sql));
  const { HEAPU8 } = guest.exports;
  const answer = new TextDecoder().decode(HEAPU8.slice(at, HEAPU8.indexOf(0, at)));
  guest.exports._forget(at);
  return answer;
}

async function main() {
  const runtime = new Runtime();
  const guest = await attach(runtime, createQuery, { name: "sqlite", io: guestIo(), stackBytes: 262_144 });
  if (!guest.canBlock) throw new Error("this browser has no JSPI");
  const url = new URL("built/towns.db", location.href).href;
  const started = performance.now();
  let frames = 0;
  let isDone = false;
  const answers = Promise.all(QUERIES.map((sql) => query(guest, url, sql))).finally(() => (isDone = true));
  while (!isDone) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    frames++;
  }
  const results = await answers;
  show("took", `${(performance.now() - started).toFixed(0)} ms`);
  results.forEach((answer, at) => {
    const [title, rows] = [document.createElement("p"), document.createElement("pre")];
    title.append(Object.assign(document.createElement("code"), { textContent: QUERIES[at] }));
    rows.textContent = answer.trimEnd();
    element("results").append(title, rows);
  });
  const size = Number((await fetch(url, { method: "HEAD" })).headers.get("content-length"));
  show("size", `${size.toLocaleString("en")} bytes, of which at most ${(guest.exports._requests_get() * 4096).toLocaleString("en")} were read`);
  show("requests", String(guest.exports._requests_get()));
  show("frames", String(frames));
  guest.detach();
}

const status = element("status");
try {
  await main();
  status.textContent = "done";
  status.dataset.state = "done";
} catch (error) {
  status.textContent = String(error);
  status.dataset.state = "failed";
}
