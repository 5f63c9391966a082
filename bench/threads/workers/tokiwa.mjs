export { noop, busy, julia, startInterval, readInterval } from "../work.mjs";

/** Results are transferred with the package's own wrapper. */
export async function touch(bytes) {
  bytes[0]++;
  const { move } = await import("../../../dist/threads.js");
  return move(bytes);
}
