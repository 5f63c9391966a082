// Random reads and writes on both ends of a connection at once, some of them dropped: what arrives is what was sent.
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { join, type Future, sleep, spawn, type Suspend, timeout, TimeoutError, yieldNow } from "tokiwa";
import type { TcpStream } from "tokiwa/net";
import { seed } from "./support/lanes.ts";
import { eventually, ORIGINS, withBarePeer } from "./support/net.ts";

const BYTES = 3 << 20;

/** Numbers from 0 to `limit` - 1, the same for the same seed. */
function randomOf(start: number): (limit: number) => number {
  let state = start >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** The byte at each place of a stream. */
const byteAt = (at: number, salt: number): number => (at * 31 + (at >>> 9) + salt) & 255;

function* write(stream: TcpStream, random: (limit: number) => number): Generator<Suspend, void> {
  const make = (at: number, length: number): Uint8Array => new Uint8Array(length).map((_, i) => byteAt(at + i, 1));
  for (let at = 0; at < BYTES; ) {
    const length = Math.min(BYTES - at, random(4) === 0 ? random(200_000) : random(3000));
    const bytes = make(at, length);
    const kind = random(4);
    if (kind === 0) {
      at += yield* stream.write(bytes);
    } else if (kind === 1) {
      const cut = random(length + 1);
      yield* stream.writeAll([bytes.subarray(0, cut), new Uint8Array(0), bytes.subarray(cut)]);
      at += length;
    } else if (kind === 2) {
      try {
        at += yield* timeout(random(2), stream.write(bytes));   // dropped while pending: nothing was written
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
      }
    } else {
      yield* stream.writeAll(bytes);
      at += length;
      if (random(3) === 0) yield* stream.flush();
    }
    if (random(8) === 0) yield* yieldNow();
  }
  yield* stream.shutdown();
}

function* read(stream: TcpStream, random: (limit: number) => number): Generator<Suspend, number> {
  let wrong = 0;
  let at = 0;
  const check = (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== byteAt(at + i, 2)) wrong++;
  };
  for (;;) {
    const into = new Uint8Array(1 + (random(3) === 0 ? random(150_000) : random(2000)));
    const kind = random(5);
    let reading: Future<number> = kind === 0 && BYTES - at >= into.length ? stream.readExact(into) : kind === 1 ? stream.peek(into) : stream.read(into);
    if (kind >= 3) reading = timeout(random(2), reading);
    try {
      const count = yield* reading;
      check(into.subarray(0, count));
      if (kind === 1) continue;
      if (count === 0) break;
      at += count;
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
    }
    if (random(20) === 0) yield* sleep(1);
  }
  return wrong === 0 ? at : -wrong;
}

/** The bare end: sends in bursts, and stops reading now and then. */
function play(peer: Socket, random: (limit: number) => number): Promise<number> {
  let sent = 0;
  const send = (): void => {
    while (sent < BYTES) {
      const length = Math.min(BYTES - sent, 1 + random(100_000));
      const bytes = Buffer.alloc(length);
      for (let i = 0; i < length; i++) bytes[i] = byteAt(sent + i, 2);
      sent += length;
      if (!peer.write(bytes)) {
        peer.once("drain", send);
        return;
      }
    }
    peer.end();
  };
  let at = 0;
  let wrong = 0;
  return new Promise((resolve) => {
    peer.on("data", (data: Buffer) => {
      for (let i = 0; i < data.length; i++) if (data[i] !== byteAt(at + i, 1)) wrong++;
      at += data.length;
      if (random(10) > 0) return;
      peer.pause();
      setTimeout(() => peer.resume(), random(4));
    });
    peer.on("end", () => resolve(wrong === 0 ? at : -wrong));
    send();
  });
}

describe.each(ORIGINS)("a stream that was %s", (origin) => {
  test(`random operations both ways (seed ${seed})`, { timeout: 60_000 }, async () => {
    const [stream, peer] = await withBarePeer(origin);
    const received = play(peer, randomOf(seed + 1));
    const [got] = await join(spawn(read, stream, randomOf(seed + 2)), spawn(write, stream, randomOf(seed + 3)));
    expect(got).toBe(BYTES);
    expect(await received).toBe(BYTES);
    await eventually(() => peer.destroyed, "both ends to be closed");
    stream.close();
  });
});
