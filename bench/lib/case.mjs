// What a benchmark is.
//
// A file bench/<group>/<name>.mjs exports an array of cases. `npm run bench [filter]` finds every one of them.
//
//   export default [
//     {
//       name: "mpsc_bounded_100",          // names its situation
//       unit: "message",                   // what one operation is; results are ns per operation
//       ops: 1000,                         // operations in one call of run()
//       answer: 499500,                    // what run() must return or resolve to, compared with ===
//       base: "array queue",               // ratios are <side> / <base>; default: the last side
//       clock: "cpu",                      // or "wall": what the ratios are made of; default cpu
//       tokio: "75",                       // optional: native Tokio, ns, from ARCHITECTURE section 7
//       timeoutMs: 120_000,                // optional: a side that takes longer is killed and reported
//       sides: {
//         generator: async () => {         // runs in a process of its own: import inside, nothing is shared
//           const { run } = await import("../lib/tokiwa.mjs");
//           return { run: () => ... };     // run() may return a promise. before() and after() are optional: they
//         },                               // surround each run() and are not measured; they may be async
//         "array queue": () => ({ run: () => ... }),
//       },
//       skip: { generator: () => "why not here" },            // optional: a reason, or undefined
//     },
//   ];
//
// The runner keeps one process per side and lets them take turns (A B C A B C ...). Each turn calls run() until
// it has used `turnMs` of CPU time, and gives ns per operation of CPU time (the whole process: also the
// collector's, the compiler's and workers' threads) and of wall time. A case about threads that wait should say
// `clock: "wall"`. Garbage is collected when it is due: a forced collection also throws optimized code away.
//
//   kind: "value"                          // run() returns the result itself (bytes, for instance), in `unit`
//   fresh: true                            // a new process for every turn, run() once in it, no warm-up
//   turns: 9                               // default: 15, with --quick 5

export const DEFAULT_TURNS = 15;
export const QUICK_TURNS = 5;
/** CPU time of one turn, in ms: far above the resolution of process.cpuUsage (1 us). */
export const TURN_MS = 40;
/** CPU time of calls before the first turn, in ms: the optimizing compilers are done after it. */
export const WARM_UP_MS = 250;

/** Checks what cannot be told later, so that a mistake names its file. */
export function checkCase(given, file) {
  const problem = (text) => new Error(`${file}: case ${given?.name ?? "without a name"} ${text}`);
  if (typeof given?.name !== "string") throw problem("needs a name");
  if (typeof given.unit !== "string") throw problem("needs a unit");
  if (given.kind !== "value" && !(given.ops > 0)) throw problem("needs ops, the operations in one run()");
  if (given.kind !== "value" && !("answer" in given)) throw problem("needs the answer of run()");
  const names = Object.keys(given.sides ?? {});
  if (names.length === 0) throw problem("has no sides");
  const base = given.base ?? names.at(-1);
  if (!names.includes(base)) throw problem(`has no side called ${base}`);
  return { clock: "cpu", timeoutMs: 120_000, turns: undefined, fresh: false, kind: "time", skip: {}, ...given, base, file };
}
