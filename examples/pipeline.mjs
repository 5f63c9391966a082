// A pipeline with backpressure: read -> parse (4 workers) -> write. Run: node examples/pipeline.mjs
//
// Each stage is joined to the next by a channel with little room, so the reader goes at the pace of the slowest
// stage: memory stays flat however long the input is. Closing runs down the line: a stage that is
// finished closes its sender, and the next one sees the end of its loop.
import { join, mpsc, run, sleep, spawn } from "tokiwa";

const LINES = 200;
const WORKERS = 4;
const ROOM = 8;

let inFlight = 0;
let mostInFlight = 0;

/** Stands for a file or a socket that is always faster than we are. */
function* read(lines) {
  for (let i = 0; i < LINES; i++) {
    yield* lines.send(`{"id":${i},"cost":${(i * 7) % 5}}`);
    mostInFlight = Math.max(mostInFlight, ++inFlight);
  }
  lines.close();
}

/** Several of these share one receiver: each line goes to one of them. */
async function parse(lines, records) {
  for await (const line of lines) {
    const record = JSON.parse(line);
    await sleep(record.cost);                              // a database, say
    await records.send(record);
  }
  records.close();
}

async function write(records) {
  let count = 0;
  for await (const record of records) {
    if (record.id % 50 === 0) console.log(`record ${record.id}`);
    count++;
    inFlight--;
  }
  return count;
}

await run(async () => {
  const [lines, unparsed] = mpsc(ROOM);
  const [records, parsed] = mpsc(ROOM);

  const reader = spawn(read, lines);
  const workers = Array.from({ length: WORKERS }, () => spawn(parse, unparsed, records.clone()));
  records.close();                                         // the clones are what counts from here on
  const writer = spawn(write, parsed);

  await join(reader, ...workers);
  console.log(`${await writer} records written; at most ${mostInFlight} were in flight`);
  if (mostInFlight > 2 * ROOM + 2 * WORKERS + 1) throw new Error("the reader ran ahead of the writer");
});
