// Makes the SQLite page: fetches the amalgamation (as the npm package better-sqlite3 carries it), compiles it with
// query.c, and writes a database of 50 000 towns. Nothing of it is committed.
//
//   node examples/sqlite-page/build.mjs        needs emcc, npm, and the built package (npm run build)
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { attach } from "../../dist/guest.js";
import { Runtime } from "../../dist/index.js";

const SOURCE = "better-sqlite3@12.11.1";
const TOWNS = 50_000;
const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUT = join(HERE, "built");
const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const EMCC = process.env.EMCC ?? "emcc";
const run = (command, args, cwd = OUT) => execFileSync(command, args, { cwd, encoding: "utf8", env: { ...process.env, NODE_PATH: "/usr/share/nodejs" } });

mkdirSync(OUT, { recursive: true });
const amalgamation = join(OUT, "package/deps/sqlite3");
if (!existsSync(join(amalgamation, "sqlite3.c"))) {
  const archive = run("npm", ["pack", SOURCE, "--silent"]).trim().split("\n").at(-1);
  run("tar", ["xzf", archive, "package/deps/sqlite3"]);
}
const object = join(OUT, "sqlite3.o");
if (!existsSync(object)) {
  const options = ["SQLITE_OS_OTHER=1", "SQLITE_THREADSAFE=0", "SQLITE_OMIT_LOAD_EXTENSION", "SQLITE_TEMP_STORE=3", "SQLITE_DEFAULT_MEMSTATUS=0", "SQLITE_OMIT_WAL"];
  run(EMCC, ["-O2", "-w", ...options.map((option) => `-D${option}`), "-c", join(amalgamation, "sqlite3.c"), "-o", object]);
}
const flags = run(process.execPath, [CLI, "emscripten", "--cflags", "--ldflags"]).trim().split(" ");
run(EMCC, [
  "-O2", join(HERE, "query.c"), object, `-I${amalgamation}`, ...flags, "--no-entry", "-sMODULARIZE", "-sEXPORT_ES6", "-sUSE_ES6_IMPORT_META=1",
  "-sENVIRONMENT=web,worker", "-sALLOW_MEMORY_GROWTH", "-o", join(OUT, "query.mjs"),
]);

const { default: createQuery } = await import(join(OUT, "query.mjs"));
const guest = await attach(new Runtime(), createQuery, { module: { wasmBinary: readFileSync(join(OUT, "query.wasm")) } });
const at = guest.exports._make_database(TOWNS);
if (at === 0) throw new Error("SQLite could not make the database");
const bytes = guest.exports.HEAPU8.slice(at, at + guest.exports._made_bytes());
writeFileSync(join(OUT, "towns.db"), bytes);
guest.detach();
console.log(`built: query.wasm ${readFileSync(join(OUT, "query.wasm")).length} B, towns.db ${bytes.length} B`);
