import { decodeTime, encodeTime } from "ulid";
import { type KeyRange, prefixRange } from "../store/range.ts";
import { PRIORITY_MAX } from "./names.ts";

/**
 * Every key that etask writes, under the namespace of its store. `docs/keyspace.md` explains them
 * for readers of `etcdctl get --prefix` and for clients in other languages; this file is the only
 * place that builds or takes apart a key.
 *
 * A task's keys end in `#spec`, `#state` or `#progress`. `#` is in no id, so all keys of one task
 * lie side by side, whatever other ids begin with its id.
 */
export type TaskPart = "spec" | "state" | "progress";

/** Shards of a queue's ready index; a task's shard follows from its id. */
export const QUEUE_SHARDS = 8;

/** Where a waiting task stands in its queue. */
export interface ReadyPosition {
  readonly queue: string;
  readonly priority: number;
  /** 26 characters that sort by the time of enqueueing. */
  readonly sequence: string;
}

/** Length of a sequence, which is a ULID. */
export const SEQUENCE_LENGTH = 26;

/** Whether a text may be a sequence. */
export function isSequence(text: unknown): text is string {
  return typeof text === "string" && SEQUENCE.test(text);
}

const SEQUENCE = /^[0-9A-Z]{26}$/;

/** Holds the version of the layout. */
export const META_KEY = "meta";

/** `task/{id}#{part}` */
export function taskKey(id: string, part: TaskPart): string {
  return `task/${id}#${part}`;
}

/** All keys of all tasks whose id begins with `idPrefix`. */
export function tasksRange(idPrefix: string): KeyRange {
  return prefixRange(`task/${idPrefix}`);
}

/** The keys of one task. */
export function taskRange(id: string): KeyRange {
  return prefixRange(`task/${id}#`);
}

/** The first key after all keys of a task: where a listing goes on. */
export function afterTask(id: string): string {
  return taskRange(id).end;
}

/** Takes a task's key apart; `undefined` for a key that is not one of ours. */
export function parseTaskKey(key: string): { id: string; part: TaskPart } | undefined {
  const mark = key.lastIndexOf("#");
  if (mark < 0 || !key.startsWith("task/")) return undefined;
  const part = key.slice(mark + 1);
  if (part !== "spec" && part !== "state" && part !== "progress") return undefined;
  return { id: key.slice(5, mark), part };
}

/** `ready/{queue}/{shard}/{9 - priority}{sequence}`: key order is the order of taking. */
export function readyKey(id: string, at: ReadyPosition): string {
  return `${shardPrefix(at.queue, shardOf(id))}${PRIORITY_MAX - at.priority}${at.sequence}`;
}

/** `ready/{queue}/{shard}/` */
export function shardPrefix(queue: string, shard: number): string {
  return `ready/${queue}/${shard}/`;
}

/** All waiting tasks of a queue, or of all queues. */
export function readyRange(queue?: string): KeyRange {
  return prefixRange(queue === undefined ? "ready/" : `ready/${queue}/`);
}

/** The part of a ready key that orders tasks across shards and queues: priority and sequence. */
export function readyOrder(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** Takes a ready key apart; `undefined` for a key that is not one of ours. */
export function parseReadyKey(key: string): ReadyPosition | undefined {
  const match = READY_KEY.exec(key);
  if (!match) return undefined;
  return {
    queue: match[1] as string,
    priority: PRIORITY_MAX - Number(match[2]),
    sequence: match[3] as string,
  };
}

const READY_KEY = /^ready\/([^/]+)\/\d+\/(\d)([0-9A-Z]{26})$/;

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) of the id, modulo {@link QUEUE_SHARDS}. */
export function shardOf(id: string): number {
  return hash(id) % QUEUE_SHARDS;
}

/** FNV-1a, 32 bits, of a text of ASCII characters. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** The time at which a sequence was made, in milliseconds since the epoch. */
export function sequenceTime(sequence: string): number {
  return decodeTime(sequence);
}

/** The text before every sequence made at or after `ms`. */
export function sequenceFloor(ms: number): string {
  return encodeTime(ms, 10);
}

/** `due/{minute}/{milliseconds}/{id}`: a task that waits for a time. */
export function dueKey(dueAt: number, id: string): string {
  return `due/${minuteOf(dueAt)}/${millis(dueAt)}/${id}`;
}

/** All tasks that are due at `now` or before. */
export function dueRange(now: number): KeyRange {
  return { start: "due/", end: `due/${minuteOf(now)}/${millis(now + 1)}/` };
}

/** All tasks that are due after `now` and before `until`. */
export function laterDueRange(now: number, until: number): KeyRange {
  return { start: dueRange(now).end, end: dueRange(until).end };
}

/**
 * When a due key is due, in milliseconds since the epoch; `undefined` when it is not one of ours.
 */
export function dueTime(key: string): number | undefined {
  const match = DUE_KEY.exec(key);
  return match ? Number(match[1]) : undefined;
}

/** The id in a due key; `undefined` when the key is not one of ours. */
export function idOfDueKey(key: string): string | undefined {
  return DUE_KEY.exec(key)?.[2];
}

const DUE_KEY = /^due\/\d{12}\/(\d{13})\/(.+)$/;

/** `hand/{worker}/{batch}`: what a worker took in one commit. */
export function handKey(worker: string, batch: number): string {
  return `hand/${worker}/${String(batch).padStart(8, "0")}`;
}

/** All hand entries of one worker, or of all workers. */
export function handRange(worker?: string): KeyRange {
  return prefixRange(worker === undefined ? "hand/" : `hand/${worker}/`);
}

/** The worker in a hand key; `undefined` when the key is not one of ours. */
export function workerOfHandKey(key: string): string | undefined {
  const parts = key.split("/");
  return parts.length === 3 && parts[0] === "hand" ? parts[1] : undefined;
}

/** `worker/{worker}`: exists while the worker's lease lives. */
export function workerKey(worker: string): string {
  return `worker/${worker}`;
}

/** All live workers. */
export const WORKERS_RANGE: KeyRange = prefixRange("worker/");

/** The worker in a worker key. */
export function workerOfKey(key: string): string {
  return key.slice("worker/".length);
}

/** `expire/{minute}/{id}`: a finished task to sweep from that minute on. */
export function expireKey(expireAt: number, id: string): string {
  return `expire/${minuteOf(expireAt)}/${id}`;
}

/** All finished tasks whose minute has passed at `now`. */
export function expireRange(now: number): KeyRange {
  return { start: "expire/", end: `expire/${minuteOf(now)}/` };
}

/** The id in an expire key; `undefined` when the key is not one of ours. */
export function idOfExpireKey(key: string): string | undefined {
  return /^expire\/\d{12}\/(.+)$/.exec(key)?.[1];
}

/** `probe/{nonce}`: what a diagnosis writes to see that it can; on a lease. */
export function probeKey(nonce: string): string {
  return `probe/${nonce}`;
}

/** `202611241406`: a minute of UTC as 12 digits. */
function minuteOf(ms: number): string {
  const minute = Math.floor(ms / 60_000);
  if (minute !== lastMinute.number) {
    const text = new Date(minute * 60_000).toISOString().slice(0, 16).replace(/[-T:]/g, "");
    lastMinute = { number: minute, text };
  }
  return lastMinute.text;
}

/** Most keys of a moment fall into one minute, and formatting a date is slow. */
let lastMinute = { number: 0, text: "197001010000" };

function millis(ms: number): string {
  return String(ms).padStart(13, "0");
}
