/**
 * A program that writes to an embedded store until it is killed: `writer.ts DIRECTORY NAME
 * [COUNT]`.
 *
 * Each of its chains writes numbers, one after another: two keys that hold the number, and the
 * chain's last number, in one part. It says each number on its standard output when, and only when,
 * the store has said that it is on disk.
 */
import { writeSync } from "node:fs";
import { openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { del, keyUnchanged, put } from "../../src/store/part.ts";
import { CHAINS, KEPT, lastKey, pairKeys, textOf } from "./chain.ts";

const [directory = "", name = "", count = "1000000"] = process.argv.slice(2);
const store = await openEmbeddedStore({ directory });
writeSync(1, "open\n");

async function write(chain: string): Promise<void> {
  const entry = await store.get(lastKey(chain));
  let number = entry ? Number(Buffer.from(entry.value).toString()) : 0;
  let revision = entry?.modRevision ?? 0;
  for (let done = 0; done < Number(count); done += 1) {
    number += 1;
    const value = Buffer.from(textOf(chain, number));
    const [one, other] = pairKeys(chain, number);
    const [oldOne, oldOther] = pairKeys(chain, number - KEPT);
    const old = number > KEPT ? [del(oldOne), del(oldOther)] : [];
    const last = put(lastKey(chain), Buffer.from(String(number)));
    const guards = [keyUnchanged(lastKey(chain), revision)];
    const [result] = await store.commit([
      { guards, writes: [put(one, value), put(other, value), last, ...old] },
    ]);
    if (result?.applied !== true) throw new Error(`${chain} is not where it was: ${number}`);
    revision = result.revision;
    writeSync(1, `${chain} ${number}\n`);
  }
}

await Promise.all(Array.from({ length: CHAINS }, (_, index) => write(`${name}-${index}`)));
await store.close();
