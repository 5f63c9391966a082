// SHA-256 of every file below a folder, on a pool. Run: node examples/threads/hash-files.mjs [folder] [threads]
//
// The workers read the files themselves, so only names and digests travel. Output is in the order of the names, and the
// last line says what was hashed.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { availableParallelism } from "node:os";
import { ThreadPool } from "tokiwa/threads";

/** Runs in the workers: what it needs it imports there. */
async function hash(path) {
  const { createHash } = await import("node:crypto");
  const { createReadStream } = await import("node:fs");
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { digest: digest.digest("hex"), bytes };
}

const [folder = fileURLToPath(new URL("../../bindings", import.meta.url)), threads = String(availableParallelism())] = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();

const pool = new ThreadPool({ size: Number(threads), name: "hash" });
let failed = 0;
try {
  const jobs = files.map((file) => pool.exec(hash, file));
  let total = 0;
  for (const [n, job] of jobs.entries()) {
    const { status, value, reason } = await job.result();   // a file that cannot be read fails its own job only
    if (status === "fulfilled") {
      total += value.bytes;
      console.log(`${value.digest}  ${files[n]}`);
    } else {
      failed++;
      console.log(`${reason.code}  ${files[n]}`);
    }
  }
  console.log(`${files.length - failed} files, ${total} bytes, on ${pool.size} threads`);
} finally {
  await pool.shutdown();
}
process.exitCode = failed > 0 ? 1 : 0;
