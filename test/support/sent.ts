// What functions sent by source find in scope in their worker.
import type * as root from "tokiwa";
import type * as threads from "tokiwa/threads";

declare global {
  const tokiwa: typeof root & typeof threads;
}

export const transports = ["shared", "messages"] as const;
