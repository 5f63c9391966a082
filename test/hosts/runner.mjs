// Runs the programs for every host, in whatever host this is. From a shell: `node test/hosts/runner.mjs`.
// It never exits on purpose: a process that does not end by itself is a failure, and the lane's time limit finds it.

/** The modules to run; add one here. */
const MODULES = ["./first.mjs", "./locks.mjs", "./net.mjs"];
/** Those of the servers; pages run them in tests of their own, since some policies forbid what they do. */
const ON_SERVERS = [...MODULES, "./threads.mjs"];

/** @returns "ok" or the error's text by title */
export async function runAll(modules = MODULES) {
  const results = {};
  for (const path of modules) {
    const { default: programs } = await import(path);
    for (const [title, program] of Object.entries(programs)) {
      try {
        await program();
        results[title] = "ok";
      } catch (error) {
        results[title] = error?.stack ?? String(error);
      }
    }
  }
  return results;
}

if (globalThis.process?.argv?.[1]?.endsWith("runner.mjs")) {
  const results = Object.entries(await runAll(ON_SERVERS));
  for (const [title, result] of results) console.log(`${result === "ok" ? "ok    " : "FAILED"} ${title}${result === "ok" ? "" : `\n${result}`}`);
  const failed = results.filter(([, result]) => result !== "ok").length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}
