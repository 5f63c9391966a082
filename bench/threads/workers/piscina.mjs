import { isMainThread } from "node:worker_threads";
import { byName } from "../work.mjs";

if (isMainThread) throw new Error("this is a worker");
export const { noop, busy, julia, startInterval, readInterval } = byName;

/** Results are transferred with the pool's own wrapper. */
export async function touch([bytes]) {
  bytes[0]++;
  const { Piscina } = await import("piscina");
  return Piscina.move(bytes);
}
