import { isMainThread } from "node:worker_threads";
import { byName } from "../work.mjs";

if (isMainThread) throw new Error("this is a worker");
export const { noop, busy, julia, startInterval, readInterval } = byName;

let move;

/** Results are transferred with the pool's own wrapper, which is loaded by the first of them: not every case needs it. */
export function touch([bytes]) {
  bytes[0]++;
  return move === undefined ? loaded().then(() => move(bytes)) : move(bytes);
}
const loaded = async () => void ({ Piscina: { move } } = await import("piscina"));
