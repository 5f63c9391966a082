import { run, spawn } from "/dist/index.js";
import { WebSocketClient } from "/dist/net.js";

/** Echoes over a WebSocket, then lets a flood run into the receive limit. */
export default async function websocket({ echo, flood }) {
  return run(async () => {
    const client = await WebSocketClient.connect(echo);
    const receiving = spawn(async () => {
      const got = [];
      for await (const message of client) got.push(typeof message === "string" ? message : [...message].join());
      return got;
    });
    await client.send("text");
    await client.send(new Uint8Array([1, 2, 3]));
    await client.send("close");
    const echoed = await receiving;

    let socket;
    const Watched = class extends WebSocket {
      constructor(...args) {
        super(...args);
        socket = this;
      }
    };
    const flooded = await WebSocketClient.connect(flood, { receiveLimit: 5000, WebSocket: Watched });
    while (socket.readyState === WebSocket.OPEN) await new Promise((resolve) => setTimeout(resolve, 5));
    let received = 0;
    let code = "none";
    try {
      while ((await flooded.recv()) !== undefined) received++;
    } catch (error) {
      code = error.code;
    }
    return { echoed, received, code };
  });
}
