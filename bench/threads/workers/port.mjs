import { parentPort } from "node:worker_threads";

parentPort.once("message", ({ port }) => {
  port.on("message", ({ what, count }) => {
    for (let n = 0; n < count; n++) port.postMessage(what === "numbers" ? n : new Uint8Array(64));
  });
});
