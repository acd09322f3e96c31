import { isUnavailable, StoreDeniedError, StoreUnavailableError } from "../store-errors.ts";
import { type EtcdOptions, resolveEtcdOptions } from "./etcd-options.ts";
import { EtcdStore } from "./etcd-store.ts";
import { findTlsMismatch } from "./tls-mismatch.ts";

/**
 * Opens a store on an etcd cluster.
 *
 * At least one server must answer within `operationMs`; the others may be away. Known hazards of
 * the servers' versions are published as `etask:store:hazard`. Keys are whole keys: put a namespace
 * above.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) before anything is sent.
 * @throws StoreDeniedError (`STORE_DENIED`) for a wrong password or certificate, or TLS on one side
 *   only.
 * @throws StoreRefusedError (`STORE_REFUSED`) when a server's version is dangerous or the servers
 *   are of different clusters.
 * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when no server answers.
 */
export async function openEtcdStore(options: EtcdOptions): Promise<EtcdStore> {
  const resolved = resolveEtcdOptions(options);
  try {
    return await EtcdStore.open(resolved);
  } catch (error) {
    const mismatch = await findTlsMismatch(resolved, error);
    if (mismatch !== undefined) throw new StoreDeniedError(mismatch, { cause: error });
    if (!isUnavailable(error)) throw error;
    const names = resolved.endpoints.map(({ host, port }) => `${host}:${port}`).join(", ");
    throw new StoreUnavailableError(
      `No etcd server answered within ${resolved.operationMs} ms: ${names}. ${error.message}`,
      "no",
      error,
    );
  }
}
