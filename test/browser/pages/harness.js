// Imports the program named in the address, runs its default export and posts what came of it.
const query = new URLSearchParams(location.search);
const violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(`policy: ${event.violatedDirective} blocked ${event.blockedURI}`));

const id = query.get("id");
/** Programs say by this how far they have come: the test's error tells it when they stand still. */
globalThis.step = (name) => void fetch(`/step?id=${id}&name=${encodeURIComponent(name)}`, { method: "POST" }).catch(() => {});

const report = { violations };
try {
  const { default: program } = await import(query.get("program"));
  step("running");
  report.value = await program(JSON.parse(query.get("argument")));
} catch (error) {
  report.error = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error);
}
for (let turns = 3; turns > 0; turns--) await new Promise((resolve) => setTimeout(resolve, 20)); // violations are reported by later events
const body = JSON.stringify(report);
for (let tries = 3; tries > 0; tries--) {
  const isThere = await fetch(`/report?id=${id}`, { method: "POST", body }).then(() => true, () => false);
  if (isThere) break;
}
