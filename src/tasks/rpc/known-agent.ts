import { setMaxListeners } from "node:events";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import type { Revision } from "../../store/store.ts";
import type { AgentRecord } from "../../task/records.ts";
import { AgentConnection } from "./agent-connection.ts";

/** One life of an agent, as seen from a worker: from the sight of its key to the key's end. */
export class KnownAgent {
  readonly name: string;
  /** The revision that created its key. */
  readonly revision: Revision;
  record: AgentRecord;
  /**
   * What calls made of it: `"suspect"` while its connection is broken and it is not known why,
   * `"lost"` once another life answered in its place, or it said itself that it is over.
   */
  trust: "trusted" | "suspect" | "lost" = "trusted";
  /** Calls from here that have not ended; whoever counts one up says `end` when it has. */
  calls = 0;
  readonly #gone = new AbortController();
  #retired = false;
  readonly #connections = new Map<TlsMaterial | undefined, AgentConnection>();

  constructor(name: string, revision: Revision, record: AgentRecord) {
    this.name = name;
    this.revision = revision;
    this.record = record;
    // Every call listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#gone.signal);
  }

  /** Aborts when its key has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether it can be given a call. */
  get open(): boolean {
    return !this.gone.aborted && this.record.leaving !== true && this.trust !== "lost";
  }

  /** How it is named in messages. */
  get text(): string {
    return `agent ${this.name} at ${this.record.address}`;
  }

  /** The connection for calls with these certificates; the same one for all of them. */
  connection(tls: TlsMaterial | undefined): AgentConnection {
    const known = this.#connections.get(tls);
    if (known) return known;
    const connection = new AgentConnection(this.record.address, tls);
    this.#connections.set(tls, connection);
    return connection;
  }

  /** Says that its key has gone. */
  vanish(): void {
    this.#gone.abort();
    this.retire();
  }

  /** Nobody will find it any more: its connections end with its last call. */
  retire(): void {
    this.#retired = true;
    if (this.calls > 0) return;
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  /** Notes that a call has ended. */
  end(): void {
    this.calls -= 1;
    if (this.#retired) this.retire();
  }
}
