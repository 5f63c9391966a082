// What the scripts share: where the repository is, how a command is run, how files are put in place.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
export const at = (...parts) => join(ROOT, ...parts);
export const nodeMajor = Number(process.versions.node.split(".")[0]);

/** The path of a package's file in node_modules, for tools that are started with `node`. */
export const tool = (path) => at("node_modules", path);

// Commands run in process groups of their own, so that a timeout reaches their children. Ctrl-C then has to be
// passed on by hand.
const running = new Set();

function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {} // it ended meanwhile
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) {
  process.once(signal, () => {
    for (const pid of running) killGroup(pid);
    process.exit(code);
  });
}

/**
 * Runs a command and waits for it.
 *
 * @param options.quiet collect the output only; otherwise it is also printed as it comes
 * @param options.timeoutMs the command and its children are killed then; default 10 minutes
 * @returns { code, output, timedOut }; never rejects
 */
export function run(command, args, { cwd = ROOT, env, quiet = false, timeoutMs = 600_000 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    if (child.pid !== undefined) running.add(child.pid);
    let output = "";
    let timedOut = false;
    const take = (to) => (chunk) => {
      output += chunk;
      if (!quiet) to.write(chunk);
    };
    child.stdout.setEncoding("utf8").on("data", take(process.stdout));
    child.stderr.setEncoding("utf8").on("data", take(process.stderr));
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${output}${error.message}\n`, timedOut });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      running.delete(child.pid);
      if (timedOut) output += `\nkilled after ${timeoutMs} ms\n`;
      resolve({ code: code ?? (signal ? 128 : 1), output, timedOut });
    });
  });
}

/** Runs one of this repository's node tools: `node(["node_modules/..."], options)`. */
export const node = (args, options) => run(process.execPath, args, options);

/** The first of these that exists: an environment variable's value, paths, or a name on PATH. */
export function findProgram(envName, paths, names) {
  if (process.env[envName]) return process.env[envName];
  for (const path of paths) if (existsSync(path)) return path;
  for (const name of names) {
    for (const dir of (process.env.PATH ?? "").split(delimiter)) {
      if (dir && existsSync(join(dir, name))) return join(dir, name);
    }
  }
  return undefined;
}

export const findChromium = () => findProgram("CHROME_PATH", ["/usr/bin/chromium"], ["chromium", "chromium-browser", "google-chrome"]);
export const findFirefox = () => findProgram("FIREFOX_PATH", ["/usr/bin/firefox-esr"], ["firefox-esr", "firefox"]);
export const findBun = () => findProgram("BUN_PATH", [at(".nodes/bun/node_modules/.bin/bun")], ["bun"]);
export const findDeno = () => findProgram("DENO_PATH", [at(".nodes/deno/node_modules/.bin/deno")], ["deno"]);

/** A Node with JSPI: this one, or the one that .ci/run puts into .nodes/26. */
export function findJspiNode() {
  if (typeof WebAssembly.Suspending === "function") return process.execPath;
  return findProgram("NODE26_PATH", [at(".nodes/26/node_modules/.bin/node")], []);
}

/** Writes a file if its content is another one, in one step: somebody may be reading it. */
export function put(path, content) {
  const bytes = typeof content === "string" ? Buffer.from(content) : Buffer.from(content.buffer ?? content, content.byteOffset, content.byteLength);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return false;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
  return true;
}

/** Every file below a folder, as paths relative to it, sorted. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => statSync(join(folder, file)).isFile())
    .sort();
}

/** Removes the files of a folder that are not in `keep` (relative paths). */
export function removeOthers(folder, keep) {
  for (const file of filesBelow(folder)) if (!keep.has(file)) rmSync(join(folder, file), { force: true });
}

/** Holds a lock folder while `work` runs, so that two builds of one checkout do not mix. */
export async function locked(name, work) {
  const lock = at("build", `${name}.lock`);
  mkdirSync(at("build"), { recursive: true });
  const owner = join(lock, "pid");
  for (let waited = 0; ; waited += 100) {
    try {
      mkdirSync(lock);
      writeFileSync(owner, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (waited === 0) console.log(`waiting for another build (${relative(ROOT, lock)})`);
    if (waited > 1_000 && !isAlive(owner)) rmSync(lock, { recursive: true, force: true });
    if (waited > 300_000) throw new Error(`${relative(ROOT, lock)} has been held for 5 minutes: remove it if no build runs`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isAlive(pidFile) {
  try {
    process.kill(Number(readFileSync(pidFile, "utf8")), 0);
    return true;
  } catch {
    return false;
  }
}
