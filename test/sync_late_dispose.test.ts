// What a yield* has finished is used again by its task (sync/waiters.ts): whoever has kept it must harm nobody.

import { broadcast, type Future, mpsc, Notify, run, sleep, spawn, timeout, watch } from "tokiwa";
import { describe, expect, test } from "vitest";

describe("a finished wait that is disposed of late ends nobody else's", () => {
  const [tx, rx] = mpsc<number>(1);
  const [full, drain] = mpsc<number>(1);
  const [hub, reader] = broadcast<number>(4);
  const [state, seen] = watch(0);
  const bell = new Notify();
  const cases: [string, make: () => Future<unknown>, serve: () => void][] = [
    ["recv() of mpsc", () => rx.recv(), () => tx.trySend(1)],
    ["send() of mpsc", () => full.send(1), () => drain.tryRecv()],
    ["recv() of broadcast", () => reader.recv(), () => hub.send(1)],
    ["changed() of watch", () => seen.changed(), () => state.send(1)],
    ["notified()", () => bell.notified(), () => bell.notifyOne()],
  ];
  full.trySend(0);
  test.each(cases)("%s", (_, make, serve) =>
    run(
      function* () {
        const first = spawn(function* () {
          using wait = make();
          yield* wait;
          yield* sleep(10);
        });
        yield* sleep(1);
        serve();
        yield* sleep(1);
        const second = spawn(function* () {
          yield* make();
          return "served";
        });
        yield* first;
        serve();
        expect(yield* timeout(100, second)).toBe("served");
      },
      { startPaused: true },
    ),
  );
});
