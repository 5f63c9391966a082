// A guest in AssemblyScript, compiled here: asc is a development dependency.
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main as asc } from "assemblyscript/asc";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { Runtime } from "tokiwa";
import { attach, type Guest } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import type { Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "test/guests/assemblyscript/guest.ts");
let folder: string;

/** Compiles as a project that has installed the package would. */
async function compile(runtime: string): Promise<{ bytes: Buffer<ArrayBuffer>; problem: string }> {
  const out = join(folder, `${runtime}.wasm`);
  const { error, stderr } = await asc([source, "--config", join(folder, "asconfig.json"), "--path", join(folder, "node_modules"), "--runtime", runtime, "--exportTable", "-O", "-o", out]);
  return { bytes: error ? Buffer.alloc(0) : ((await readFile(out)) as Buffer<ArrayBuffer>), problem: stderr.toString() };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokiwa-asc-"));
  await mkdir(join(folder, "node_modules"));
  await writeFile(join(folder, "asconfig.json"), "{}");   // or asc takes the repository's
  await symlink(root, join(folder, "node_modules/tokiwa"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("an AssemblyScript guest", () => {
  let bytes: Buffer<ArrayBuffer>;
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeAll(async () => {
    const compiled = await compile("stub");
    expect(compiled.problem).toBe("");
    bytes = compiled.bytes;
  });
  beforeEach(async () => {
    runtime = new Runtime({ startPaused: true });
    guest = await attach(runtime, bytes, { imports: { env: { abort: () => {} } } });
    call = guest.exports as Calls;
  });
  afterEach(() => runtime.shutdown());
  const settle = (ms: number): Promise<void> => runtime.run(() => advance(ms));

  test("tasks yield in turns", async () => {
    call.startYielders!(1000, 5);
    for (let i = 0; i < 5; i++) await settle(1);
    expect(call.total!()).toBe(1000);
  });

  test("a task joins another and waits for a timer", async () => {
    const handle = guest.task(call.startJoin!());
    for (let i = 0; i < 10; i++) await settle(1);
    expect(await handle).toBe(42);
  });

  test.skipIf(!hasJspi)("blocking code sleeps, joins and awaits promises, many at once", async () => {
    const programs = [guest.run("program", 50), guest.run("program", 20)];
    const waiting = guest.run("waitFor", guest.expose(Promise.resolve(7)));
    for (let i = 0; i < 60; i++) await settle(1);
    expect(await Promise.all([...programs, waiting])).toEqual([1225, 190, 7]);
  });
});

test("runtimes with a stack of references are refused with the reason", async () => {
  for (const name of ["minimal", "incremental"]) expect((await compile(name)).problem).toContain("tokiwa needs --runtime stub");
});
