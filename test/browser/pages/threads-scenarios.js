// The list of test/hosts/threads.mjs in a page: "ok" or the error's text, by title.
import { threadPrograms } from "../../hosts/threads.mjs";

export default async ({ transport, settings }) => {
  const results = {};
  for (const [title, program] of Object.entries(threadPrograms(transport, settings))) {
    let timer;
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error("it stood still for 25 s")), 25_000);
    });
    try {
      await Promise.race([program(), late]);
      results[title] = "ok";
    } catch (error) {
      results[title] = error?.stack ?? String(error);
    } finally {
      clearTimeout(timer);
    }
  }
  return results;
};
