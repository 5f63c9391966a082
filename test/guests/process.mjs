// A program of its own: its main returns while a guest's tasks live. Started by guest_scenarios.test.ts.
//   node process.mjs timer | idle | idle-fails
import { readFile } from "node:fs/promises";
import { Runtime } from "../../dist/index.js";
import { attach } from "../../dist/guest.js";

const kind = process.argv[2];
const bytes = await readFile(new URL("fixtures/guest-clang.wasm", import.meta.url));
const guest = await attach(new Runtime(), bytes, { name: "program", failOnDrain: kind === "idle-fails" });
const { joiner_spawn, yielder_spawn, idle_spawn } = guest.exports;
if (kind === "timer") guest.task(joiner_spawn(yielder_spawn(3))).then((value) => console.log("the last task gave", value));
else idle_spawn(1);
console.log("main has returned");
