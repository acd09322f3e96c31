import { channel } from "node:diagnostics_channel";
import { createApp, defineTask, type Store } from "etask";
import { openMemoryStore } from "etask/testing";
import type { Job } from "../../contender.ts";

/**
 * What etask asks of its store for one task, with the task's id left open. It is not written down
 * here but recorded from etask itself, so that the limit moves with what it is the limit of.
 */
export interface Mix {
  /** The one part that creates a task. */
  readonly enqueue: PartTemplate;
  /** The parts that the task's attempt needs, in order: its take, its end. */
  readonly attempt: readonly PartTemplate[];
  /** What the key of a waiting task begins with, before its id. */
  readonly readyPrefix: string;
}

/** A part whose keys and values have a gap where the id goes; all ids have the same length. */
export interface PartTemplate {
  readonly guards: readonly {
    readonly key: Text;
    readonly absent: boolean;
    readonly mod: boolean;
  }[];
  readonly writes: readonly { readonly key: Text; readonly value: Bytes | undefined }[];
  readonly otherwise: readonly Text[];
}

/** What stands between the ids. */
type Text = readonly string[];
type Bytes = readonly Uint8Array[];

/** Length of the ids that fill the gaps; that of etask's own. */
export const ID_LENGTH = 26;

/** Enough for each shard of the queue to have some. */
const TASKS = 100;
const QUEUE = "mix";
const RECORD_MS_MAX = 20_000;

type Part = Parameters<Store["commit"]>[0][number];

/** Runs a few tasks of etask on a store in memory and keeps what one of them took. */
export async function recordMix(job: Job): Promise<Mix> {
  const parts: Part[] = [];
  const ids = new Set<string>();
  const store = recording(await openMemoryStore(), (part) => parts.push(part));
  const task = defineTask({ name: "bench.peer", run: (_job: Job) => undefined });
  await using app = await createApp({ store, tasks: [task], beat: false });
  for (let count = 0; count < TASKS; count += 1) {
    ids.add((await task.delay(job, { queue: QUEUE })).id);
  }
  await drained(app, ids.size);
  const prefixes = new Map([...ids].map((id) => [id, readyPrefixOf(parts, id)]));
  // Always of the same shard, so that producer and worker, who each record, look at the same keys.
  const readyPrefix = [...prefixes.values()].sort()[0] ?? "";
  const id = [...ids].findLast((each) => prefixes.get(each) === readyPrefix) ?? "";
  if (id.length !== ID_LENGTH) throw new Error(`An id has ${id.length} characters.`);
  const own = parts.filter((part) => part.writes.some(({ key }) => key.includes(id)));
  const others = [...ids].filter((other) => other !== id);
  const [enqueue, ...attempt] = own.map((part) => templateOf(part, id, others));
  if (enqueue === undefined || attempt.length === 0) {
    throw new Error("The parts of a task were not recognised.");
  }
  return { enqueue, attempt, readyPrefix };
}

function readyPrefixOf(parts: readonly Part[], id: string): string {
  const created = parts.find(({ writes }) => writes.some(({ key }) => key.includes(id)));
  const key = created?.writes.map((write) => write.key).find((each) => each.includes(QUEUE));
  if (key === undefined) throw new Error("The key of a waiting task was not recognised.");
  return key.split(id)[0] ?? "";
}

async function drained(app: Awaited<ReturnType<typeof createApp>>, count: number): Promise<void> {
  let ended = 0;
  let resolve: () => void = () => {};
  const done = new Promise<void>((settle, reject) => {
    resolve = settle;
    setTimeout(() => reject(new Error("The mix was not recorded.")), RECORD_MS_MAX).unref();
  });
  const note = () => {
    ended += 1;
    if (ended === count) resolve();
  };
  channel("etask:task:finished").subscribe(note);
  const worker = app.createWorker({ queues: [QUEUE], concurrency: TASKS });
  await worker.start();
  await done;
  channel("etask:task:finished").unsubscribe(note);
  await worker.stop();
}

/** The store with a look at what is committed. */
function recording(store: Store, note: (part: Part) => void): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "commit") {
        return (parts: readonly Part[]) => {
          for (const part of parts) note(part);
          return target.commit(parts);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A part may serve several tasks; what names another one is left out. */
function templateOf(part: Part, id: string, others: readonly string[]): PartTemplate {
  const gapped = Buffer.from(id);
  const ours = (key: string) => !others.some((other) => key.includes(other));
  const { guards, writes, otherwise = [] } = part;
  return {
    guards: guards
      .filter(({ key }) => ours(key))
      .map(({ key, is, ...rest }) => ({
        key: key.split(id),
        absent: is === "absent",
        mod: "modRevision" in rest,
      })),
    writes: writes
      .filter(({ key }) => ours(key))
      .map((write) => ({
        key: write.key.split(id),
        value: write.op === "put" ? splitBytes(Buffer.from(write.value), gapped) : undefined,
      })),
    otherwise: otherwise.filter(ours).map((key) => key.split(id)),
  };
}

function splitBytes(bytes: Buffer, gap: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let from = 0; ; ) {
    const at = bytes.indexOf(gap, from);
    if (at < 0) return [...found, bytes.subarray(from)];
    found.push(bytes.subarray(from, at));
    from = at + gap.length;
  }
}

/**
 * What all tasks expect to be there, such as the key of a worker that lives: guards that name a key
 * of no task.
 */
export function foundation({ enqueue, attempt }: Mix): PartTemplate {
  const parts = [enqueue, ...attempt];
  const present = parts.flatMap(({ guards }) =>
    guards.filter(({ key, absent }) => key.length === 1 && !absent),
  );
  const keys = new Set(present.map(({ key }) => key[0] ?? ""));
  const writes = [...keys].map((key) => ({ key: [key], value: [Buffer.from("{}")] }));
  return { guards: [], writes, otherwise: [] };
}

/** The key for one task. */
export function filled(text: Text, id: string): string {
  return text.length === 1 ? (text[0] ?? "") : text.join(id);
}

/** The value for one task. */
export function filledBytes(bytes: Bytes, id: Uint8Array): Uint8Array {
  if (bytes.length === 1) return bytes[0] ?? id;
  return Buffer.concat(bytes.flatMap((piece, index) => (index === 0 ? [piece] : [id, piece])));
}
