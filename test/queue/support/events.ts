import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Events } from "../../../src/base/events.ts";

/** The events of one name since it was made, in order. */
export interface EventLog<Event> extends Disposable {
  readonly seen: readonly Event[];
  /** Waits until there are `count` events that `matches`; returns them. */
  wait(count?: number, matches?: (event: Event) => boolean): Promise<Event[]>;
}

/** Begins to note the events of one name; ends when it is disposed of. */
export function noteEvents<Name extends keyof Events>(name: Name): EventLog<Events[Name]> {
  type Event = Events[Name];
  const seen: Event[] = [];
  const waiting = new Set<() => void>();
  const listener = (event: unknown) => {
    seen.push(event as Event);
    for (const check of [...waiting]) check();
  };
  subscribe(name, listener);
  return {
    seen,
    wait: (count = 1, matches = () => true) =>
      new Promise((resolve) => {
        const check = () => {
          const found = seen.filter(matches);
          if (found.length < count) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      }),
    [Symbol.dispose]: () => {
      unsubscribe(name, listener);
    },
  };
}
