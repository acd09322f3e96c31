import type { Client } from "@grpc/grpc-js";
import type { CancelTimer, Clock } from "../../base/clock.ts";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import { createClient } from "./grpc-client.ts";

const IDLE_MS = 30_000;

interface Pooled {
  readonly client: Client;
  users: number;
  cancelIdle: CancelTimer;
}

/** One client for each address, for as long as calls are under way and 30 s beyond. */
export class ClientPool {
  readonly #tls: TlsMaterial | undefined;
  readonly #clock: Clock;
  readonly #clients = new Map<string, Pooled>();

  constructor(tls: TlsMaterial | undefined, clock: Clock) {
    this.#tls = tls;
    this.#clock = clock;
  }

  /** Lends the client of an address for the time of `act`. */
  async use<T>(address: string, act: (client: Client) => Promise<T>): Promise<T> {
    const pooled = this.#take(address);
    try {
      return await act(pooled.client);
    } finally {
      this.#giveBack(address, pooled);
    }
  }

  #take(address: string): Pooled {
    const known = this.#clients.get(address);
    const pooled = known ?? {
      client: createClient(address, this.#tls),
      users: 0,
      cancelIdle: () => {},
    };
    this.#clients.set(address, pooled);
    pooled.cancelIdle();
    pooled.users += 1;
    return pooled;
  }

  #giveBack(address: string, pooled: Pooled): void {
    pooled.users -= 1;
    if (pooled.users > 0) return;
    pooled.cancelIdle = this.#clock.after(IDLE_MS, () => {
      this.#clients.delete(address);
      pooled.client.close();
    });
  }
}
