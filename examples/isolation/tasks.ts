import { defineTask } from "etask";

/** Uses a whole core for a while, in a thread, so that the worker goes on meanwhile. */
export const countPrimes = defineTask({
  name: "primes.count",
  isolate: "thread",
  run({ below }: { below: number }, ctx) {
    let count = 0;
    for (let number = 2; number < below; number += 1) {
      if (isPrime(number)) count += 1;
      if (number % 10_000 === 0) ctx.progress((100 * number) / below);
    }
    return count;
  },
});

/** Code that nobody has read to the end, in a process of its own. */
export const runPlugin = defineTask({
  name: "plugin.run",
  isolate: { kind: "process", memory: "256MiB" },
  timeout: { hard: "5s" },
  run({ plugin }: { plugin: string }): string {
    if (plugin === "endless") for (;;);
    if (plugin === "greedy")
      for (const held: unknown[] = []; ; ) held.push(new Array(10_000).fill(1));
    if (plugin === "rude") process.exit(1);
    if (plugin === "broken") process.abort();
    return `${plugin} ran in process ${process.pid}`;
  },
});

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor += 1) {
    if (number % divisor === 0) return false;
  }
  return true;
}
