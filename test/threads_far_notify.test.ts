// A SharedNotify without shared memory: home says with each answer whether it is to be passed on by a client that has gone.
import { expect, test, vi } from "vitest";
import { SharedNotify } from "../bindings/threads/shared-sync.ts";
import { PACK } from "../bindings/workers/sendable.ts";

vi.mock("../bindings/workers/transport.ts", () => ({ canShare: () => false }));

test("a notification of one is told apart from one of all", async () => {
  const port = new SharedNotify()[PACK]().state as MessagePort;
  const answers = new Map<number, (value: unknown) => void>();
  port.onmessage = ({ data }: MessageEvent<{ id: number; value: unknown }>) => answers.get(data.id)?.(data.value);
  const ask = (id: number, op: string): Promise<unknown> => {
    const answer = new Promise((resolve) => answers.set(id, resolve));
    port.postMessage({ id, op, args: [] });
    return answer;
  };
  const byOne = ask(1, "notified");
  await ask(2, "one");
  expect(await byOne).toBe(true);
  const byAll = ask(3, "notified");
  await ask(4, "all");
  expect(await byAll).toBe(false);
  await ask(5, "one");
  expect(await ask(6, "notified")).toBe(true);             // it was kept
  port.close();
});
