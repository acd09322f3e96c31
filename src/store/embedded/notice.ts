import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from "node:fs";

/**
 * How processes tell each other that there is a new revision: a file of one byte that is written
 * after each transaction. The system's file watch wakes the others within about a millisecond.
 *
 * It is a file of its own, and not the data file, because a change of that is noticed before it is
 * visible to readers, and several times for each transaction. A notice may be lost (the writer died
 * before sending it, the system has no watches left): readers look by themselves from time to time.
 */
export interface Notice {
  send(): void;
  close(): void;
}

/** The notice's name in the store's directory. */
export const NOTICE_FILE = "etask.notice";

/** Opens the notice of a directory for sending. */
export function createNotice(directory: string): Notice {
  const file = openSync(
    `${directory}/${NOTICE_FILE}`,
    constants.O_WRONLY | constants.O_CREAT,
    0o600,
  );
  const byte = Buffer.from("!");
  return {
    send: () => {
      try {
        writeSync(file, byte, 0, 1, 0);
      } catch {
        // The disk may be full. Readers look by themselves.
      }
    },
    close: () => closeSync(file),
  };
}

/**
 * Calls `onNotice` at each notice until the function returned is called. Keeps the process alive
 * until then, as any other open connection would.
 */
export function watchNotice(directory: string, onNotice: () => void): () => void {
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(`${directory}/${NOTICE_FILE}`, onNotice);
    // The file was removed, or the system ran out of watches. Readers look by themselves.
    watcher.on("error", () => watcher?.close());
  } catch {
    watcher = undefined;
  }
  return () => watcher?.close();
}
