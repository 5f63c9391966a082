// Results as a table for people and as JSON for programs.
import { execFileSync } from "node:child_process";
import { cpus, release } from "node:os";

const digits = (value) => (value >= 1000 ? Math.round(value).toLocaleString("en").replaceAll(",", " ") : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** Where and with what: without it, a stored number means nothing. */
export function situation(node) {
  const capture = (command, args) => {
    try {
      return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    } catch {
      return "unknown";
    }
  };
  const [version, v8] = capture(node, ["-p", "process.version + ' ' + process.versions.v8"]).split(" ");
  return {
    date: new Date().toISOString(),
    commit: capture("git", ["describe", "--always", "--dirty", "--abbrev=12"]),
    node: version,
    v8,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    platform: `${process.platform} ${process.arch} ${release()}`,
    flags: "--expose-gc --max-old-space-size=6144",
  };
}

/** One case as lines of text. */
export function table(result) {
  const isTime = result.kind === "time";
  const key = result.clock === "wall" ? "wallNs" : "ns";
  const unit = isTime ? `ns of ${result.clock === "wall" ? "wall" : "CPU"} time per ${result.unit}` : result.unit;
  const lines = [`${result.name}  (${unit}; ${result.turns} turns${result.tokio === undefined ? "" : `; native Tokio ${result.tokio}`})`];
  const width = Math.max(...Object.keys(result.sides).map((side) => side.length));
  for (const [side, outcome] of Object.entries(result.sides)) {
    const label = `  ${side.padEnd(width)}`;
    if (outcome.skipped !== undefined) lines.push(`${label}  skipped: ${outcome.skipped}`);
    else if (outcome.failed !== undefined) lines.push(`${label}  FAILED: ${outcome.failed}`);
    else {
      const { median, low, high } = outcome[key];
      const spread = `${digits(low)} to ${digits(high)}`;
      const ratio = outcome.ratio === undefined || side === result.base
        ? ""
        : `  ${digits(outcome.ratio.median)}x ${result.base} (${digits(outcome.ratio.low)} to ${digits(outcome.ratio.high)})`;
      lines.push(`${label}  ${digits(median).padStart(9)}  ${spread.padEnd(20)}${ratio}`);
    }
  }
  return lines.join("\n");
}

export const hasFailed = (result) => Object.values(result.sides).some((outcome) => outcome.failed !== undefined);
