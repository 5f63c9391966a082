// Runs the programs for every host, in whatever host this is. From a shell: `node test/hosts/runner.mjs`.
// It never exits on purpose: a process that does not end by itself is a failure, and the lane's time limit finds it.

/** The modules to run; add one here. */
const MODULES = ["./first.mjs", "./locks.mjs", "./net.mjs"];
/** Those of the servers; pages run them in tests of their own, since some policies forbid what they do. */
const ON_SERVERS = [...MODULES, "./threads.mjs"];

/** A program that takes longer stands still: the others go on without it. */
const TIMEOUT_MS = 30_000;

async function limited(program) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it stood still for ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([program(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param tell called with each title and "ok" or the error's text, as it ends
 * @returns the same by title
 */
export async function runAll(modules = MODULES, tell = () => {}) {
  const results = {};
  for (const path of modules) {
    const { default: programs } = await import(path);
    for (const [title, program] of Object.entries(programs)) {
      try {
        await limited(program);
        results[title] = "ok";
      } catch (error) {
        results[title] = error?.stack ?? String(error);
      }
      tell(title, results[title]);
    }
  }
  return results;
}

if (globalThis.process?.argv?.[1]?.endsWith("runner.mjs")) {
  const tell = (title, result) => console.log(`${result === "ok" ? "ok    " : "FAILED"} ${title}${result === "ok" ? "" : `\n${result}`}`);
  const results = Object.entries(await runAll(ON_SERVERS, tell));
  const failed = results.filter(([, result]) => result !== "ok").length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}
