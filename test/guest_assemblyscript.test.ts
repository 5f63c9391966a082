// A guest in AssemblyScript, compiled here: asc is a development dependency.
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main as asc } from "assemblyscript/asc";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { Runtime } from "tokiwa";
import { attach, guestIo, type Guest } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import type { Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "test/guests/assemblyscript/guest.ts");
let folder: string;
/** asc takes two seconds on a machine that has nothing else to do. */
const COMPILE_MS = 120_000;

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

describe.each(["stub", "incremental"])("an AssemblyScript guest with --runtime %s", (name) => {
  let bytes: Buffer<ArrayBuffer>;
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeAll(async () => {
    const compiled = await compile(name);
    expect(compiled.problem).toBe("");
    bytes = compiled.bytes;
  }, COMPILE_MS);
  beforeEach(async () => {
    runtime = new Runtime({ startPaused: true });
    guest = await attach(runtime, bytes, { imports: { env: { abort: () => {} } }, io: guestIo() });
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

  test("objects that poll tasks hold are not collected", async () => {
    const handles = Array.from({ length: 200 }, (_, id) => guest.task(call.startHolder!(id, 10)));
    for (let i = 0; i < 30; i++) {
      call.churn!(2000);
      await settle(1);
    }
    expect(await Promise.all(handles)).toEqual(Array.from({ length: 200 }, (_, id) => 10 * id + 45));
  });

  describe.skipIf(!hasJspi)("blocking code", () => {
    test("sleeps, joins and awaits promises, many at once", async () => {
      const programs = [guest.run("program", 50), guest.run("program", 20)];
      const waiting = guest.run("waitFor", guest.expose(Promise.resolve(7)));
      for (let i = 0; i < 60; i++) await settle(1);
      expect(await Promise.all([...programs, waiting])).toEqual([1225, 190, 7]);
    });

    test("500 tasks find their objects after every suspension, whatever is collected meanwhile", async () => {
      const handles = Array.from({ length: 500 }, (_, id) => guest.task(call.startKeeper!(id)));
      for (let i = 0; i < 40; i++) {
        call.churn!(5000);
        await settle(1);
      }
      expect(await Promise.all(handles)).toEqual(Array.from({ length: 500 }, (_, id) => id));
      expect(call.wrongObjects!()).toBe(0);
    });

    test("tasks that start above a function that drives leave that function's objects alone", async () => {
      expect(call.nested!(50)).toBe(1);
      for (let i = 0; i < 40; i++) await settle(1);
      expect(call.wrongObjects!()).toBe(0);
      expect(runtime.metrics().tasksAlive).toBe(0);
    });

    test("blocks on a poll function of its own", async () => {
      const handle = guest.run("blockOnTimer", 5);
      for (let i = 0; i < 10; i++) await settle(1);
      expect(await handle).toBe(7);
    });

    test("a trap in one task leaves the others their objects", async () => {
      const handles = Array.from({ length: 20 }, (_, id) => guest.task(call.startKeeper!(id)));
      await settle(1);
      await expect(guest.run("program", -1)).rejects.toThrow("trapped");
      for (let i = 0; i < 40; i++) await settle(1);
      expect(await Promise.all(handles)).toEqual(Array.from({ length: 20 }, (_, id) => id));
      expect(call.wrongObjects!()).toBe(0);
    });

    test("reads a response", async () => {
      const handles = [guest.run("download", 0), guest.run("download", 1)];
      for (let i = 0; i < 10; i++) await settle(1);
      expect(await Promise.all(handles)).toEqual([[..."hello guest"].reduce((sum, char) => sum + char.charCodeAt(0), 0), 0]);
    });
  });
});

test("a runtime that cannot know what suspended tasks hold is refused with the reason", async () => {
  expect((await compile("minimal")).problem).toContain("tokiwa needs --runtime stub or incremental");
}, COMPILE_MS);
