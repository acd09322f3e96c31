/** What producers and workers share. */
import { defineTask } from "etask";
import { z } from "zod";

export const countWords = defineTask({
  name: "text.count-words",
  input: z.object({ text: z.string().max(10_000) }),
  run: ({ text }) => ({ words: text.split(/\s+/).filter((word) => word !== "").length }),
});
