/**
 * A kind of task of your own, made out of an ordinary one: what every task of the kind shares is
 * written once, and each of them says only what is its own.
 *
 *   node --import tsx examples/derive.ts
 */
import { createApp, defineTask, FinalError, type TaskDefinition } from "etask";

/** What a query task says of itself. */
interface QueryDefinition<In> extends Omit<TaskDefinition<In, Rows, unknown>, "run" | "progress"> {
  sql(input: In): string;
}

interface Rows {
  readonly rows: readonly string[];
}

/** The database of this example: one table, and a moment of trouble at the beginning. */
let troubles = 1;
function query(sql: string): Rows {
  if (!sql.startsWith("select")) throw new Error("SYNTAX");
  if (troubles-- > 0) throw new Error("DEADLOCK");
  return { rows: ["cable", "disk", "fan"] };
}

/** Tasks that run a query: they log it, know which errors are final, and have a count. */
function queryTask<In>({ sql, ...options }: QueryDefinition<In>) {
  return defineTask<In, Rows>({
    retry: { attempts: 3, delay: "50ms" },
    timeout: "30s",
    ...options,
    run(input, ctx) {
      const text = sql(input);
      ctx.log(text);
      return query(text);
    },
  }).derive({
    mapError: (error) =>
      (error as Error).message === "SYNTAX" ? new FinalError("The query is wrong.") : error,
    methods: (handle) => ({
      count: async () => (await handle.result({ timeout: "30s" })).rows.length,
    }),
  });
}

const articles = queryTask({
  name: "articles.below",
  sql: ({ price }: { price: number }) => `select name from article where price < ${price}`,
});
const broken = queryTask({ name: "articles.broken", sql: () => "selcet" });

await using app = await createApp({ tasks: [articles, broken] });
await using worker = app.createWorker();
await worker.start();

const handle = await articles.delay({ price: 200 });
const count = await handle.count();
for (const { attempt, text } of (await handle.log()).lines) console.log(`#${attempt} ${text}`);

const end = await (await broken.delay(undefined)).settle({ timeout: "30s" });
if (end.state === "failed") console.log(`broken: ${end.error.message}`);
console.log(`${count} articles`);
