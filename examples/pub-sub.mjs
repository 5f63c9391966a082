// A hub for publishers and subscribers, with a topic each. Run: node examples/pub-sub.mjs
//
// broadcast carries the events, watch the state that newcomers need first, and a oneshot the answer to a
// question. A subscriber that is too slow loses the oldest events and is told how many; it never holds the others up.
import { broadcast, LaggedError, mpsc, oneshot, RecvError, run, sleep, spawn, watch, yieldNow } from "tokiwa";

/** One actor owns the topics: nobody else touches the map. */
async function hub(requests) {
  const topics = new Map();
  const topic = (name) => {
    if (!topics.has(name)) topics.set(name, { events: broadcast(16)[0], latest: watch(undefined)[0] });
    return topics.get(name);
  };
  for await (const { kind, name, event, reply } of requests) {
    const { events, latest } = topic(name);
    if (kind === "subscribe") reply.send({ events: events.subscribe(), latest: latest.subscribe() });
    else {
      latest.sendReplace(event);
      if (events.receiverCount > 0) events.send(event);
    }
  }
  for (const { events, latest } of topics.values()) {
    events.close();                                        // the subscribers' loops end
    latest.close();
  }
}

async function subscribe(requests, name) {
  const [reply, answer] = oneshot();
  await requests.send({ kind: "subscribe", name, reply });
  return answer;
}

/** Reads until the end; a pause after each event, in milliseconds, makes it a slow one. */
function* follow(label, { events, latest }, pause) {
  let seen = 0;
  let lost = 0;
  for (;;) {
    try {
      yield* events.recv();
      seen++;
      if (pause > 0) yield* sleep(pause);
    } catch (error) {
      if (error instanceof LaggedError) lost += error.skipped;
      else if (error instanceof RecvError) break;
      else throw error;
    }
  }
  console.log(`${label}: ${seen} events, ${lost} lost, the latest is ${latest.borrow()}`);
  return seen + lost;
}

await run(async () => {
  const [requests, inbox] = mpsc(16);
  const actor = spawn(hub, inbox);

  const quick = spawn(follow, "quick", await subscribe(requests, "news"), 0);
  const slow = spawn(follow, "slow", await subscribe(requests, "news"), 2);

  for (let i = 1; i <= 100; i++) {
    await requests.send({ kind: "publish", name: "news", event: `event ${i}` });
    await yieldNow();                                      // a publisher that takes a breath, as those of a network do
  }

  const late = await subscribe(requests, "news");
  console.log(`late: begins with ${late.latest.borrow()}`);

  requests.close();
  await actor;
  if ((await quick) !== 100 || (await slow) !== 100) throw new Error("an event was neither seen nor counted as lost");
});
