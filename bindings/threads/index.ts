// tokiwa/threads: functions that run elsewhere, threads and pools of them. Public names only.

import { provideThreads } from "../workers/provider.ts";

export { expose } from "./expose.ts";
export { Thread, type ThreadOptions } from "./thread.ts";
export { ThreadPool, type ThreadPoolOptions } from "./thread-pool.ts";
export { registerError } from "../workers/errors-wire.ts";
export { move, send, type Sendable, type SendableOf } from "../workers/sendable.ts";

provideThreads();
