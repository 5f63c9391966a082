// Runs programs in pages of Firefox, without any driver: the page reports by POST, as in Chromium (browser.ts).
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { servePages, type Scenario } from "./server.ts";

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

async function launch(url: string): Promise<{ browser: ChildProcess; end(): Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), "tokiwa-firefox-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  const browser = spawn(process.env["FIREFOX_PATH"] ?? "firefox-esr", ["--headless", "--no-remote", "--profile", profile, url], {
    env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" },   // root has no sandbox in a container
    stdio: "ignore",
    detached: true,
  });
  const exited = new Promise<void>((resolve) => browser.once("exit", () => resolve()));
  return {
    browser,
    async end() {
      if (browser.pid !== undefined && browser.exitCode === null) process.kill(-browser.pid, "SIGKILL");   // it has children
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * Runs a program of test/browser/pages in a new Firefox.
 *
 * @returns what its default export resolved with, through JSON
 */
export async function runInFirefox<T>(scenario: Scenario, program: string, argument: unknown = null, timeoutMs = 60_000): Promise<T> {
  const server = await servePages(scenario);
  const query = new URLSearchParams({ id: "1", program: `/${program}`, argument: JSON.stringify(argument) });
  const { browser, end } = await launch(`${server.origin}/test/browser/pages/harness.html?${query}`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${program} (${scenario}) did not report within ${timeoutMs} ms`)), timeoutMs);
    browser.once("error", reject);
  });
  try {
    const report = await Promise.race([server.report("1"), late]);
    if (report.error !== undefined || report.violations.length > 0) throw new Error([`${program} (${scenario}): ${report.error}`, ...report.violations].join("\n"));
    return report.value as T;
  } finally {
    clearTimeout(timer);
    await end();
    await server.close();
  }
}
