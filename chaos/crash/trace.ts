/**
 * What a program did to one file, in order, as `strace` saw it: writes, syncs, and what it said.
 *
 * A call that another thread interrupted is two lines in the trace; it counts when it has ended. A
 * sync covers the writes that had ended when it began.
 */

/** One thing that happened, in the order of the ends. */
export type Step =
  | {
      readonly kind: "write";
      readonly offset: number;
      readonly bytes: Buffer;
      /** It was on disk when it returned. */
      readonly synced: boolean;
    }
  /** The first `covers` steps are on disk. */
  | { readonly kind: "sync"; readonly covers: number }
  | { readonly kind: "said"; readonly line: string };

/** The calls that have to be traced. */
export const CALLS =
  "openat,close,lseek,pwrite64,pwritev,writev,write,fdatasync,fsync,ftruncate,clone,clone3,vfork";

const UNFINISHED = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;
const CALL = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/;
const BYTES = /(?:iov_base=)?"((?:\\x[0-9a-f]{2})*)"/g;

interface File {
  readonly synced: boolean;
  position: number;
}

/** Reads a trace, made with `-f -xx`, of what happened to the file of this name. */
export function readTrace(text: string, name: string): Step[] {
  const reader = new TraceReader(name);
  for (const line of text.split("\n")) reader.read(line);
  return reader.steps;
}

class TraceReader {
  readonly steps: Step[] = [];
  readonly #name: string;
  readonly #files = new Map<number, File>();
  /** Other processes, which the program started. */
  readonly #others = new Set<string>();
  /** Calls that have begun, by thread, with how many steps there were then. */
  readonly #begun = new Map<string, { readonly args: string; readonly steps: number }>();

  constructor(name: string) {
    this.#name = name;
  }

  read(line: string): void {
    const begun = UNFINISHED.exec(line);
    if (begun) {
      this.#begun.set(begun[1] ?? "", { args: begun[3] ?? "", steps: this.steps.length });
      return;
    }
    const [, thread = "", call = "", rest = ""] = RESUMED.exec(line) ?? [];
    const before = this.#begun.get(thread);
    const whole = before ? `${thread} ${call}(${before.args}${rest}` : line;
    if (thread !== "") this.#begun.delete(thread);
    const [, caller = "", name = "", args = "", result = ""] = CALL.exec(whole) ?? [];
    if (name === "" || Number(result) < 0) return;
    if (/^(clone|vfork)/.test(name)) {
      if (!args.includes("CLONE_THREAD") || this.#others.has(caller)) this.#others.add(result);
    } else if (!this.#others.has(caller)) {
      this.#ended(name, args, Number(result), before?.steps ?? this.steps.length);
    }
  }

  #ended(call: string, args: string, result: number, covers: number): void {
    if (call === "openat") {
      const [path] = bytesIn(args);
      const synced = /O_D?SYNC/.test(args);
      if (path?.toString().endsWith(this.#name)) this.#files.set(result, { synced, position: 0 });
      else this.#files.delete(result);
      return;
    }
    const descriptor = Number.parseInt(args, 10);
    if (call === "write" && descriptor === 1) {
      this.#say(args);
      return;
    }
    const file = this.#files.get(descriptor);
    if (!file) return;
    if (call === "close") this.#files.delete(descriptor);
    else if (call === "lseek") file.position = result;
    else if (call === "fdatasync" || call === "fsync") this.steps.push({ kind: "sync", covers });
    else if (call === "ftruncate")
      throw new Error("The file is cut or grown, which is not modelled.");
    else this.#write(file, call, args, result);
  }

  #say(args: string): void {
    for (const bytes of bytesIn(args)) {
      const lines = bytes.toString().split("\n").filter(Boolean);
      for (const line of lines) this.steps.push({ kind: "said", line });
    }
  }

  #write(file: File, call: string, args: string, result: number): void {
    const bytes = Buffer.concat(bytesIn(args));
    if (bytes.length !== result)
      throw new Error(`A ${call} of ${result} bytes was traced in part.`);
    const given = /, (\d+)$/.exec(args)?.[1];
    const offset = call.startsWith("pwrite") ? Number(given) : file.position;
    if (!call.startsWith("pwrite")) file.position += result;
    this.steps.push({ kind: "write", offset, bytes, synced: file.synced });
  }
}

function bytesIn(args: string): Buffer[] {
  return [...args.matchAll(BYTES)].map(([, hex = ""]) =>
    Buffer.from(hex.replaceAll("\\x", ""), "hex"),
  );
}
