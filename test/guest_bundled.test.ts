// What a bundler takes of tokiwa/guest: guests without threads, until the program asks for them.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { OptionError, Runtime } from "tokiwa";
import type * as Guests from "tokiwa/guest";

test("threads of guests, and loops of pthreads, are there after provideGuestThreads()", async () => {
  const { attach, guestImports, provideGuestThreads } = (await import(new URL("../dist/guest.bundled.js", import.meta.url).href)) as typeof Guests;
  const bytes = await readFile(new URL("guests/fixtures/guest-threads-clang.wasm", import.meta.url));
  await using runtime = new Runtime();
  expect(() => attach(runtime, bytes, { threads: { maxThreads: 2 } })).toThrow(OptionError);
  expect(() => attach(runtime, bytes, { threads: { maxThreads: 2 } })).toThrow("provideGuestThreads() of tokiwa/guest");
  const loops = { calls: {}, memory: () => new WebAssembly.Memory({ initial: 1 }), workers: () => [] } as unknown as Guests.LoopsAccess;
  expect(() => guestImports(runtime).linkLoops(loops)).toThrow(expect.objectContaining({ code: "TOKIWA_NO_GUEST_THREADS" }));

  provideGuestThreads();
  expect(() => attach(runtime, bytes, { threads: { maxThreads: 0 } })).toThrow("threads.maxThreads must be an integer from 1 to 1024, got 0");
  guestImports(runtime).linkLoops(loops);
  const guest = await attach(runtime, bytes, { threads: { maxThreads: 2 } });
  guest.detach();
});
