// The page of the chat: one task connects again and again, and beside each connection one hears and one speaks.
//
// What is typed goes into a channel. While there is no connection it waits there, and goes out with the next one.
import { mpsc, select, sleep, spawn } from "/dist/index.js";
import { WebSocketClient } from "/dist/net.js";

const UNSENT = 32;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

const element = (id) => document.getElementById(id);
const [outbox, typed] = mpsc(UNSENT);
let unsent;
/** Our name as the server gave it: there may be two of the same. */
let own;

function show(kind, name, text) {
  const item = document.createElement("li");
  item.className = kind;
  if (name !== undefined) item.append(Object.assign(document.createElement("b"), { textContent: name }));
  item.append(text);
  const list = element("messages");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  if (isAtEnd || kind.includes("own")) list.scrollTop = list.scrollHeight;
}

function setStatus(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
}

function heard(message) {
  const { type, name, text, count, members } = JSON.parse(message);
  if (type === "welcome") {
    own = name;
    setStatus("here", `here as ${name}`);
  } else if (type === "said") show(name === own ? "said own" : "said", name === own ? undefined : name, text);
  else if (type === "missed") show("note", undefined, `${count} messages were missed`);
  else show("note", undefined, `${name} has ${type}`);
  if (members !== undefined) element("members").replaceChildren(...members.map((member) => Object.assign(document.createElement("li"), { textContent: member })));
}

async function hear(socket) {
  for await (const message of socket) heard(message);
}

/** A message that was taken and could not be sent is the first one of the next connection. */
async function speak(socket) {
  for (;;) {
    unsent ??= await typed.recv();
    await socket.send(unsent);
    unsent = undefined;
  }
}

/** One connection, until it ends. */
async function talk(name) {
  const socket = await WebSocketClient.connect(new URL("/chat", location.href));
  await socket.send(name);
  const hearing = spawn(hear, socket);
  const speaking = spawn(speak, socket);
  try {
    await select({ hearing, speaking });
  } finally {
    hearing.abort();
    speaking.abort();
    void socket.close();
  }
}

async function stay(name) {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const since = performance.now();
    try {
      await talk(name);
    } catch (error) {
      console.info(`not connected: ${error.message}`);
    }
    if (performance.now() - since > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
    setStatus("lost", "connection lost, trying again");
    await sleep(pauseMs);
  }
}

element("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  element("enter").hidden = true;
  element("say").hidden = false;
  element("text").focus();
  setStatus("away", "connecting");
  spawn(stay, element("name").value.trim());
});

element("say").addEventListener("submit", (event) => {
  event.preventDefault();
  try {
    outbox.trySend(element("text").value);
    element("text").value = "";
  } catch {
    setStatus("lost", "too much is unsent, wait a little");
  }
});
