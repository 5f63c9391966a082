// After Tokio's task_id.rs, task_builder.rs and task_yield_now.rs.
import { expect, test } from "vitest";
import { ContextError, currentTask, future, join, oneshot, PENDING, spawn, taskBuilder, type TaskId, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { forEachRuntime, thrown } from "./support/runtimes.ts";

forEachRuntime(({ fn, make, run }) => {
  test("a task knows its id, which is its handle's and nobody else's", () => run(function* () {
    const id = fn(function* () { yield yieldNow(); return currentTask().id; });
    const handles = [spawn(id), spawn(id), taskBuilder({ name: "third" }).spawn(id)] as const;
    const ids: TaskId[] = yield join(...handles);
    expect(ids).toEqual(handles.map((handle) => handle.id));
    expect(new Set(ids).size).toBe(3);
    expect(handles.map((handle) => handle.abortHandle().id)).toEqual(ids);
  }));

  test("the id may be sent to the task before it runs", () => run(function* () {
    const [tx, rx] = oneshot<TaskId>();
    const handle = spawn(fn(function* () { expect(yield rx).toBe(currentTask().id); }));
    tx.send(handle.id);
    yield handle;
  }));

  test("a future that is dropped sees the id of its task: at an abort, also before its first poll", () => run(function* () {
    for (const polls of [0, 1]) {
      let seen: TaskId | undefined;
      const handle = spawn(future(() => PENDING, () => (seen = currentTask().id)));
      for (let i = 0; i < polls; i++) yield yieldNow();
      handle.abort();
      expect(((yield handle.result()) as { status: string }).status).toBe("cancelled");
      expect(seen).toBe(handle.id);
    }
  }));

  test("a nested task has an id of its own, the outer one keeps its own", () => run(function* () {
    const inner = fn(function* () { yield yieldNow(); return currentTask().id; });
    const outer = fn(function* () {
      const before = currentTask().id;
      const nested = spawn(inner);
      const id: TaskId = yield nested;
      expect(id).toBe(nested.id);
      expect(currentTask().id).toBe(before);
      return before;
    });
    const handle = spawn(outer);
    expect(yield handle).toBe(handle.id);
  }));

  test("a name is for the task that got it, and optional", () => run(function* () {
    const name = fn(function* () { yield yieldNow(); return currentTask().name; });
    expect(yield taskBuilder({ name: "worker" }).spawn(name)).toBe("worker");
    expect(yield taskBuilder({}).spawn(name)).toBe(undefined);
    expect(yield spawn(name)).toBe(undefined);
  }));

  test("yieldNow() is pending once, then ready", () => run(function* () {
    const yielding = task(yieldNow());
    expect(yielding.poll()).toBe(PENDING);
    expect(yielding.isWoken).toBe(true);
    expect(yielding.poll()).toBe(undefined);
    yield yieldNow();
  }));

  test("outside of a task there is no current one", () => {
    make().enter(() => expect(thrown(() => currentTask())).toBeInstanceOf(ContextError));
    expect(thrown(() => currentTask())).toBeInstanceOf(ContextError);
  });
});

// No meaning in JavaScript: *_output_destructor_* (no destructors), spawn_local_* and LocalSet, *_panic_caller; threads have a suite of their own.
