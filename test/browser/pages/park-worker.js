// A worker of the page's own, which may wait for a time with and without headers.
import { join, lazy, Runtime, sleep } from "/dist/index.js";

const trace = [];
function* tick(n) {
  yield* sleep(10 * n);
  trace.push(n);
}
new Runtime().blockOn(function* () {
  yield* join(lazy(tick, 3), lazy(tick, 1), lazy(tick, 2));
});
postMessage(trace);
