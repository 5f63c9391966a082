// What a worker runs that is started from its source text: waits for its port, then serves jobs. There are no files beside it.

import * as root from "../index.ts";
import * as threads from "../threads/index.ts";
import { exposeGuestsLazily } from "../guest/lazy.ts";
import { setScope } from "./compile.ts";
import { listen } from "./listen.ts";

setScope(Object.freeze({ ...root, ...threads }));
exposeGuestsLazily();
listen();
