// What a worker runs that is started from its file, dist/tokiwa-worker.js: as entry.ts, but the other entries of the package are files
// beside it, and read when a function needs them. They are three quarters of what a worker's start would read.

import { exposeGuestsLazily } from "../guest/lazy.ts";
import { setLazyScope } from "./compile.ts";
import { listen } from "./listen.ts";

setLazyScope(async () => {
  const [root, threads] = await Promise.all([import("../main.ts"), import("../threads/index.ts")]);
  return Object.freeze({ ...root, ...threads });
});
exposeGuestsLazily();
listen();
