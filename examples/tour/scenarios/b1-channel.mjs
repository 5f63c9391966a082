// Producers and a consumer over a bounded channel, and a task that is aborted while it waits.
import { mpsc, run, sleep, spawn } from "tokiwa";

function* produce(sender, name) {
  for (let n = 1; n <= 3; n++) yield* sender.send(`${name} ${n}`);
  sender.close();
}

function* consume(receiver) {
  const counts = {};
  for (;;) {
    const message = yield* receiver.recv();
    if (message === undefined) return counts;
    const [name] = message.split(" ");
    counts[name] = (counts[name] ?? 0) + 1;
  }
}

export default {
  title: "a bounded channel between tasks, and an abort that cleans up",
  async run(print) {
    await run(async () => {
      const [sender, receiver] = mpsc(2);
      const consumer = spawn(consume, receiver);
      spawn(produce, sender.clone(), "a");
      spawn(produce, sender, "b");
      print(`received ${JSON.stringify(await consumer)}`);

      const waiting = spawn(function* () {
        try {
          yield* sleep(60_000);
        } finally {
          print("cleaned up");
        }
      });
      await sleep(5);
      waiting.abort();
      print((await waiting.result()).status);
    });
  },
  check(lines) {
    const expected = ['received {"a":3,"b":3}', "cleaned up", "cancelled"];
    return lines.join("\n") === expected.join("\n") ? undefined : `printed ${JSON.stringify(lines)}`;
  },
};
