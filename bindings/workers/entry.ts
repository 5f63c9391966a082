// What a worker runs: waits for its port, then serves jobs. dist/tokiwa-worker.js, and the source-text worker.

import * as root from "../index.ts";
import * as threads from "../threads/index.ts";
import { exposeGuestsLazily } from "../guest/lazy.ts";
import { setScope } from "./compile.ts";
import { listen } from "./listen.ts";

setScope(Object.freeze({ ...root, ...threads }));
exposeGuestsLazily();
listen();
