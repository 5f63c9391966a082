// Compiles the core: assembly/ -> build/core{,.shared,.model,.debug}.wasm build/guest.wasm (what guests import), build/guest-loops.wasm (in guests with threads) and build/pool.wasm (what a pool's threads share work with), and the sources that carry them
// as text (bindings/generated/). Nothing is compiled twice: a stamp keeps the hash of what went in.
//
// A build that contains a data segment or a start function fails: every instance would apply it again over
// memory that other threads are using.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { main as asc } from "assemblyscript/asc";
import { at, filesBelow, locked, put, ROOT } from "./lib.mjs";

export const CORE_LIMIT = 8 * 1024;
export const TARGETS = { local: "core.wasm", shared: "core.shared.wasm", model: "core.model.wasm", debug: "core.debug.wasm", guest: "guest.wasm", loops: "guest-loops.wasm", loopsModel: "guest-loops.model.wasm", pool: "pool.wasm", poolModel: "pool.model.wasm" };
/** Modules beside the core have a configuration of their own. */
const CONFIGS = { guest: "asconfig.guest.json", loops: "asconfig.loops.json", loopsModel: "asconfig.loops.json", pool: "asconfig.pool.json", poolModel: "asconfig.pool.json" };
const PUBLISHED = ["local", "shared"];
const SECTION_NAMES = { 8: "start function", 11: "data segment" };

/** The ids and sizes of a module's sections, read by hand: three lines instead of a disassembler. */
export function sections(bytes) {
  const found = [];
  for (let offset = 8; offset < bytes.length; ) {
    const id = bytes[offset++];
    let size = 0;
    for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) {
      byte = bytes[offset++];
      size |= (byte & 0x7f) << shift;
    }
    found.push({ id, size });
    offset += size;
  }
  return found;
}

/** Why this module must not be shipped, as sentences. */
export function coreProblems(bytes) {
  return sections(bytes)
    .filter(({ id }) => id in SECTION_NAMES)
    .map(({ id, size }) => `has a ${SECTION_NAMES[id]} (${size} bytes)`);
}

function inputHash() {
  const hash = createHash("sha256");
  for (const file of filesBelow(at("assembly"))) hash.update(file).update(readFileSync(at("assembly", file)));
  for (const file of ["asconfig.json", "asconfig.guest.json", "asconfig.loops.json", "asconfig.pool.json", "scripts/build-core.mjs", "node_modules/assemblyscript/package.json"]) hash.update(readFileSync(at(file)));
  return hash.digest("hex");
}

async function compile(target) {
  const { error, stdout, stderr } = await asc(["--config", CONFIGS[target] ?? "asconfig.json", "--target", target, "--baseDir", ROOT]);
  const text = stdout.toString() + stderr.toString();
  if (text.trim()) process.stderr.write(text);
  if (error) throw new Error(`asc --target ${target}: ${error.message}`);
}

/**
 * The text that bindings/core.ts unpacks. A byte below 89, which is most of them, is one character, any other two: so equal runs of
 * bytes are equal runs of text, which compress. Against base64 that is 1.2 KB less of a bundle, gzipped; hexadecimal is 0.5 KB more than
 * this, raw Latin-1 0.3 KB, and what deflates to less than the module's own bytes needs a decoder that outweighs it.
 */
export function packed(bytes) {
  const char = (value) => String.fromCharCode(value + (value < 57 ? 35 : 36)); // from # on, without the backslash
  return Array.from(bytes, (byte) => (byte < 89 ? char(byte) : String.fromCharCode(124 + Math.floor(byte / 89)) + char(byte % 89))).join("");
}

const bytesModule = (name, target) =>
  `// Written by scripts/build-core.mjs: dist/${TARGETS[target]} as text.\nexport const ${name}: string = ${JSON.stringify(packed(readFileSync(at("build", TARGETS[target]))))};\n`;

/** Two files, so that a bundle which needs only one core carries only that one. */
function writeBytes() {
  put(at("bindings/generated/core-local.ts"), bytesModule("CORE_LOCAL", "local"));
  put(at("bindings/generated/core-shared.ts"), bytesModule("CORE_SHARED", "shared"));
  put(at("bindings/generated/guest-interface.ts"), bytesModule("GUEST_INTERFACE", "guest"));
  put(at("bindings/generated/pool-core.ts"), bytesModule("POOL_CORE", "pool"));
  put(
    at("bindings/generated/core-bytes.ts"),
    `// Written by scripts/build-core.mjs.\nexport { CORE_LOCAL } from "./core-local.ts";\nexport { CORE_SHARED } from "./core-shared.ts";\n`,
  );
}

/** @returns sizes in bytes by target */
export async function buildCore() {
  mkdirSync(at("build"), { recursive: true });
  const stamp = at("build/core.stamp");
  const hash = inputHash();
  const fresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash && Object.values(TARGETS).every((file) => existsSync(at("build", file)));
  if (!fresh) {
    rmSync(stamp, { force: true }); // a build that fails must not pass for the one before it
    for (const target of Object.keys(TARGETS)) await compile(target);
  }

  const sizes = {};
  const problems = [];
  for (const [target, file] of Object.entries(TARGETS)) {
    const bytes = readFileSync(at("build", file));
    sizes[target] = bytes.length;
    for (const problem of coreProblems(bytes)) problems.push(`build/${file} ${problem}: no static data and no top-level code in assembly/`);
  }
  if (problems.length) throw new Error(problems.join("\n"));
  for (const target of PUBLISHED) {
    if (sizes[target] > CORE_LIMIT) console.warn(`WARNING: build/${TARGETS[target]} has ${sizes[target]} bytes, more than ${CORE_LIMIT}: the package lane will fail`);
  }
  writeBytes();
  put(stamp, hash);
  console.log(`core: ${Object.entries(sizes).map(([target, size]) => `${target} ${size} B`).join(", ")}${fresh ? " (unchanged)" : ""}`);
  return sizes;
}

if (process.argv[1] === at("scripts/build-core.mjs")) {
  try {
    await locked("dist", buildCore);
  } catch (error) {
    console.error(`build: ${error.message}`);
    process.exitCode = 1;
  }
}
