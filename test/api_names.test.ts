// What users read of our classes and functions: in logs, in stack traces, in `error.constructor.name`.

import { expect, test } from "vitest";

for (const entry of ["tokiwa", "tokiwa/net", "tokiwa/threads", "tokiwa/guest", "tokiwa/testing"]) {
  test(`every function and class of ${entry} has the name it is exported by`, async () => {
    const exported = Object.entries((await import(entry)) as Record<string, unknown>).filter(([, value]) => typeof value === "function");
    expect(exported.map(([, value]) => (value as () => void).name)).toEqual(exported.map(([name]) => name));
  });
}
