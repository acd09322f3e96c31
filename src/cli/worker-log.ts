/**
 * The log of `etask worker`: what the core publishes as events (`base/events.ts`), one line each.
 *
 * Events hold no inputs and no results, so the log does not either.
 */
import { channel } from "node:diagnostics_channel";
import { type DestinationStream, type Logger, pino } from "pino";
import { isEtaskError } from "../base/errors.ts";
import type { Events } from "../base/events.ts";
import { type Colour, type Output, printable } from "./output.ts";

/** How much is logged, from most to least. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

type Said = Exclude<LogLevel, "silent">;

const LOGGED: { readonly [Name in keyof Events]: readonly [Said, string] } = {
  "etask:store:hazard": ["warn", "the store's server has a known hazard"],
  "etask:store:reconnecting": ["warn", "connecting to the store again"],
  "etask:store:resolving": ["warn", "an answer was lost, sending the write again"],
  "etask:record:malformed": ["warn", "met a record that is damaged or not ours"],
  "etask:watch:relisted": ["info", "history was lost, listed again"],
  "etask:worker:started": ["info", "worker started"],
  "etask:worker:lease-lost": ["error", "the worker lost its lease, registering anew"],
  "etask:worker:stopped": ["info", "worker stopped"],
  "etask:worker:room": ["info", "room for idle tasks changed"],
  "etask:worker:resized": ["info", "the number of slots changed"],
  "etask:task:taken": ["debug", "task taken"],
  "etask:task:finished": ["info", "attempt finished"],
  "etask:task:stale": ["warn", "a write of an attempt that lost its task was refused"],
  "etask:task:rescued": ["warn", "put back the task of a worker that vanished"],
  "etask:task:kind-unknown": ["warn", "a task of a kind that this worker does not know waits"],
  "etask:beat:elected": ["info", "this process leads the Beat"],
  "etask:beat:resigned": ["info", "this process leads the Beat no longer"],
  "etask:beat:compacted": ["debug", "old history was given up"],
  "etask:store:space": ["warn", "the store's space changed what is accepted"],
  "etask:queue:changed": ["info", "a queue's settings changed"],
  "etask:task:zombie": ["warn", "a handler goes on although its attempt is over"],
  "etask:task:overdue": ["warn", "a task was ended because its time was over"],
  "etask:runner:started": ["debug", "a runner of isolated tasks started"],
  "etask:runner:ended": ["debug", "a runner of isolated tasks ended"],
  "etask:schedule:ticked": ["debug", "a schedule made a task"],
  "etask:schedule:skipped": ["info", "a schedule's tick made no task"],
  "etask:schedule:superseded": ["info", "a declared schedule is older than the stored one"],
  "etask:agent:registered": ["info", "agent registered"],
  "etask:agent:lease-lost": ["error", "the agent lost its lease, registering anew"],
  "etask:agent:stopped": ["info", "agent stopped"],
  "etask:loop:failed": ["error", "a loop failed and goes on"],
};

const COLOURS: Readonly<Record<Said, Colour>> = {
  debug: "faint",
  info: "good",
  warn: "warn",
  error: "bad",
};

/** A log on stdout: aligned text on a terminal, JSON lines anywhere else and with `--json`. */
export function createWorkerLog(output: Output, level: LogLevel): Logger {
  const pretty = output.terminal && !output.json;
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? prettyLines(output) : pino.destination({ fd: 1, sync: true }),
  );
}

/** Logs every event until the function that it returns is called. */
export function logEvents(log: Logger): () => void {
  const unsubscribes = (Object.keys(LOGGED) as (keyof Events)[]).map((name) => {
    const [level, text] = LOGGED[name];
    const onEvent = (event: unknown) => log[level](factsOf(name, event), text);
    channel(name).subscribe(onEvent);
    return () => channel(name).unsubscribe(onEvent);
  });
  return () => {
    for (const unsubscribe of unsubscribes) unsubscribe();
  };
}

function factsOf(event: keyof Events, given: unknown): object {
  const facts = given as Record<string, unknown>;
  if (!("error" in facts)) return { event, ...facts };
  const { error, ...rest } = facts;
  const code = isEtaskError(error) ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return { event, ...rest, ...(code === undefined ? undefined : { code }), error: message };
}

function prettyLines(output: Output): DestinationStream {
  return { write: (line) => output.line(prettyLine(line, output)) };
}

/** `12:30:05.123 INFO  worker started  worker=5f… queues=default` */
export function prettyLine(line: string, output: Output): string {
  const { level, time, msg, pid, hostname, event, ...facts } = JSON.parse(line);
  const clockTime = String(time).slice(11, 23);
  const label = output.paint(
    COLOURS[level as Said] ?? "strong",
    String(level).toUpperCase().padEnd(5),
  );
  const pairs = Object.entries(facts).map(([name, value]) => `${name}=${shownFact(value)}`);
  const text = [printable(String(msg)), output.paint("faint", pairs.join(" "))].filter(Boolean);
  return `${output.paint("faint", clockTime)} ${label} ${text.join("  ")}`;
}

function shownFact(value: unknown): string {
  if (Array.isArray(value)) return value.map(shownFact).join(",");
  if (value !== null && typeof value === "object") return printable(JSON.stringify(value));
  const text = printable(String(value));
  return text.includes(" ") ? JSON.stringify(text) : text;
}
