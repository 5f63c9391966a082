// A page that a bundler has made: threads of guests start from a worker of its own, and get imports from a module.
import { Runtime } from "tokiwa";
import { attach, provideGuestThreads } from "tokiwa/guest";

provideGuestThreads();

export default async function ownWorker() {
  const runtime = new Runtime({ unhandledFailure: "ignore" });
  const bytes = await (await fetch("/test/guests/fixtures/guest-imports-clang.wasm")).arrayBuffer();
  let started = 0;
  const worker = () => {
    started++;
    return new Worker("/bundled/guest-worker.js", { type: "module" });
  };
  const outcome = async (threads) => {
    const guest = await attach(runtime, bytes, { imports: { page: { twice: (n) => n * 2 } }, threads });
    const result = await guest.task(guest.exports.twice_elsewhere(21)).result();
    guest.detach();
    return result.status === "fulfilled" ? result.value : String(result.reason);
  };
  const url = (name) => new URL(`/test/browser/pages/${name}.js`, location.href);
  const results = [
    await outcome({ worker, imports: url("guest-imports") }),
    await outcome({ worker, imports: url("guest-imports-object"), transport: "messages" }),
    await outcome({ imports: url("guest-imports") }),          // a worker of the package
    await outcome({ worker }),                                 // without what the module imports
    await outcome({ worker, imports: url("none") }),
  ];
  await runtime.shutdown();
  return { results, started };
}
