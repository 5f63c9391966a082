// A lane that compiles the guests of one compiler anew and compares them with the committed fixtures.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildGuests, COMPILERS, homeOf } from "./build-guests.mjs";
import { at } from "./lib.mjs";

export function guestLane(name) {
  const { find, missing } = COMPILERS[name];
  return {
    name,
    hostIndependent: true,
    probe: () => (existsSync(find() ?? "") ? undefined : missing),
    async run() {
      const folder = at("build/guests");
      const result = { passed: 0, failed: 0, failures: [] };
      for (const file of await buildGuests([name], folder)) {
        const fixture = homeOf(file);
        const same = existsSync(fixture) && readFileSync(fixture).equals(readFileSync(join(folder, file)));
        console.log(`${same ? "ok    " : "FAILED"} ${file} ${same ? "is what the committed one is" : "differs: node scripts/build-guests.mjs, and look at the change"}`);
        result[same ? "passed" : "failed"] += 1;
        if (!same) result.failures.push({ title: file, message: "is not what was committed" });
      }
      return result;
    },
  };
}
