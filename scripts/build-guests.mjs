// Compiles the guests of the tests: test/guests/<language> -> test/guests/fixtures. The results are committed, so that
// `npm test` needs only npm; the lanes emcc, cpp and rust check, where the compilers are, that they come out the same.
//
//   node scripts/build-guests.mjs [emcc] [cpp] [rust] [asc]
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, delimiter } from "node:path";
import { at, findProgram, put, run, tool } from "./lib.mjs";

const EMCC = ["-sMODULARIZE", "-sEXPORT_ES6", "-sUSE_ES6_IMPORT_META=0", "-sENVIRONMENT=web,worker", "-sTOTAL_STACK=256KB", "-sINITIAL_MEMORY=16MB", "-sALLOW_MEMORY_GROWTH", "-sMAXIMUM_MEMORY=256MB", "-sABORTING_MALLOC=0"];
const TOKIWA_C = ["-I", at("bindings/c"), "-I", at("bindings/cpp"), "-isystem", at("bindings/cpp/compat"), "--js-library", at("bindings/c/tokiwa-lib.js"), "--js-library", at("bindings/c/tokiwa-threads-lib.js"), "-sALLOW_TABLE_GROWTH"];

/** What that library carries is only in dist/. */
const PTHREAD = ["-pthread", "--js-library", at("dist/c/tokiwa-pthread-lib.js"), "-sMODULARIZE", "-sEXPORT_NAME=createGuest", "-sPTHREAD_POOL_SIZE=5", "-sTOTAL_STACK=256KB", "-sINITIAL_MEMORY=64MB"];
/** Debian's emcc finds acorn only from its own Node. */
const EMCC_ENV = { NODE_PATH: "/usr/share/nodejs" };

// What `npx tokiwa emscripten --asyncify` prints.
const BLOCKING = "tk_sleep,tk_yield,tk_join_wait,tk_await_wait,tk_io_wait,tk_block_on";
const ASYNCIFY = ["-sASYNCIFY", `-sASYNCIFY_IMPORTS=${BLOCKING}`];

const LINK = ["-Wl,--export-dynamic,--export-table,--growable-table,--export=__stack_pointer,--strip-all"];

// clang runs whichever wasm-opt it finds, and npm puts its own (AssemblyScript's) in the path: the results would
// depend on who started the script.
const PATH = process.env.PATH.split(delimiter).filter((folder) => !folder.includes("node_modules")).join(delimiter);

async function must(command, args, { env } = {}) {
  const { code, output } = await run(command, args, { quiet: true, env: { ...env, PATH } });
  if (code !== 0) throw new Error(`${basename(command)} ${args.join(" ")}\n${output}`);
}

export const findEmcc = () => findProgram("EMCC", ["/usr/bin/emcc"], ["emcc"]);
export const findClang = () => findProgram("CLANG_PATH", ["/usr/bin/clang-19"], ["clang-19"]);

const CPP = ["-x", "c++", "-std=c++20", "-O2"];
const PLAIN_CPP = [...CPP, "-fno-exceptions", "-fno-rtti"];

/** What emcc makes: a file, its source, and what is not as with the others. Scripts (.js) are built with -pthread. */
const EMCC_FILES = [
  ["guest-c.mjs", "test/guests/c/guest.c"],
  ["guest-cpp.mjs", "test/guests/cpp/guest.cpp", { flags: PLAIN_CPP }],
  ["guest-exceptions.mjs", "test/guests/cpp/exceptions.cpp", { flags: [...CPP, "-fexceptions"] }],
  ["peer.mjs", "test/guests/c/peer.c", { library: [] }],
  ["particles.mjs", "examples/emscripten-page/particles.c"],
  ["guest-io.mjs", "test/guests/c/io.c"],
  ["guest-asyncify.mjs", "test/guests/c/guest.c", { library: [...TOKIWA_C, ...ASYNCIFY] }],
  ["guest-main.mjs", "test/guests/c/main.c", { flags: ["-O3"], entry: [] }],
  ["guest-threads.mjs", "test/guests/c/threads.c", { link: EMCC.filter((flag) => flag !== "-sUSE_ES6_IMPORT_META=0") }],
  ["guest-loops.mjs", "test/guests/c/loops.c"],
  ["guest-pthread.js", "test/guests/c/loops.c"],
  ["guest-cpp-threads.mjs", "test/guests/cpp/threads.cpp", { flags: PLAIN_CPP }],
  ["guest-cpp-pthread.js", "test/guests/cpp/threads.cpp", { flags: PLAIN_CPP }],
];

/** @returns names of the files written */
async function emccFile(to, file, sources, { flags = ["-O2"], library = TOKIWA_C, link = file.endsWith(".js") ? PTHREAD : EMCC, entry = ["--no-entry"] } = {}) {
  await must(findEmcc(), [...flags, ...sources, ...library, ...link, ...entry, "-o", `${to}/${file}`], { env: EMCC_ENV });
  const name = file.replace(/\.m?js$/, "");
  return [file, `${name}.wasm`, ...(link === PTHREAD ? [`${name}.worker.js`] : [])];
}

async function emcc(to) {
  const written = [];
  for (const [file, source, rest] of EMCC_FILES) written.push(...(await emccFile(to, file, [at(source)], rest)));
  return written;
}

async function cpp(to) {
  for (const [name, file] of [["guest", "guest-clang"], ["io", "guest-io-clang"], ["threads", "guest-threads-clang"], ["imports", "guest-imports-clang"]]) {
    await must(findClang(), [
      "--target=wasm32-wasi", "-O2", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-I", at("bindings/c"), at(`test/guests/c/${name}.c`),
      "-mexec-model=reactor", ...LINK, "-o", `${to}/${file}.wasm`,
    ]);
  }
  await must(findClang(), [
    "--driver-mode=g++", "--target=wasm32-wasi", "-O2", "-std=c++20", "-Wall", "-Wextra", "-fno-exceptions", "-fno-rtti", "-I", at("bindings/c"), "-I", at("bindings/cpp"),
    "-isystem", at("bindings/cpp/compat"), at("test/guests/cpp/guest.cpp"), "-mexec-model=reactor", ...LINK, "-o", `${to}/guest-cpp-clang.wasm`,
  ]);
  const names = BLOCKING.split(",").map((name) => `tokiwa.${name}`);
  await must("wasm-opt", ["--all-features", "--asyncify", `--pass-arg=asyncify-imports@${names}`, "-O2", `${to}/guest-clang.wasm`, "-o", `${to}/guest-asyncify-clang.wasm`]);
  return ["guest-clang.wasm", "guest-threads-clang.wasm", "guest-imports-clang.wasm", "guest-io-clang.wasm", "guest-cpp-clang.wasm", "guest-asyncify-clang.wasm"];
}

export const findRustc = () => findProgram("RUSTC_1_63", [at(".nodes/rust/usr/bin/rustc")], []);

async function rust(to) {
  const root = findRustc().replace(/\/bin\/rustc$/, "");
  const env = { LD_LIBRARY_PATH: `${root}/lib/x86_64-linux-gnu`, SOURCE_DATE_EPOCH: "0" };
  const flags = ["--sysroot", root, "--edition", "2021", "--target", "wasm32-unknown-unknown", "-C", "opt-level=3", "-C", "panic=abort", "-C", "target-feature=+mutable-globals", "-C", "codegen-units=1", "--remap-path-prefix", `${at()}=`];
  const folder = at("build/rust");
  mkdirSync(folder, { recursive: true });
  await must(findRustc(), [...flags, "--crate-name", "tokiwa", "--crate-type", "rlib", "-D", "warnings", at("bindings/rust/src/lib.rs"), "-C", "metadata=tokiwa", "-o", `${folder}/libtokiwa.rlib`], { env });
  // wasm-ld 19 rejects the libraries of this rustc.
  const link = ["-C", "lto=fat", "-C", "strip=symbols", "-C", "linker=wasm-ld-14", "-C", "linker-flavor=wasm-ld", "-C", "link-args=--export-table --growable-table --export=__stack_pointer"];
  for (const [name, source, file] of [["guest", "test/guests/rust/guest.rs", "guest-rust"], ["threads", "test/guests/rust/threads.rs", "guest-rust-threads"], ["stars", "examples/rust-page/stars.rs", "stars"]]) {
    await must(findRustc(), [...flags, ...link, "--crate-name", name, "--crate-type", "cdylib", "--extern", `tokiwa=${folder}/libtokiwa.rlib`, at(source), "-o", `${to}/${file}.wasm`], { env });
  }
  return ["guest-rust.wasm", "guest-rust-threads.wasm", "stars.wasm", ...(await rustOnPthreads(to, env, flags))];
}

/**
 * Rust on the pthreads of a C page. rustc's libraries are not built for threads: with fat LTO all that is used of them is compiled here, with
 * atomics; except the compiler's own helpers, of which emcc has its own.
 */
async function rustOnPthreads(to, env, flags) {
  if (!existsSync(findEmcc() ?? "")) {
    console.log(`guest-rust-pthread was left out: ${COMPILERS.emcc.missing}`);
    return [];
  }
  const folder = at("build/rust");
  const threads = [...flags, "--cfg", "tokiwa_pthreads", "-C", "target-feature=+atomics,+bulk-memory"];
  await must(findRustc(), [...threads, "--crate-name", "tokiwa", "--crate-type", "rlib", "-D", "warnings", at("bindings/rust/src/lib.rs"), "-C", "metadata=tokiwa-pthreads", "-o", `${folder}/libtokiwa_pthreads.rlib`], { env });
  const archive = `${folder}/libloops.a`;
  await must(findRustc(), [...threads, "-C", "lto=fat", "--crate-name", "loops", "--crate-type", "staticlib", "--extern", `tokiwa=${folder}/libtokiwa_pthreads.rlib`, at("test/guests/rust/loops.rs"), "-o", archive], { env });
  const emar = findEmcc().replace(/emcc$/, "emar");
  const { output } = await run(emar, ["t", archive], { quiet: true });
  await must(emar, ["d", archive, ...output.split("\n").filter((name) => name.startsWith("compiler_builtins"))]);
  return emccFile(to, "guest-rust-pthread.js", [at("test/guests/rust/loops.c"), archive]);
}

/** The page in AssemblyScript; the tests compile their own guest. */
async function assemblyscript(to) {
  const project = at("build/asc");
  mkdirSync(`${project}/node_modules/tokiwa/dist`, { recursive: true });
  for (const folder of ["assembly.ts", "dist/assemblyscript"]) {
    const [from, link] = [folder === "assembly.ts" ? at("assembly.ts") : at("bindings/assemblyscript"), `${project}/node_modules/tokiwa/${folder}`];
    if (!existsSync(link)) symlinkSync(from, link);
  }
  put(`${project}/asconfig.json`, "{}");                    // or asc takes the repository's
  await must(process.execPath, [
    tool("assemblyscript/bin/asc.js"), at("examples/assemblyscript/mandelbrot.ts"), "--config", `${project}/asconfig.json`, "--path", `${project}/node_modules`,
    "-O3", "--runtime", "incremental", "--exportTable", "-o", `${to}/mandelbrot.wasm`,
  ]);
  return ["mandelbrot.wasm"];
}

export const COMPILERS = {
  asc: { build: assemblyscript, find: () => tool("assemblyscript/bin/asc.js"), missing: "no asc: npm ci" },
  emcc: { build: emcc, find: findEmcc, missing: "no emcc (install Debian's emscripten)" },
  cpp: { build: cpp, find: findClang, missing: "no clang-19 (install clang-19, lld-19, wasi-libc, libc++-19-dev-wasm32)" },
  rust: { build: rust, find: findRustc, missing: "no rustc 1.63 in .nodes/rust (.ci/run puts it there)" },
};

/** Where a file is committed. */
export const homeOf = (file) => at(EXAMPLES[file.replace(/\.m?js$|\.wasm$/, "")] ?? "test/guests/fixtures", file);
const EXAMPLES = { particles: "examples/emscripten-page", stars: "examples/rust-page", mandelbrot: "examples/assemblyscript" };

export async function buildGuests(names, to) {
  mkdirSync(to, { recursive: true });
  const files = [];
  for (const name of names) files.push(...(await COMPILERS[name].build(to)));
  return files;
}

if (process.argv[1] === at("scripts/build-guests.mjs")) {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => arg in COMPILERS);
  const to = at("build/guests");
  const wanted = names.length ? names : Object.keys(COMPILERS).filter((name) => existsSync(COMPILERS[name].find() ?? ""));
  try {
    for (const file of await buildGuests(wanted, to)) {
      const bytes = readFileSync(`${to}/${file}`);
      console.log(`${put(homeOf(file), new Uint8Array(bytes)) ? "written" : "as it was"} ${file}`);
    }
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
