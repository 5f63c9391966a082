// Node without its insides: sockets then go through node:net, as on hosts and releases that are not known (net/handle.ts).
// Where looking there would print a deprecation it is not done; so that option is the switch.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const runner = fileURLToPath(new URL("./hosts/runner.mjs", import.meta.url));

test("the programs for every host run over sockets of node:net, too, and nothing is printed about deprecations", { timeout: 60_000 }, async () => {
  const program = `
    import { runAll } from ${JSON.stringify(runner)};
    console.log(JSON.stringify(await runAll(["./net.mjs"])));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--pending-deprecation", "--input-type=module", "-e", program], { timeout: 55_000 });
  const results = Object.entries(JSON.parse(stdout) as Record<string, string>);
  expect(results.length).toBeGreaterThan(5);
  for (const [title, result] of results) expect(result, title).toBe("ok");
  expect(stderr).not.toContain("binding");
});
