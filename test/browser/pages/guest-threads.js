// Threads of guests without shared memory, in a page: exec, fib, executors and Julia of C (emcc and clang) and of Rust.
import { Runtime } from "/dist/index.js";
import { attach } from "/dist/guest.js";
import createGuest from "/test/guests/fixtures/guest-threads.mjs";

const bytes = async (name) => (await fetch(`/test/guests/fixtures/${name}`)).arrayBuffer();

async function playC(guest, call, allowsSource) {
  const exec = await guest.task(call(allowsSource ? "exec_spawn" : "exec_strict_spawn")());
  const fib = await guest.task(call("fib_spawn")(4));
  const executors = (await guest.task(call("serial_spawn")(0))) + (await guest.task(call("parallel_spawn")(0)));
  await guest.task(call("parallel_spawn")(800));
  const blocking = await guest.task(call("blocking_spawn")(4));
  return { exec, fib, executors, julia: call("julia_total_get")(), blocking };
}

async function playRust(runtime, call, allowsSource) {
  const played = async (program, ...args) => {
    call.reset();
    call[`start_${program}`](...args);
    while (runtime.metrics().tasksAlive > 0) await new Promise((done) => setTimeout(done, 5));
    return call.total();
  };
  return {
    exec: allowsSource ? await played("exec") : undefined,
    fib: await played("fib", 4),
    executors: await played("executors"),
    julia: await played("julia", 800),
    struct: await played("struct"),
    errors: await played("errors"),
    blocking: await played("blocking"),
  };
}

export default async function guestThreads({ allowsSource }) {
  const runtime = new Runtime({ unhandledFailure: "ignore" });
  step("C, emcc");
  const emcc = await attach(runtime, createGuest);                                            // finds its own script, and loads its own bytes
  const c = await playC(emcc, (name) => emcc.exports[`_${name}`], allowsSource);
  step("C, clang");
  const clang = await attach(runtime, await bytes("guest-threads-clang.wasm"), { name: "clang" });
  const plain = await playC(clang, (name) => clang.exports[name], allowsSource);
  step("Rust");
  const rust = await attach(runtime, await bytes("guest-rust-threads.wasm"), { name: "rust" });
  const fromRust = await playRust(runtime, rust.exports, allowsSource);
  await runtime.shutdown();
  return { isolated: crossOriginIsolated, c, plain, rust: fromRust };
}
