// Programs that every host must run: Node, Bun, Deno, and each kind of page. Each throws when it is wrong.
import { run, sleep, spawn } from "../../dist/index.js";
import { equal } from "./check.mjs";

export default {
  "a spawned async function sleeps and returns its value": async () => {
    const value = await spawn(async () => {
      await sleep(5);
      return 42;
    });
    equal(value, 42);
  },

  "a spawned generator sleeps and returns its value": async () => {
    const value = await spawn(function* () {
      yield* sleep(5);
      return 42;
    });
    equal(value, 42);
  },

  "run() resolves with the value of its main function": async () => {
    equal(await run(async () => "done"), "done");
  },

  "a failing task rejects its handle with its own error": async () => {
    const error = new Error("mine");
    const caught = await spawn(async () => {
      throw error;
    }).then(
      () => undefined,
      (reason) => reason,
    );
    equal(caught, error);
  },
};
