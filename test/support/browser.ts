// Runs programs in pages of Chromium.
//
// A program is a module below test/browser/pages (or test/hosts) whose default export is an async function. The page
// loads it by <script src>, so that nothing of the harness needs what a strict policy forbids, and posts its result.
// A console error, an uncaught error, a failed request or a policy violation is a problem, and fails the run
// unless the test asks for the problems.
import { chromium, type Browser, type Page } from "playwright-core";
import { servePages, type PageServer, type Scenario } from "./server.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface RunOptions {
  /** Passed to the program; must survive JSON. */
  argument?: unknown;
  /** default 60 000 */
  timeoutMs?: number;
  /** Return problems instead of throwing them. */
  allowProblems?: boolean;
}

export interface RunResult<T> {
  readonly value: T;
  readonly problems: string[];
}

/** Starts Chromium; one that dies while it starts is started once more: nothing of ours has run there. */
export async function launchChromium(args: readonly string[] = FLAGS): Promise<Browser> {
  const options = { executablePath: process.env["CHROME_PATH"] ?? "/usr/bin/chromium", args: [...args] };
  try {
    return await chromium.launch(options);
  } catch (error) {
    console.warn(`Chromium is started once more: ${(error as Error).message}`);   // with the end of its stderr
    return chromium.launch(options);
  }
}

export class PageHarness {
  readonly #browser: Browser;
  readonly #servers = new Map<Scenario, Promise<PageServer>>();
  #nextId = 1;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /**
   * @param extraFlags for Chromium, e.g. `--js-flags=--expose-gc`
   * @param withoutFlags of those that are usual here
   */
  static async start(extraFlags: readonly string[] = [], withoutFlags: readonly string[] = []): Promise<PageHarness> {
    return new PageHarness(await launchChromium([...FLAGS.filter((flag) => !withoutFlags.includes(flag)), ...extraFlags]));
  }

  /** The server of a kind of page; started when first asked for. */
  server(scenario: Scenario): Promise<PageServer> {
    let server = this.#servers.get(scenario);
    if (!server) this.#servers.set(scenario, (server = servePages(scenario)));
    return server;
  }

  /**
   * Runs a program in a new page and returns what its default export resolved with (through JSON).
   *
   * @param program path from the root of the repository, e.g. `test/browser/pages/smoke.js`
   */
  async run<T>(scenario: Scenario, program: string, { argument = null, timeoutMs = 60_000, allowProblems = false }: RunOptions = {}): Promise<RunResult<T>> {
    const server = await this.server(scenario);
    const id = String(this.#nextId++);
    const query = new URLSearchParams({ id, program: `/${program}`, argument: JSON.stringify(argument) });
    const context = await this.#browser.newContext();
    try {
      const page = await context.newPage();
      const problems = watchProblems(page);
      await page.goto(`${server.origin}/test/browser/pages/harness.html?${query}`);
      const report = await withTimeout(server.report(id), timeoutMs, () => `${program} (${scenario}) did not report within ${timeoutMs} ms; it was at: ${server.step(id) ?? "not asked for yet"}\n${problems.join("\n")}`);
      problems.push(...report.violations);
      if (report.error !== undefined) throw new Error([`${program} (${scenario}): ${report.error}`, ...problems].join("\n"));
      if (problems.length > 0 && !allowProblems) throw new Error([`${program} (${scenario}) had problems:`, ...problems].join("\n"));
      return { value: report.value as T, problems };
    } finally {
      await context.close();
    }
  }

  /** A bare page for a test that steers it itself. */
  async open(scenario: Scenario, path: string): Promise<{ page: Page; problems: string[] }> {
    const server = await this.server(scenario);
    return this.visit(`${server.origin}/${path}`);
  }

  /** A page of some other server. */
  async visit(address: string): Promise<{ page: Page; problems: string[] }> {
    const page = await this.#browser.newPage();
    const problems = watchProblems(page);
    await page.goto(address);
    return { page, problems };
  }

  async close(): Promise<void> {
    await this.#browser.close();
    for (const server of this.#servers.values()) await (await server).close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function watchProblems(page: Page): string[] {
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console.error: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("crash", () => problems.push("the page has crashed"));
  page.on("requestfailed", (request) => problems.push(`request failed: ${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`);
  });
  return problems;
}

async function withTimeout<T>(work: Promise<T>, ms: number, message: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message())), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps a picture of a page in the folder SCREENSHOTS, if that is set. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const { SCREENSHOTS } = process.env;
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
}
