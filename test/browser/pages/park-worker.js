// A worker of the page's own, which may wait for a time with and without headers.
import { Instant, join, lazy, Runtime, sleepUntil } from "/dist/index.js";

const trace = [];
const begun = Instant.now();                              // a thread that is held between two polls starts no timer late
function* tick(n) {
  yield* sleepUntil(begun.add(300 + 10 * n));
  trace.push(n);
}
new Runtime().blockOn(function* () {
  yield* join(lazy(tick, 3), lazy(tick, 1), lazy(tick, 2));
});
postMessage(trace);
