// The part of vitest that the suites use, for hosts in which vitest does not run: it stands in for it in the bundle
// that scripts/suite.mjs makes. The assertions are vitest's own.
import { addCustomEqualityTesters, ASYMMETRIC_MATCHERS_OBJECT, chai, getState, GLOBAL_EXPECT, JestAsymmetricMatchers, JestChaiExpect, JestExtend, setState } from "@vitest/expect";
import { fn } from "@vitest/spy";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const assertion = (value: unknown, message?: string): unknown => {
  const { assertionCalls } = getState(assertion as never);
  setState({ assertionCalls: assertionCalls + 1 }, assertion as never);
  return chai.expect(value, message);
};
export const expect = Object.assign(assertion, chai.expect, (globalThis as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT], {
  getState: () => getState(assertion as never),
  setState: (state: object) => setState(state, assertion as never),
  addEqualityTesters: addCustomEqualityTesters,
});
(globalThis as Record<symbol, unknown>)[GLOBAL_EXPECT] = expect;
setState({ assertionCalls: 0, currentTestName: "" }, expect as never);

export const vi = { fn, setConfig() {} };

type Body = () => unknown;
interface Test {
  readonly title: string;
  readonly body: Body;
  readonly after: readonly Body[];
}
export interface Failure {
  readonly title: string;
  readonly error: string;
}

/** A test that takes longer has failed. */
const TIMEOUT_MS = 20_000;

const tests: Test[] = [];
let path: string[] = [];
let hooks: Body[] = [];

/** A title as vitest prints it: %s, %i and %d are the arguments in turn. */
function format(title: string, values: readonly unknown[]): string {
  let at = 0;
  return title.replace(/%[sidfjo]/g, (match) => (at < values.length ? String(values[at++]) : match));
}

const spread = (row: unknown): unknown[] => (Array.isArray(row) ? row : [row]);

/** What is declared from now on belongs to this file. */
export function beginFile(name: string): void {
  path = [name];
  hooks = [];
}

export const describe = Object.assign(
  (title: string, body: Body) => {
    const outer = { path, hooks };
    path = [...path, title];
    hooks = [...hooks];
    body();
    ({ path, hooks } = outer);
  },
  {
    each: (rows: readonly unknown[]) => (title: string, body: (...args: unknown[]) => void) => {
      for (const row of rows) describe(format(title, spread(row)), () => body(...spread(row)));
    },
  },
);

export const test = Object.assign(
  (title: string, body: Body) => {
    tests.push({ title: [...path, title].join(" > "), body, after: [...hooks] });
  },
  {
    each: (rows: readonly unknown[]) => (title: string, body: (...args: unknown[]) => unknown) => {
      for (const row of rows) test(format(title, spread(row)), () => body(...spread(row)));
    },
  },
);

export function afterEach(hook: Body): void {
  hooks.push(hook);
}

async function limited(body: Body): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not end within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs what was declared, one after the other.
 *
 * @param leaveOut titles that this host cannot run
 */
export async function runTests(leaveOut: readonly RegExp[]): Promise<{ passed: number; left: string[]; failed: Failure[] }> {
  const failed: Failure[] = [];
  const left: string[] = [];
  let passed = 0;
  for (const { title, body, after } of tests) {
    if (leaveOut.some((pattern) => pattern.test(title))) {
      left.push(title);
      continue;
    }
    try {
      await limited(body);
      for (const hook of after) await limited(hook);
      passed++;
    } catch (error) {
      failed.push({ title, error: error instanceof Error ? `${error.stack}` : String(error) });
    }
  }
  return { passed, left, failed };
}
