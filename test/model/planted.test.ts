// The explorer itself: bugs that it must find, and their corrections, in which it must find nothing.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { hasJspi } from "../support/lanes.ts";
import { describeFailure, explore, type Program, type Thread } from "./explore.ts";

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

let bytes: Uint8Array<ArrayBuffer>;

function compile(): void {
  const out = path("../../build/planted.model.wasm");
  execFileSync(process.execPath, [
    path("../../node_modules/assemblyscript/bin/asc.js"), path("./planted.as.ts"), "--config", "none",
    "--runtime", "stub", "--importMemory", "--memoryBase", "1024", "--enable", "threads", "--sharedMemory",
    "--initialMemory", "1", "--maximumMemory", "65536", "--use", "TOKIWA_MODEL=1", "-O2", "--outFile", out,
  ]);
  bytes = new Uint8Array(readFileSync(out));
}

function program(threads: Record<string, Thread>, check: Program["check"]): Program {
  return { bytes, setup: () => {}, threads, check };
}

const takenOnce: Program["check"] = (results) => {
  const got = results.flat().filter((value) => value !== 0);
  return new Set(got).size === got.length ? undefined : `taken twice: ${got.join(", ")}`;
};

describe.skipIf(!hasJspi)(`the explorer${hasJspi ? "" : " (skipped: this Node has no JSPI)"}`, () => {
  beforeAll(compile, 60_000);

  test("finds a value that is taken twice, with one preemption", async () => {
    const threads: Record<string, Thread> = {
      owner: async ({ push, takeTwice }) => [await push!(7), await takeTwice!()].slice(1),
      thief: async ({ takeTwice }) => [await takeTwice!()],
    };
    expect((await explore(program(threads, takenOnce), { preemptions: 0 })).complete).toBe(true);
    const found = await explore(program(threads, takenOnce), { preemptions: 1 });
    expect(found.failure?.problem).toBe("taken twice: 7, 7");
    // The printed list of choices fails again by itself.
    const again = await explore(program(threads, takenOnce), { preemptions: 1, replay: found.failure!.choices });
    expect(again).toMatchObject({ executions: 1, failure: { problem: "taken twice: 7, 7", schedule: found.failure!.schedule } });
  });

  test("finds nothing in the queue that compares before it moves the head", async () => {
    const result = await explore(
      program(
        {
          owner: async ({ push, take }) => [await push!(7), await push!(8), await take!()].slice(2),
          thief: async ({ take }) => [await take!()],
          other: async ({ take }) => [await take!()],
        },
        takenOnce,
      ),
    );
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
  });

  test("finds a lost wake and says who sleeps", async () => {
    const found = await explore(
      program({ sleeper: ({ sleepTooEarly }) => sleepTooEarly!(), waker: ({ raise }) => raise!() }, () => undefined),
      { preemptions: 1 },
    );
    expect(found.failure?.problem).toBe("sleeper: asleep, and nobody is left to notify");
  });

  test("finds nothing in the sleeper that says so first", async () => {
    const result = await explore(
      program({ sleeper: ({ sleepUntilRaised }) => sleepUntilRaised!(), waker: ({ raise }) => raise!() }, () => undefined),
      { preemptions: 4 },
    );
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
  });

  test("a spin lock is waited for without end, and counts right; without it the count is wrong", async () => {
    const three: Program["check"] = (_, words) => (words[1112 >> 2] === 3 ? undefined : `counted ${words[1112 >> 2]}`);
    const locked: Thread = ({ countLocked }) => countLocked!();
    const result = await explore(program({ a: locked, b: locked, c: locked }, three));
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
    const unlocked: Thread = ({ countUnlocked }) => countUnlocked!();
    const found = await explore(program({ a: unlocked, b: unlocked, c: unlocked }, three), { preemptions: 1 });
    expect(found.failure?.problem).toBe("counted 2");
  });
});
