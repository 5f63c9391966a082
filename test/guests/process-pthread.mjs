// A program of its own with a guest built with -pthread: it ends although Emscripten keeps the workers. Started by guest_loops.test.ts.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Runtime } from "../../dist/index.js";
import { attach } from "../../dist/guest.js";

const createGuest = createRequire(import.meta.url)("./fixtures/guest-pthread.js");
const guest = await attach(new Runtime(), createGuest, { module: { wasmBinary: await readFile(new URL("fixtures/guest-pthread.wasm", import.meta.url)) } });
const { _loop_new, _loop_start, _join_yielders } = guest.exports;
const loop = _loop_new();
_loop_start(loop, 3);
console.log(await guest.task(_join_yielders(loop, 50, 50)));
guest.detach();
