// The suites of test/ in any host: `bun build/hosts/suite.mjs`, or as the program of a page. See scripts/suite.mjs.
import { beginFile, type Failure, runTests } from "./vitest.ts";

type Host = "bun" | "deno" | "node" | "page";
const globals = globalThis as Record<string, any>;
const host: Host = "Bun" in globals ? "bun" : "Deno" in globals ? "deno" : "process" in globals ? "node" : "page";
if (host === "bun") globals["gc"] ??= () => globals["Bun"].gc(true);

/** What a host cannot do, by title, and why. */
const LEAVE_OUT: Record<Host, readonly (readonly [title: RegExp, why: string])[]> = {
  node: [],
  deno: [],
  bun: [[/lists no frames of ours, and the limit of frames stays/, "its engine has no Error.stackTraceLimit"]],
  page: [
    [/^sync_mutex .* blockingLock outside of tasks/, "a page may not block for a timer"],
    [/^task_join_set .* failures that nobody takes are reported/, "listens to the process"],
    [/^time_sleep .* a waker that throws is reported/, "listens to the process"],
    [/^task_local .* each task sees its own value, across waits/, "no async context: values do not reach past foreign awaits"],
    [/^time_sleep .* (async functions finish their turn before|an async task that waits for the host's own timer)/, "no async context: the scheduler cannot tell what an async function waits for"],
    [/^task_abort > async functions > (reaches it wherever|suspended on a foreign promise|result\(\) and a handle's await)/, "no async context: an abort does not reach past foreign awaits"],
  ],
};

export interface Report {
  readonly host: Host;
  readonly passed: number;
  readonly left: string[];
  readonly failed: Failure[];
}

/** Returns the program: what it resolves with is for a page's harness; elsewhere it prints. */
export function main(suites: readonly [name: string, load: () => Promise<unknown>][]): (only?: string | null) => Promise<Report> {
  const program = async (only?: string | null): Promise<Report> => {
    for (const [name, load] of suites) {
      if (only && !name.includes(only)) continue;
      beginFile(name);
      await load();
    }
    return { host, ...(await runTests(LEAVE_OUT[host].map(([title]) => title))) };
  };
  if (host !== "page") void printed(program);
  return program;
}

async function printed(program: (only?: string) => Promise<Report>): Promise<void> {
  const { passed, left, failed } = await program(globals["process"]?.argv?.[2]);
  for (const title of left) console.log(`left out: ${title} (${LEAVE_OUT[host].find(([pattern]) => pattern.test(title))?.[1]})`);
  for (const { title, error } of failed) console.log(`FAILED ${title}\n${error}`);
  console.log(`${passed} passed, ${failed.length} failed`);
  if (failed.length > 0) globals["process"].exitCode = 1;
}
