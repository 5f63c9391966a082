import { spawn } from "../../../dist/index.js";
import { send } from "../../../dist/threads.js";

export const plainFib = (n) => (n < 2 ? n : plainFib(n - 1) + plainFib(n - 2));

/** Below the cut-off a task computes by itself. */
export function* fib(n, cutOff) {
  if (n < cutOff) return plainFib(n);
  const left = spawn(remoteFib, n - 1, cutOff);
  const right = yield* fib(n - 2, cutOff);
  return (yield* left) + right;
}

export const remoteFib = send(new URL(import.meta.url), "fib");
