// The list of test/hosts/threads.mjs as it is written in SCENARIOS, on both transports, in Node.
import { describe, test } from "vitest";
import { threadPrograms } from "./hosts/threads.mjs";
import { transports } from "./support/sent.ts";

describe.each(transports)("scenarios of threads (%s)", (transport) => {
  test.each(Object.entries(threadPrograms(transport)))("%s", { timeout: 60_000 }, async (_title, program) => {
    await program();
  });
});
