#!/usr/bin/env node
// `npx tokiwa emscripten`: prints what emcc needs, so that nobody has to know where the package lies.

import { BLOCKING_CALLS } from "../guest/codes.ts";

interface CommandLine {
  argv: string[];
  exitCode?: number;
  stdout: { write(text: string): void };
  stderr: { write(text: string): void };
}

const HELP = `usage: emcc app.c $(npx tokiwa emscripten --cflags --ldflags) -o app.mjs

  --cflags    where tokiwa.h and tokiwa.hpp are (C++: add -std=c++20)
  --ldflags   the JavaScript libraries that connect a module to its runtime
  --asyncify  with --ldflags: blocking code also on hosts without JSPI; attach the module with { asyncify }
  --pthread   with both: loops that several threads run (tokiwa-loops.h); add -sPTHREAD_POOL_SIZE=n
  --help      this text

For clang without Emscripten, and for rustc:  npx tokiwa path c | cpp | rust
`;

/** A folder beside this file, as emcc takes it. */
function folder(name: string): string {
  const path = decodeURIComponent(new URL(`${name}/`, import.meta.url).pathname).replace(/\/$/, "");
  return path.replace(/^\/([A-Za-z]:)/, "$1");
}

function quoted(path: string): string {
  return /[^\w@%+=:,./\\-]/.test(path) ? `'${path.replaceAll("'", String.raw`'\''`)}'` : path;
}

/** @returns what to print, or undefined for a call that makes no sense */
function answer(words: readonly string[]): string | undefined {
  const [command, ...rest] = words;
  if (command === "path" && rest.length === 1 && ["c", "cpp", "rust"].includes(rest[0] as string)) return `${folder(rest[0] as string)}\n`;
  if (command === "--help" || command === "-h") return HELP;
  if (command !== "emscripten" || rest.length === 0) return undefined;
  if (rest.includes("--help") || rest.includes("-h")) return HELP;
  const flags: string[] = [];
  for (const word of rest) {
    if (word === "--cflags") flags.push(`-I${quoted(folder("c"))}`, `-I${quoted(folder("cpp"))}`, "-isystem", quoted(`${folder("cpp")}/compat`));
    else if (word === "--ldflags") {
      for (const library of ["tokiwa-lib.js", "tokiwa-threads-lib.js"]) flags.push("--js-library", quoted(`${folder("c")}/${library}`));
      flags.push("-sALLOW_TABLE_GROWTH");
    } else if (word === "--pthread") flags.push("-pthread", "--js-library", quoted(`${folder("c")}/tokiwa-pthread-lib.js`));
    else if (word === "--asyncify") flags.push("-sASYNCIFY", `-sASYNCIFY_IMPORTS=${BLOCKING_CALLS.join()}`);
    else return undefined;
  }
  return `${flags.join(" ")}\n`;
}

const host = (globalThis as unknown as { process: CommandLine }).process;
const text = answer(host.argv.slice(2));
if (text !== undefined) host.stdout.write(text);
else {
  host.stderr.write(HELP);
  host.exitCode = 2;
}
