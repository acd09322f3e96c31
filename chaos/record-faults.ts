import { put } from "../src/store/part.ts";
import type { Store } from "../src/store/store.ts";
import { StoreError } from "../src/store/store-errors.ts";
import type { Fault } from "./places/place.ts";

/** In every key that a run puts a damaged record at, and in no other. */
const MARK = "damaged-";

/** Where workers, Beat and clients look. */
const PLACES: readonly ((n: number) => string)[] = [
  (n) => `ready/a/${n % 8}/0${MARK}${n}`,
  (n) => `ready/b/${n % 8}/9${MARK}${n}`,
  (n) => `task/${MARK}${n}#spec`,
  (n) => `task/${MARK}${n}#state`,
  (n) => `task/${MARK}${n}#progress`,
  (n) => `due/202001010000/1577836800000/${MARK}${n}`,
  (n) => `deadline/202001010000/1577836800000/${MARK}${n}`,
  (n) => `expire/202001010000/${MARK}${n}`,
  (n) => `failed/a/1577836800000/${MARK}${n}`,
  (n) => `hand/${MARK}${n}/90000000`,
  (n) => `signal/${MARK}${n}/${MARK}${n}`,
  (n) => `worker/${MARK}${n}`,
  (n) => `queue/${MARK}${n}`,
  (n) => `schedule/${MARK}${n}`,
  (n) => `unique/plain/${MARK}${n}`,
];

const VALUES: readonly Buffer[] = [
  "",
  "garbage",
  '{"v":1,"id":"a',
  "[1]",
  "null",
  "{}",
  '{"v":2,"id":"a","name":"plain"}',
  '{"v":1,"id":7,"name":[],"state":{},"queues":[],"host":0}',
  '{"v":1,"id":"a","name":"plain","__proto__":{"attempt":1}}',
  "\xff\xfe",
].map((text) => Buffer.from(text, "latin1"));

/** Whether a key is one of those that damaged records were put at. */
export function isDamaged(key: string): boolean {
  return key.includes(MARK);
}

/** Somebody puts damaged records in the midst of ours, one at each place. They stay there. */
export function recordFaults(store: Store): Fault[] {
  let count = 0;
  return [
    {
      kind: "records damaged",
      begin: async ({ chance }) => {
        count += 1;
        const writes = PLACES.map((keyOf) => put(keyOf(count), chance.pick(VALUES)));
        const heal = async () => {};
        try {
          await store.commit([{ guards: [], writes }]);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
        }
        return { what: `${writes.length} keys`, heal };
      },
    },
  ];
}
