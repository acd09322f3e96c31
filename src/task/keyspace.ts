import { decodeTime, encodeTime } from "ulid";
import { hash } from "../base/hash.ts";
import { type KeyRange, prefixRange } from "../store/range.ts";
import { PRIORITY_MAX } from "./names.ts";

/**
 * Every key that etask writes, under the namespace of its store. `docs/keyspace.md` explains them
 * for readers of `etcdctl get --prefix` and for clients in other languages; only this file,
 * `log-keys.ts` and `claim-keys.ts` build keys or take them apart.
 *
 * A task's keys end in `#spec`, `#state`, `#progress`, `#cancel` or `#attempt-{slot}`. `#` is in no
 * id, so all keys of one task lie side by side, whatever other ids begin with its id.
 */
export type TaskPart = "spec" | "state" | "progress" | "cancel";

/** The last attempts of a task that are remembered beside the current one. */
export const ATTEMPTS_KEPT = 20;

/** More keys than one task can have: the limit of a page that reads it whole. */
export const TASK_KEYS_MAX: number = ATTEMPTS_KEPT + 10;

/** Shards of a queue's ready index; a task's shard follows from its id. */
export const QUEUE_SHARDS = 8;

/** Where a waiting task stands in its queue. */
export interface ReadyPosition {
  readonly queue: string;
  readonly priority: number;
  /** 26 characters that sort by the time of enqueueing. */
  readonly sequence: string;
  /** It waits for a host that has room, behind all that do not. */
  readonly idle?: true;
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

/**
 * `task/{id}#attempt-{slot}`: how an attempt that did not end the task went. There are
 * {@link ATTEMPTS_KEPT} slots, used in turn, so the last ones are kept.
 */
export function attemptKey(id: string, attempt: number): string {
  return `task/${id}#attempt-${String((attempt - 1) % ATTEMPTS_KEPT).padStart(2, "0")}`;
}

/** The keys of all attempts that a task may remember when `attempts` were begun. */
export function attemptKeys(id: string, attempts: number): string[] {
  const slots = Math.min(attempts, ATTEMPTS_KEPT);
  return Array.from({ length: slots }, (_, slot) => attemptKey(id, slot + 1));
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
export function parseTaskKey(key: string): { id: string; part: TaskPart | "attempt" } | undefined {
  const mark = key.lastIndexOf("#");
  if (mark < 0 || !key.startsWith("task/")) return undefined;
  const part = partNamed(key.slice(mark + 1));
  return part && { id: key.slice(5, mark), part };
}

function partNamed(text: string): TaskPart | "attempt" | undefined {
  switch (text) {
    case "spec":
    case "state":
    case "progress":
    case "cancel":
      return text;
    default:
      return /^attempt-\d\d$/.test(text) ? "attempt" : undefined;
  }
}

/**
 * `ready/{queue}/{shard}/{9 - priority}{sequence}`, with an `x` before the digit for idle tasks:
 * key order is the order of taking, and every idle task comes after every other.
 */
export function readyKey(id: string, at: ReadyPosition): string {
  const level = `${at.idle ? IDLE_MARK : ""}${PRIORITY_MAX - at.priority}`;
  return `${shardPrefix(at.queue, shardOf(id))}${level}${at.sequence}`;
}

const IDLE_MARK = "x";

/** Where the idle tasks of a shard begin. */
export function idlePrefix(shard: string): string {
  return `${shard}${IDLE_MARK}`;
}

/** `ready/{queue}/{shard}/` */
export function shardPrefix(queue: string, shard: number): string {
  return `ready/${queue}/${shard}/`;
}

/** All waiting tasks of a queue, or of all queues. */
export function readyRange(queue?: string): KeyRange {
  return prefixRange(queue === undefined ? "ready/" : `ready/${queue}/`);
}

/**
 * The part of a ready key that orders tasks across shards and queues: idle or not, priority,
 * sequence.
 */
export function readyOrder(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** Takes a ready key apart; `undefined` for a key that is not one of ours. */
export function parseReadyKey(key: string): ReadyPosition | undefined {
  const match = READY_KEY.exec(key);
  if (!match) return undefined;
  return {
    queue: match[1] as string,
    priority: PRIORITY_MAX - Number(match[3]),
    sequence: match[4] as string,
    ...(match[2] ? { idle: true } : undefined),
  };
}

const READY_KEY = /^ready\/([^/]+)\/\d+\/(x?)(\d)([0-9A-Z]{26})$/;

/** The shard of a task: {@link hash} of its id, modulo {@link QUEUE_SHARDS}. */
export function shardOf(id: string): number {
  return hash(id) % QUEUE_SHARDS;
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
  return timedKey("due", dueAt, id);
}

/** All tasks that are due at `now` or before. */
export function dueRange(now: number): KeyRange {
  return timedRange("due", now);
}

/** All tasks that are due after `now` and at `until` or before. */
export function laterDueRange(now: number, until: number): KeyRange {
  return { start: dueRange(now).end, end: dueRange(until).end };
}

/**
 * When a due key is due, in milliseconds since the epoch; `undefined` when it is not one of ours.
 */
export function dueTime(key: string): number | undefined {
  return parseTimedKey("due", key)?.at;
}

/** The id in a due key; `undefined` when the key is not one of ours. */
export function idOfDueKey(key: string): string | undefined {
  return parseTimedKey("due", key)?.id;
}

/**
 * `deadline/{minute}/{milliseconds}/{id}`: a task to look at when the time has passed, because it
 * must have been started, have ended or have obeyed by then.
 */
export function deadlineKey(at: number, id: string): string {
  return timedKey("deadline", at, id);
}

/** All deadlines that have passed at `now`. */
export function deadlineRange(now: number): KeyRange {
  return timedRange("deadline", now);
}

/** The time and the id in a deadline key; `undefined` when the key is not one of ours. */
export function parseDeadlineKey(key: string): { at: number; id: string } | undefined {
  return parseTimedKey("deadline", key);
}

function timedKey(prefix: string, at: number, id: string): string {
  return `${prefix}/${minuteOf(at)}/${millis(at)}/${id}`;
}

function timedRange(prefix: string, now: number): KeyRange {
  return { start: `${prefix}/`, end: `${prefix}/${minuteOf(now)}/${millis(now + 1)}/` };
}

function parseTimedKey(prefix: string, key: string): { at: number; id: string } | undefined {
  const match = key.startsWith(`${prefix}/`) && TIMED_REST.exec(key.slice(prefix.length + 1));
  return match ? { at: Number(match[1]), id: match[2] as string } : undefined;
}

const TIMED_REST = /^\d{12}\/(\d{13})\/(.+)$/;

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

/** `agent/{name}`: exists while the agent's lease lives. */
export function agentKey(name: string): string {
  return `agent/${name}`;
}

/** All live agents. */
export const AGENTS_RANGE: KeyRange = prefixRange("agent/");

/** The name in an agent's key. */
export function agentOfKey(key: string): string {
  return key.slice("agent/".length);
}

/** `expire/{minute}/{id}`: a finished task to sweep from that minute on. */
export function expireKey(expireAt: number, id: string): string {
  return `expire/${minuteOf(expireAt)}/${id}`;
}

/** All finished tasks whose minute has passed at `now`. */
export function expireRange(now: number): KeyRange {
  return { start: "expire/", end: `expire/${minuteOf(now)}/` };
}

/** All finished tasks whose minute begins in [`fromMs`, `toMs`). Both are whole minutes. */
export function expireBetween(fromMs: number, toMs: number): KeyRange {
  return { start: expireRange(fromMs).end, end: expireRange(toMs).end };
}

/** When the minute of an expire key begins; `undefined` when the key is not one of ours. */
export function expireTime(key: string): number | undefined {
  const [, year, month, day, hour, minute] = EXPIRE_KEY.exec(key)?.map(Number) ?? [];
  if (year === undefined || month === undefined) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute);
}

const EXPIRE_KEY = /^expire\/(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)\//;

/** The id in an expire key; `undefined` when the key is not one of ours. */
export function idOfExpireKey(key: string): string | undefined {
  return /^expire\/\d{12}\/(.+)$/.exec(key)?.[1];
}

/** `failed/{queue}/{milliseconds}/{id}`: a dead letter, by the time of its failure. */
export function failedKey(queue: string, at: number, id: string): string {
  return `failed/${queue}/${millis(at)}/${id}`;
}

/** All dead letters of a queue, or of all queues. */
export function failedRange(queue?: string): KeyRange {
  return prefixRange(queue === undefined ? "failed/" : `failed/${queue}/`);
}

/** Takes a dead letter's key apart; `undefined` for a key that is not one of ours. */
export function parseFailedKey(key: string): { queue: string; at: number; id: string } | undefined {
  const match = FAILED_KEY.exec(key);
  if (!match) return undefined;
  return { queue: match[1] as string, at: Number(match[2]), id: match[3] as string };
}

const FAILED_KEY = /^failed\/([^/]+)\/(\d{13})\/(.+)$/;

/** `signal/{worker}/{id}`: something that the worker must know of a task that it runs. */
export function signalKey(worker: string, id: string): string {
  return `signal/${worker}/${id}`;
}

/** The inbox of one worker, or of all workers. */
export function signalRange(worker?: string): KeyRange {
  return prefixRange(worker === undefined ? "signal/" : `signal/${worker}/`);
}

/** The worker in a signal key; `undefined` when the key is not one of ours. */
export function workerOfSignalKey(key: string): string | undefined {
  return /^signal\/([^/]+)\/./.exec(key)?.[1];
}

/** The id in a signal key; `undefined` when the key is not one of ours. */
export function idOfSignalKey(key: string): string | undefined {
  return /^signal\/[^/]+\/(.+)$/.exec(key)?.[1];
}

/** `queue/{queue}`: the settings of a queue; absent when nobody changed any. */
export function queueKey(queue: string): string {
  return `queue/${queue}`;
}

/** The settings of all queues. */
export const QUEUES_RANGE: KeyRange = prefixRange("queue/");

/** The queue in a key of its settings. */
export function queueOfKey(key: string): string {
  return key.slice("queue/".length);
}

/** `schedule/{name}`: a schedule with its last and next run. */
export function scheduleKey(name: string): string {
  return `schedule/${name}`;
}

/** All schedules. */
export const SCHEDULES_RANGE: KeyRange = prefixRange("schedule/");

/** The name in a schedule's key. */
export function scheduleOfKey(key: string): string {
  return key.slice("schedule/".length);
}

/** Exists while a Beat leads; on its lease. */
export const LEADER_KEY = "beat/leader";

/** Exists while no new task is accepted, because the store is nearly full. */
export const ADMISSION_KEY = "beat/admission";

/**
 * `{prefix}~`: written by the leading Beat at a steady pace, so that whoever watches the prefix can
 * tell silence from a watch that is dead. `~` begins no id and no name.
 */
export function heartbeatKey(prefix: string): string {
  return `${prefix}~`;
}

/** Whether a key is one of the leading Beat's {@link heartbeatKey}s. */
export function isHeartbeatKey(key: string): boolean {
  return key.endsWith("/~");
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
