// examples/chat-page with two visitors: the server runs on tokiwa/net, the page on WebSocketClient.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { keepPicture, launchChromium } from "../support/browser.ts";

interface Chat {
  port: number;
  stop: () => void;
  dropAll: () => void;
}

let chat: Chat;
let browser: Browser;
beforeAll(async () => {
  const { startChat } = (await import(new URL("../../examples/chat-page/server.mjs", import.meta.url).href)) as { startChat: (port: number) => Promise<Chat> };
  chat = await startChat(0);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  chat.stop();
});

async function enter(name: string): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage({ viewport: { width: 900, height: 560 } });
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(`http://127.0.0.1:${chat.port}/`);
  await page.fill("#name", name);
  await page.click("#enter button");
  await page.waitForSelector("#status[data-state=here]");
  return { page, problems };
}

const messages = (page: Page): Promise<string[]> => page.$$eval("#messages li", (items) => items.map((item) => item.textContent ?? ""));
const members = (page: Page): Promise<string[]> => page.$$eval("#members li", (items) => items.map((item) => item.textContent ?? ""));
const until = (page: Page, text: string): Promise<unknown> => page.waitForFunction((wanted) => document.querySelector("#messages")?.textContent?.includes(wanted), text);

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

test("two visitors hear each other, and come back when the connection is lost", async () => {
  const ada = await enter("ada");
  const bob = await enter("bob");
  await until(ada.page, "bob has entered");
  await say(ada.page, "hello bob, <b>are</b> you there?");
  await until(bob.page, "hello bob, <b>are</b> you there?");
  await say(bob.page, "yes, and this page runs on tokiwa: one task hears, one speaks, one connects again.");
  await until(ada.page, "one connects again.");
  expect(await messages(ada.page)).toEqual([
    "ada has entered",
    "bob has entered",
    "hello bob, <b>are</b> you there?",
    "bobyes, and this page runs on tokiwa: one task hears, one speaks, one connects again.",
  ]);
  expect(await members(bob.page)).toEqual(["ada", "bob"]);

  // The connection is lost for a tenth of a second only: what is typed then is typed by the page itself.
  await ada.page.evaluate(() => {
    const status = document.querySelector("#status") as HTMLElement;
    new MutationObserver((_, observer) => {
      if (status.dataset["state"] !== "lost") return;
      observer.disconnect();
      (document.querySelector("#text") as HTMLInputElement).value = "typed while away";
      (document.querySelector("#say") as HTMLFormElement).requestSubmit();
    }).observe(status, { attributes: true });
  });
  chat.dropAll();
  await until(ada.page, "typed while away");
  await bob.page.waitForSelector("#status[data-state=here]");
  await keepPicture(ada.page, "chat-page");

  await bob.page.close();
  await vi.waitFor(async () => expect(await members(ada.page)).toEqual(["ada"]), 20_000);
  expect(ada.problems.filter((text) => !text.includes("WebSocket"))).toEqual([]);
});
