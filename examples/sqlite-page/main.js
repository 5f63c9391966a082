// The page around query.c: several queries at once over a database that is never downloaded as a whole.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";
import { element, grouped, nextFrame, play, show } from "../guest-page.js";
import createQuery from "./built/query.mjs";

const QUERIES = [
  "SELECT count(*) FROM towns WHERE country = 'Country 7'",
  "SELECT name, inhabitants FROM towns ORDER BY inhabitants DESC LIMIT 3",
  "SELECT name, country FROM towns WHERE id = 31415",
  "SELECT country, max(inhabitants) FROM towns WHERE country IN ('Country 3', 'Country 33') GROUP BY country",
  "SELECT name FROM towns WHERE inhabitants BETWEEN 500000 AND 500050 ORDER BY name",
  "SELECT no_such_column FROM towns",
];

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
    await nextFrame();
    frames++;
  }
  const results = await answers;
  show("took", `${(performance.now() - started).toFixed(0)} ms`);
  results.forEach((answer, at) => {
    const query = Object.assign(document.createElement("div"), { className: "query" });
    query.append(Object.assign(document.createElement("code"), { textContent: QUERIES[at] }), Object.assign(document.createElement("pre"), { textContent: answer.trimEnd() }));
    element("results").append(query);
  });
  const size = Number((await fetch(url, { method: "HEAD" })).headers.get("content-length"));
  show("size", `${grouped(size)} bytes, of which at most ${grouped(guest.exports._requests_get() * 4096)} were read`);
  show("requests", String(guest.exports._requests_get()));
  show("frames", String(frames));
  guest.detach();
}

await play(main);
