// What the Node that is measured can do: it may be another than the one that runs the benchmarks.
import { execFileSync } from "node:child_process";

/** The value of an expression there, as text. For `skip` of a case. */
export function evaluateIn(node, expression) {
  return execFileSync(node, ["-p", expression], { encoding: "utf8" }).trim();
}
