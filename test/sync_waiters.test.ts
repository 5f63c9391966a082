import { describe, expect, test } from "vitest";
import { PENDING } from "../bindings/index.ts";
import { Waiter, WaiterQueue } from "../bindings/sync/waiters.ts";

class Node extends Waiter<void> {
  readonly id: number;
  constructor(id: number) {
    super();
    this.id = id;
  }
  poll(): typeof PENDING {
    return PENDING;
  }
}

function nodes(count: number): Node[] {
  return Array.from({ length: count }, (_, id) => new Node(id));
}

function drain(queue: WaiterQueue<Node>): number[] {
  const ids: number[] = [];
  for (let node = queue.shift(); node !== null; node = queue.shift()) ids.push(node.id);
  return ids;
}

describe("the queue of waiters", () => {
  test("gives waiters in the order they came", () => {
    const queue = new WaiterQueue<Node>();
    for (const node of nodes(4)) queue.push(node);
    expect(drain(queue)).toEqual([0, 1, 2, 3]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.shift()).toBe(null);
  });

  test("lets a waiter leave from any place, and any number of times", () => {
    for (let gone = 0; gone < 3; gone++) {
      const queue = new WaiterQueue<Node>();
      const all = nodes(3);
      for (const node of all) queue.push(node);
      queue.remove(all[gone] as Node);
      queue.remove(all[gone] as Node);
      expect(drain(queue)).toEqual([0, 1, 2].filter((id) => id !== gone));
    }
  });

  test("takes from the end as well", () => {
    const queue = new WaiterQueue<Node>();
    for (const node of nodes(3)) queue.push(node);
    expect(queue.pop()?.id).toBe(2);
    expect(drain(queue)).toEqual([0, 1]);
  });

  test("wakes all that wait now, and none that comes meanwhile", () => {
    const queue = new WaiterQueue<Node>();
    const woken: number[] = [];
    const late = new Node(9);
    for (const node of nodes(3)) {
      node.waker = {
        wake() {
          woken.push(node.id);
          if (node.id === 0) queue.push(late);
        },
      };
      queue.push(node);
    }
    queue.wakeAll();
    expect(woken).toEqual([0, 1, 2]);
    expect(drain(queue)).toEqual([9]);
  });

  test("wakes the others when a waker takes the last one out", () => {
    const queue = new WaiterQueue<Node>();
    const woken: number[] = [];
    const all = nodes(3);
    for (const node of all) {
      node.waker = {
        wake() {
          woken.push(node.id);
          queue.remove(all[2] as Node);
        },
      };
      queue.push(node);
    }
    queue.wakeAll();
    expect(woken).toEqual([0, 1]);
    expect(queue.isEmpty).toBe(true);
  });
});
