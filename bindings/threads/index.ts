// tokiwa/threads: functions that run elsewhere, threads and pools of them. Public names only.

import { provideThreads } from "../workers/provider.ts";

export { expose } from "./expose.ts";
export { Thread, type ThreadOptions } from "./thread.ts";
export { ThreadPool, type ThreadPoolOptions } from "./thread-pool.ts";
export { sharedChannel } from "./shared-channel.ts";
export type { SharedReceiver } from "./shared-receiver.ts";
export type { SharedSender, SharedWeakSender } from "./shared-sender.ts";
export type { SharedSendPermit } from "./send-permit.ts";
export { SharedMutex, type SharedMutexGuard } from "./shared-mutex.ts";
export { SharedBarrier, SharedNotify, type SharedPermit, SharedSemaphore } from "./shared-sync.ts";
export { registerError } from "../workers/errors-wire.ts";
export { move, send, type Sendable, type SendableOf } from "../workers/sendable.ts";

provideThreads();
