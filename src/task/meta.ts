import type { Clock } from "../base/clock.ts";
import { EtaskError, RecordMalformedError } from "../base/errors.ts";
import { keyAbsent, put } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { decodeMeta } from "./decode.ts";
import { META_KEY } from "./keyspace.ts";
import { encodeRecord, type MetaRecord } from "./records.ts";

/** The version of the layout that this package reads and writes. */
export const SCHEMA_VERSION = 1;

/** The store's keys were laid out by another version of etask. Nothing was changed. */
export class SchemaVersionError extends EtaskError {
  readonly code = "SCHEMA_VERSION";
}

/**
 * Checks that the store's layout is ours, and marks a new store with it.
 *
 * @throws SchemaVersionError (`SCHEMA_VERSION`) when it is a newer one.
 * @throws RecordMalformedError (`RECORD_MALFORMED`) when `meta` is not our record.
 */
export async function ensureSchema(store: Store, clock: Clock): Promise<void> {
  const entry = (await store.get(META_KEY)) ?? (await createMeta(store, clock));
  if (!entry) return;
  const { schema } = readMeta(entry);
  if (schema === SCHEMA_VERSION) return;
  throw new SchemaVersionError(
    `The store has layout version ${schema}; this etask reads version ${SCHEMA_VERSION}. ` +
      "Upgrade etask, or use another namespace or directory.",
  );
}

function readMeta(entry: Entry): MetaRecord {
  try {
    return decodeMeta(entry.value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RecordMalformedError(
      `The record ${META_KEY} is damaged or none of etask's: ${reason} Nothing was changed. Use another ` +
        "namespace or directory, or restore this one from a backup.",
      { cause: error },
    );
  }
}

/** Creates the record; returns the one that somebody else created first, if so. */
async function createMeta(store: Store, clock: Clock) {
  const value = encodeRecord({ schema: SCHEMA_VERSION, createdAt: clock.now() });
  const [result] = await store.commit([
    {
      guards: [keyAbsent(META_KEY)],
      writes: [put(META_KEY, value)],
      otherwise: [META_KEY],
      witness: META_KEY,
    },
  ]);
  return result?.reads[0];
}
