import { select, sleep, spawn } from "../../../dist/index.js";
import { BufReader, BufWriter, WebTransportClient } from "../../../dist/net.js";

const bytes = (text) => new TextEncoder().encode(text);

export default async ({ port, hash }) => {
  const value = Uint8Array.from(atob(hash), (character) => character.charCodeAt(0));
  const serverCertificateHashes = [{ algorithm: "sha-256", value }];
  const client = await WebTransportClient.connect(`https://127.0.0.1:${port}/`, { serverCertificateHashes });

  // Streams we open: the server sends back what comes.
  const echoes = await Promise.all(
    ["one", "two"].map(async (word) => {
      const stream = await client.openStream();
      const lines = new BufReader(stream);
      const writer = new BufWriter(stream);
      await writer.writeAll(bytes(`${word}\n`));
      await writer.flush();
      return lines.readLine();
    }),
  );

  // Streams the server opens, once it was asked to: an accept that was dropped before loses none.
  const early = client.acceptStream();
  const { name } = await select({ early, late: sleep(50) });
  const asking = await client.openStream();
  await asking.write(bytes("call me\n"));
  const called = await client.acceptStream();
  const greeting = await new BufReader(called).readLine();

  // Many bytes, with the streams' own backpressure.
  const bulk = await client.openStream();
  const total = 1 << 20;
  spawn(async () => {
    const piece = new Uint8Array(10_000).fill(7);
    for (let left = total; left > 0; ) left -= await bulk.write(piece.subarray(0, Math.min(left, piece.length)));
  });
  let got = 0;
  const buffer = new Uint8Array(65_536);
  while (got < total) {
    const count = await bulk.read(buffer);
    if (count === 0 || buffer.subarray(0, count).some((byte) => byte !== 7)) break;
    got += count;
  }

  const pending = spawn(client.acceptStream());
  client.close(7, "done");
  const { status, value: end } = await pending.result();
  const refused = await WebTransportClient.connect(`https://127.0.0.1:${port}/`, { serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(32) }] }).then(() => "connected", (error) => error.code);
  return { echoes, name, greeting, got, ended: status === "rejected" || end === undefined, refused };
};
