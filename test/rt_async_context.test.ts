// A caller's own AsyncLocalStorage beside the runtime: tasks run in the context the runtime was made in, whoever wakes them.

import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { setImmediate as immediate } from "node:timers/promises";
import { currentTask, Notify, Runtime, sleep, taskBuilder, type TokiwaError } from "tokiwa";
import { expect, test } from "vitest";

const request = new AsyncLocalStorage<string>();

test("a task that a request wakes does not run in that request's context", async () => {
  await using runtime = new Runtime();
  const changed = new Notify();
  const seen: unknown[] = [];
  const generator = runtime.spawn(function* () {
    for (let i = 0; i < 3; i++) {
      yield* changed.notified();
      seen.push(request.getStore());
    }
  });
  const plain = runtime.spawn(async () => {
    for (let i = 0; i < 3; i++) {
      await changed.notified();
      seen.push(request.getStore());
    }
  });
  for (let i = 0; i < 3; i++) {
    await sleep(1);
    request.run("request", () => changed.notifyWaiters());
  }
  await Promise.all([generator, plain]);
  expect(seen).toEqual(Array(6).fill(undefined));
});

test("a task does not inherit the context of its spawner; AsyncLocalStorage.bind() takes it along", async () => {
  await using runtime = new Runtime();
  const stores = async () => {
    const first = request.getStore();
    await sleep(1);
    return [first, request.getStore()];
  };
  const [free, bound] = request.run("request", () => [runtime.spawn(stores), runtime.spawn(AsyncLocalStorage.bind(stores))]);
  expect(await free).toEqual([undefined, undefined]);
  expect(await bound).toEqual(["request", "request"]);
});

test.each([
  ["starts", false],
  ["goes on", true],
])("a callback that a generator leaves when it %s belongs to no async task started just before", async (_, isWaiting) => {
  await using runtime = new Runtime();
  const go = new Notify();
  let late: Promise<string> | undefined;
  function* leaves() {
    if (isWaiting) yield* go.notified();
    setTimeout(() => {
      late = sleep(20).then(
        () => "slept",
        () => "cut short with the async task",
      ) as Promise<string>;
    });
    yield* sleep(5);
  }
  let generator = isWaiting ? runtime.spawn(leaves) : undefined;
  await sleep(1);
  const first = runtime.spawn(async () => {
    await new Promise(() => {});
  });
  go.notifyOne();
  generator ??= runtime.spawn(leaves);
  await generator;
  while (late === undefined) await sleep(1);
  first.abort(undefined, { detach: true });
  expect(await late).toBe("slept");
});

test("a runtime leaves nothing open that an async hook could take for a handle", async () => {
  const open = new Map<number, string>();
  const ours = new Set(["tokiwa", "bound-anonymous-fn"]);
  const hook = createHook({
    init: (id, type) => void (ours.has(type) && open.set(id, type)),
    destroy: (id) => void open.delete(id),
  }).enable();
  const runtime = new Runtime();
  await runtime.spawn(async () => await sleep(1));
  await runtime.spawn(function* () { yield* sleep(1); });
  await immediate();
  await immediate();
  hook.disable();
  expect([...open.values()]).toEqual([]);
  await runtime.shutdown();
});

test("a drive inside of a task leaves its async context as it was", async () => {
  const [outer, inner] = [new Runtime(), new Runtime({ lane: "manual" })];
  const seen: unknown[] = [];
  const who = (): unknown => {
    try {
      return currentTask().name;
    } catch (error) {
      return (error as TokiwaError).code;
    }
  };
  const start = (name: string): PromiseLike<void> =>
    outer.enter(() =>
      taskBuilder({ name }).spawn(async () => {
        inner.spawn(async () => void seen.push(who()));
        inner.spawn(function* () { seen.push(who()); });
        inner.drive();
        seen.push(who());
        await sleep(1);
        seen.push(who());
        await sleep(1);
        seen.push(who());
      }),
    );
  await Promise.all([start("a"), start("b")]);
  const times = (name: string | undefined): number => seen.filter((one) => one === name).length;
  expect([times("a"), times("b"), times(undefined)]).toEqual([3, 3, 4]);
  await Promise.all([outer.shutdown(), inner.shutdown()]);
});
