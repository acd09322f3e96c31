/**
 * A task as a class: for handlers that need something from outside, such as a client or a setting.
 *
 *   node --import tsx examples/class-task.ts
 */
import { BaseTask, createApp, type TaskContext } from "etask";

/** Where prices come from; in a test it would be another one. */
interface PriceList {
  priceOf(article: string): Promise<number>;
}

interface Order {
  readonly articles: readonly string[];
}

class QuoteOrder extends BaseTask<Order, { total: number }, { article: string }> {
  override readonly name = "order.quote";
  override readonly retry = { attempts: 5, backoff: "exponential" } as const;
  readonly #prices: PriceList;

  constructor(prices: PriceList) {
    super();
    this.#prices = prices;
  }

  override async run({ articles }: Order, ctx: TaskContext<{ article: string }>) {
    let total = 0;
    for (const article of articles) {
      total += await this.#prices.priceOf(article);
      ctx.advance(100 / articles.length, { article });
    }
    return { total };
  }
}

const prices = new Map([
  ["cable", 7],
  ["disk", 120],
]);
const quoteOrder = new QuoteOrder({ priceOf: async (article) => prices.get(article) ?? 0 });

await using app = await createApp({ tasks: [quoteOrder] });
await using worker = app.createWorker();
await worker.start();

const quote = await quoteOrder.delay({ articles: ["cable", "cable", "disk"] });
const { total } = await quote.result({ timeout: "30s" });
console.log(`the order costs ${total}`);
