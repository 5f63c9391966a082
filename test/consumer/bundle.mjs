// node bundle.mjs <vite | esbuild | webpack> <project> <out>: builds the project's page, and prints what the bundler warns of.
import { cpSync } from "node:fs";
import { join } from "node:path";

const [bundler, project, out] = process.argv.slice(2);

const bundlers = {
  async vite() {
    const { build } = await import("vite");
    await build({ root: project, base: "./", configFile: false, logLevel: "warn", build: { outDir: out, target: "es2022", modulePreload: false }, worker: { format: "es" } });
  },

  async esbuild() {
    const { build } = await import("esbuild");
    await build({
      absWorkingDir: project,
      entryPoints: ["main.js", "worker.js"],                // the worker is an entry of its own
      outdir: out,
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      external: ["node:*"],
      logLevel: "warning",
    });
    cpSync(join(project, "index.html"), join(out, "index.html"));
  },

  async webpack() {
    const { default: webpack } = await import("webpack");
    const stats = await new Promise((resolve, reject) => {
      webpack({ mode: "production", context: project, entry: "./main.js", target: "web", output: { path: out, filename: "main.js" }, performance: false }, (error, result) => (error ? reject(error) : resolve(result)));
    });
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
    if (stats.hasWarnings()) console.log(stats.toString("errors-warnings"));
    cpSync(join(project, "index.html"), join(out, "index.html"));
  },
};

await bundlers[bundler]();
process.exit();                                            // bundlers may leave a watcher or a service behind
