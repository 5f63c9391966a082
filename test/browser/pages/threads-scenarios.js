// The list of test/hosts/threads.mjs in a page: "ok" or the error's text, and the milliseconds it took, by title.
import { threadPrograms } from "../../hosts/threads.mjs";

export default async ({ transport, settings }) => {
  const results = {};
  for (const [title, program] of Object.entries(threadPrograms(transport, settings))) {
    try {
      await program();
      results[title] = "ok";
    } catch (error) {
      results[title] = error?.stack ?? String(error);
    }
  }
  return results;
};
