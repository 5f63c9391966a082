// Threads of guests without shared memory: functions of the module in workers with an instance each. C; Rust has its own file.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OptionError, Runtime } from "tokiwa";
import { attach, type AttachOptions, guestImports, type Guest } from "tokiwa/guest";
import { fixture, loadC, type Calls, type Loaded } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const loadThreads = (compiler: "emcc" | "clang", runtime: Runtime, options?: AttachOptions): Promise<Loaded> => loadC(compiler, runtime, options, "threads");

const EINVAL = -1, ENOMEM = -2, ESTALE = -3, EWOULDBLOCK = -4, ECANCELED = -5, ETRAP = -6, ECLOSED = -7, EREJECTED = -8, ELIMIT = -9, ENOSYS = -10, EBUSY = -11, ESTART = -21;

describe.each([
  ["emcc", "shared"],
  ["emcc", "messages"],
  ["clang", "shared"],
  ["clang", "messages"],
] as const)("a C guest with threads (%s, %s)", (compiler, transport) => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    runtime = new Runtime({ unhandledFailure: "ignore", transport });
    ({ guest, call } = await loadThreads(compiler, runtime, { threads: { transport } }));
  });
  afterEach(() => runtime.shutdown());

  test("exec: a function, one that sleeps, JavaScript, and JavaScript that waits (C1)", async () => {
    expect(await guest.task(call.exec_spawn!())).toBe(100 + 3 - 1 + 3 - 1);
  }, 60_000);

  test("fib(4), every call with n > 1 in threads that it makes itself (C2)", async () => {
    expect(await guest.task(call.fib_spawn!(4))).toBe(103);
  }, 60_000);

  test("four threads, in turn and at once (C3)", async () => {
    expect(await guest.task(call.serial_spawn!(0))).toBe(4 * 42);
    expect(await guest.task(call.parallel_spawn!(0))).toBe(4 * 42);
  }, 60_000);

  test("blocking work runs elsewhere, and a task waits for it", async () => {
    expect(await guest.task(call.blocking_spawn!(8))).toBe(100 + 8 * 21);
    expect(call.calls_here_get!()).toBe(0);                  // in other memories
  }, 60_000);
});

test("four Julia sets, serially and in parallel (C4)", async () => {
  await using runtime = new Runtime();
  const { guest, call } = await loadThreads("emcc", runtime);
  await guest.task(call.parallel_spawn!(800));
  expect(call.julia_total_get!()).toBe(4 * 44_841_052);
  await guest.task(call.serial_spawn!(100));
  expect(call.julia_total_get!()).toBe(4 * call.julia_here!(100));
}, 60_000);

describe("threads of a guest", () => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    runtime = new Runtime({ unhandledFailure: "ignore" });
    ({ guest, call } = await loadThreads("clang", runtime));
  });
  afterEach(async () => {
    await runtime.shutdown();
    vi.restoreAllMocks();
  });

  const put = (bytes: Uint8Array): number => {
    const at = call.memory_new!(bytes.length);
    new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer, at, bytes.length).set(bytes);
    return at;
  };
  /** The state of a job that is no success; its result + 1000 otherwise. */
  const ended = async (job: number): Promise<number> => {
    const outcome = await guest.spawn(call.wait_fn!(), job).result();
    if (outcome.status === "fulfilled") return outcome.value;
    return (outcome.reason as { code?: string }).code === "TOKIWA_CANCELLED" ? ECANCELED : Number(/error (-\d+)/.exec(String(outcome.reason))?.[1]);
  };
  const taken = (job: number): Uint8Array => {
    const length = call.job_length!(job);
    const at = call.memory_new!(length);
    expect(call.job_take!(job, at, length)).toBe(length);
    return new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer, at, length).slice();
  };
  const text = (job: number): string => new TextDecoder().decode(taken(job));

  test("bytes go there and come back, and every thread has memory of its own", async () => {
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 7);
    const threads = [call.thread_new!(), call.thread_new!()];
    const at = put(bytes);
    const jobs = threads.map((thread) => call.thread_exec!(thread, call.echo_fn!(), at, bytes.length));
    new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer, at, bytes.length).fill(0);   // what was sent is a copy
    for (const job of jobs) {
      expect(await ended(job)).toBe(1001);
      expect(Buffer.compare(taken(job), bytes)).toBe(0);
      expect(call.job_take!(job, 0, 0)).toBe(ESTALE);
    }
    const counts = [0, 0, 1, 0].map((which) => call.thread_exec!(threads[which]!, call.count_fn!(), 0, 0));
    expect(await Promise.all(counts.map(ended))).toEqual([1001, 1002, 1001, 1003]);
    expect(call.calls_here_get!()).toBe(0);
    for (const job of counts) call.job_drop!(job);
  });

  test("a result may be negative", async () => {
    const job = call.thread_exec!(call.thread_new!(), call.negative_fn!(), 0, 0);
    expect(await ended(job)).toBe(1000 - 77);
    expect(call.job_result!(job)).toBe(-77);
  });

  test("a trap is that job's error, with a message, and the thread goes on", async () => {
    const thread = call.thread_new!();
    const job = call.thread_exec!(thread, call.trap_fn!(), 0, 0);
    const next = call.thread_exec!(thread, call.count_fn!(), 0, 0);
    expect(await ended(job)).toBe(ETRAP);
    expect(text(job)).toContain("unreachable");
    expect(await ended(next)).toBe(1001);
  });

  test("an output outside of the memory is the job's error", async () => {
    const job = call.thread_exec!(call.thread_new!(), call.wild_fn!(), 0, 0);
    expect(await ended(job)).toBe(EREJECTED);
    expect(text(job)).toContain("must lie in its memory");
  });

  test("an exception of JavaScript is the job's error, and what it returns comes as bytes", async () => {
    const thread = call.thread_new!();
    const js = (source: string): number => {
      const bytes = new TextEncoder().encode(source);
      return call.thread_exec_js!(thread, put(bytes), bytes.length);
    };
    const failing = js("throw new RangeError('no')");
    expect(await ended(failing)).toBe(EREJECTED);
    expect(text(failing)).toBe("no");
    const results: unknown[] = [];
    for (const source of ["return 'täxt'", "return new Uint8Array([1, 2])", "return { a: [1] }", "return", "return 0.5"]) {
      const job = js(source);
      expect(await ended(job)).toBe(1001);
      results.push(source.endsWith("5") ? new DataView(taken(job).buffer).getFloat64(0, true) : source.includes("Uint8") ? [...taken(job)] : text(job));
    }
    expect(results).toEqual(["täxt", [1, 2], '{"a":[1]}', "null", 0.5]);
  });

  test("terminate ends what runs; afterwards there is no such thread, and a second time nothing happens", async () => {
    const thread = call.thread_new!();
    const jobs = [call.thread_exec!(thread, call.forever_fn!(), 0, 0), call.thread_exec!(thread, call.count_fn!(), 0, 0)];
    const states = Promise.all(jobs.map(ended));
    expect(call.job_take!(jobs[0]!, 0, 0)).toBe(EBUSY);
    await new Promise((done) => setTimeout(done, 100));
    expect(call.thread_terminate!(thread)).toBe(1);
    expect(await states).toEqual([ECANCELED, ECANCELED]);
    expect(call.thread_terminate!(thread)).toBe(0);
    expect(call.thread_exec!(thread, call.count_fn!(), 0, 0)).toBe(ESTALE);
    expect(call.thread_detach!(thread)).toBe(ESTALE);
  });

  test("a detached thread does what it has and takes no more", async () => {
    const thread = call.thread_new!();
    const job = call.thread_exec!(thread, call.count_fn!(), 0, 0);
    expect(call.thread_detach!(thread)).toBe(1);
    expect(call.thread_exec!(thread, call.count_fn!(), 0, 0)).toBe(ESTALE);
    expect(call.thread_detach!(thread)).toBe(ESTALE);
    expect(await ended(job)).toBe(1001);
    expect(call.thread_terminate!(thread)).toBe(0);         // it has ended
  });

  test("aborting a job gives its poll function the last poll", async () => {
    const thread = call.thread_new!();
    const never = call.thread_exec_poll!(thread, call.never_fn!());
    expect(await ended(call.thread_exec!(thread, call.count_fn!(), 0, 0))).toBe(1001);   // it waits, others run
    expect(call.job_abort!(never)).toBe(1);
    expect(await ended(never)).toBe(ECANCELED);
    expect(call.job_abort!(never)).toBe(ESTALE);
    expect(await ended(call.thread_exec!(thread, call.count_fn!(), 0, 0))).toBe(1000 + 1 + 100 + 1);
  });

  test("null and foreign functions, wild bytes and unknown threads are refused at the call", () => {
    const thread = call.thread_new!();
    expect(call.thread_exec!(thread, 0, 0, 0)).toBe(EINVAL);
    expect(call.thread_exec!(thread, 100_000, 0, 0)).toBe(EINVAL);
    expect(call.thread_exec!(thread, call.count_fn!(), -16, 32)).toBe(EINVAL);
    expect(call.thread_exec!(thread, call.count_fn!(), 0, -1)).toBe(EINVAL);
    expect(call.thread_exec_js!(thread, 0, -1)).toBe(EINVAL);
    expect(call.thread_exec!(thread + 1, call.count_fn!(), 0, 0)).toBe(ESTALE);
    expect(call.spawn_blocking!(0)).toBe(EINVAL);
    expect(call.job_look!(99)).toBe(ESTALE);
    expect(call.job_length!(99)).toBe(0);
    expect(call.job_take!(99, 0, 0)).toBe(ESTALE);
    call.thread_terminate!(thread);
  });

  test("blocking work that starts blocking work without end meets a limit", async () => {
    const first = call.spawn_blocking!(call.deeper_fn!());
    expect(await ended(first)).toBeGreaterThan(1000);        // it could start one
    const second = guest.spawn(call.wait_fn!(), call.spawn_blocking!(call.deeper_fn!()));
    expect(await second).toBeGreaterThan(1000);
  });

  test("after detach() every call is refused, and nothing is left running", async () => {
    const thread = call.thread_new!();
    call.thread_exec!(thread, call.forever_fn!(), 0, 0);
    guest.detach();
    expect(call.thread_new!()).toBe(ECLOSED);
    expect(call.thread_exec!(thread, call.count_fn!(), 0, 0)).toBe(ECLOSED);
    expect(call.thread_terminate!(thread)).toBe(ECLOSED);
    expect(call.spawn_blocking!(call.count_fn!())).toBe(ECLOSED);
    await runtime.shutdown({ timeout: 1000 });
  });

  test("without JSPI a wait in blocking code says that it cannot; with it, it waits", async () => {
    expect(call.blocking_wait!(1)).toBe(EWOULDBLOCK);
    if (hasJspi) expect(await Promise.all([guest.run("blocking_wait", 1), guest.run("blocking_wait", 5)])).toEqual([3, 7]);
  });
});

describe("limits and mistakes", () => {
  test("threads that start threads without end are stopped, however deep", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    await using runtime = new Runtime({ unhandledFailure: "ignore" });
    const { guest, call } = await loadThreads("clang", runtime, { threads: { maxThreads: 5 } });
    await expect(guest.task(call.endless_spawn!())).rejects.toThrow(`error ${ELIMIT}`);
    await expect(guest.task(call.fib_spawn!(6))).rejects.toThrow(`error ${ELIMIT}`);     // and gave every place back
    expect(await guest.task(call.fib_spawn!(2))).toBe(101);
    const threads = Array.from({ length: 6 }, () => call.thread_new!());
    expect(threads.filter((thread) => thread > 0)).toHaveLength(5);
    expect(threads[5]).toBe(ELIMIT);
    expect(call.thread_terminate!(threads[0]!)).toBe(1);
    expect(call.thread_new!()).toBeGreaterThan(0);
    error.mockRestore();
  }, 60_000);

  test("an instance says what is missing, and threads.module gives it", async () => {
    await using runtime = new Runtime({ unhandledFailure: "ignore" });
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const module = await WebAssembly.compile(await fixture("guest-threads-clang.wasm"));
    const make = (): { instance: WebAssembly.Instance; guestImports: ReturnType<typeof guestImports> } => {
      const imports = guestImports(runtime);
      return { instance: new WebAssembly.Instance(module, { tokiwa: imports as never }), guestImports: imports };
    };
    const first = make();
    attach(runtime, first.instance, { guestImports: first.guestImports });
    expect((first.instance.exports as Calls).thread_new!()).toBe(ENOSYS);
    expect(String(write.mock.calls) + String(error.mock.calls)).toContain("threads: { module }");
    vi.restoreAllMocks();
    const second = make();
    const guest = attach(runtime, second.instance, { guestImports: second.guestImports, threads: { module } });
    expect(await guest.task((second.instance.exports as Calls).fib_spawn!(2))).toBe(101);
  });

  test("a module that cannot be started there is an error of its jobs", async () => {
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    await using runtime = new Runtime({ unhandledFailure: "ignore" });
    const { guest, call } = await loadThreads("clang", runtime, { threads: { script: new URL("file:///nowhere/app.mjs") } });
    await expect(guest.task(call.exec_spawn!())).rejects.toThrow(`error ${ESTART}`);
    stderr.mockRestore();
    error.mockRestore();
  });

  test("threads of a module with imports of its own get them from threads.imports", async () => {
    await using runtime = new Runtime({ unhandledFailure: "ignore" });
    const bytes = await fixture("guest-imports-clang.wasm");
    const twice = async (threads: AttachOptions["threads"]): Promise<unknown> => {
      const guest = await attach(runtime, bytes, { imports: { page: { twice: (n: number) => n * 2 } }, ...(threads === undefined ? {} : { threads }) });
      expect((guest.exports as Calls).twice_here!(4)).toBe(8);
      return guest.task((guest.exports as Calls).twice_elsewhere!(21));
    };
    const url = (name: string): URL => new URL(`browser/pages/${name}.js`, import.meta.url);
    expect(await twice({ imports: url("guest-imports") })).toBe(1042);
    expect(await twice({ imports: url("guest-imports-object").href, transport: "messages" })).toBe(1042);
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    await expect(twice(undefined)).rejects.toThrow(`error ${ESTART}`);
    await expect(twice({ imports: url("guest-worker") })).rejects.toThrow(`error ${ESTART}`);
    stderr.mockRestore();
    error.mockRestore();
  }, 60_000);

  test("no memory for the bytes is an error of the job", async () => {
    await using runtime = new Runtime({ unhandledFailure: "ignore" });
    const { guest, call } = await loadThreads("emcc", runtime);
    const half = 150 << 20;                                  // of at most 256 MiB: once it fits, a second time beside its echo it does not
    const at = call.memory_new!(half);
    const job = call.thread_exec!(call.thread_new!(), call.echo_fn!(), at, half);
    const outcome = await guest.spawn(call.wait_fn!(), job).result();
    expect(outcome).toMatchObject({ status: "fulfilled", value: 1000 + ENOMEM });
  }, 60_000);

  test("options are checked", async () => {
    await using runtime = new Runtime();
    const bytes = await fixture("guest-threads-clang.wasm");
    const bad = [{ maxThreads: 0 }, { maxThreads: 1025 }, { script: "./app.mjs" }, { imports: "imports.mjs" }, { module: 1 }, { worker: 1 }, { transport: "pigeon" }];
    for (const threads of bad) expect(() => attach(runtime, bytes, { threads: threads as never })).toThrow(OptionError);
    expect(() => attach(runtime, bytes, { threads: { maxThreads: 0 } })).toThrow("threads.maxThreads must be an integer from 1 to 1024, got 0");
  });
});
