// Runs programs in pages of Firefox, without any driver: the page reports by POST, as in Chromium (browser.ts).
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PageReport, type PageServer, servePages, type Scenario } from "./server.ts";

const PREFERENCES = {
  "browser.shell.checkDefaultBrowser": false,
  "browser.aboutwelcome.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.enabled": false,
  "app.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "extensions.systemAddon.update.enabled": false,
  "services.settings.server": "http://127.0.0.1:9",
};

/** A browser that has not asked for the page by then will not. */
const START_MS = 40_000;
const KEPT_LINES = 15;

/** Firefox itself did not come so far as to ask for the page. */
class StartError extends Error {}

interface Launched {
  /** Rejects when the browser ends, which it never does by itself. */
  readonly ended: Promise<never>;
  /** The end of what it has printed. */
  said(): string;
  end(): Promise<void>;
}

/** Ends a browser and its children, which write into its profile as long as they live. */
async function killGroup(pid: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      return;                                              // nobody is left
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function launch(url: string): Promise<Launched> {
  const profile = await mkdtemp(join(tmpdir(), "tokiwa-firefox-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  const browser: ChildProcess = spawn(process.env["FIREFOX_PATH"] ?? "firefox-esr", ["--headless", "--no-remote", "--profile", profile, url], {
    env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" },   // root has no sandbox in a container
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let output = "";
  browser.stderr!.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-20_000)));
  const exited = new Promise<string>((resolve) => {
    browser.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
    browser.once("error", (error) => resolve(error.message));
  });
  const ended = exited.then((how) => Promise.reject(new Error(`Firefox: ${how}`)));
  ended.catch(() => {});                                   // ending it is no failure
  return {
    ended,
    said: () => output.trimEnd().split("\n").slice(-KEPT_LINES).join("\n"),
    async end() {
      if (browser.pid !== undefined) await killGroup(browser.pid);
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});   // a folder that is left is no failure
    },
  };
}

async function visit(server: PageServer, id: string, address: string, timeoutMs: number): Promise<PageReport> {
  const browser = await launch(address);
  const timers: ReturnType<typeof setTimeout>[] = [];
  const after = (ms: number, isFailure: () => boolean): Promise<never> =>
    new Promise((_, reject) => timers.push(setTimeout(() => isFailure() && reject(new Error(`no report within ${ms} ms`)), ms)));
  try {
    return await Promise.race([server.report(id), browser.ended, after(timeoutMs, () => true), after(Math.min(START_MS, timeoutMs), () => server.step(id) === undefined)]);
  } catch (error) {
    const step = server.step(id);
    const text = `${(error as Error).message}; the page was at: ${step ?? "not asked for yet"}\nlast on Firefox's stderr:\n${browser.said()}`;
    throw step === undefined ? new StartError(text) : new Error(text);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    await browser.end();
  }
}

/**
 * Runs a program of test/browser/pages in a new Firefox. One that does not come so far as to ask for the page is started once more:
 * nothing of ours has run there.
 *
 * @returns what its default export resolved with, through JSON
 */
export async function runInFirefox<T>(scenario: Scenario, program: string, argument: unknown = null, timeoutMs = 60_000): Promise<T> {
  const server = await servePages(scenario);
  const attempt = (id: string): Promise<PageReport> => {
    const query = new URLSearchParams({ id, program: `/${program}`, argument: JSON.stringify(argument) });
    return visit(server, id, `${server.origin}/test/browser/pages/harness.html?${query}`, timeoutMs);
  };
  const name = `${program} (${scenario})`;
  try {
    const report = await attempt("1").catch((error: unknown) => {
      if (!(error instanceof StartError)) throw error;
      console.warn(`${name}: Firefox is started once more: ${error.message}`);
      return attempt("2");
    }).catch((error: unknown) => {
      throw new Error(`${name}: ${(error as Error).message}`);
    });
    if (report.error !== undefined || report.violations.length > 0) throw new Error([`${name}: ${report.error}`, ...report.violations].join("\n"));
    return report.value as T;
  } finally {
    await server.close();
  }
}
