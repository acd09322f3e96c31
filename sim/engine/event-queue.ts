/** Something that is to happen at a time; `rank` decides between events of one time. */
export interface Timed {
  readonly at: number;
  readonly rank: number;
}

/** A binary heap: the earliest event first, of one time the one with the lowest rank. */
export class EventQueue<Event extends Timed> {
  readonly #events: Event[] = [];

  get first(): Event | undefined {
    return this.#events[0];
  }

  push(event: Event): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!goesBefore(event, events[parent] as Event)) break;
      events[at] = events[parent] as Event;
      at = parent;
    }
    events[at] = event;
  }

  take(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (let child = 1; child < events.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < events.length && goesBefore(events[right] as Event, events[child] as Event)) {
        child = right;
      }
      if (!goesBefore(events[child] as Event, last)) break;
      events[at] = events[child] as Event;
      at = child;
    }
    events[at] = last;
    return first;
  }
}

function goesBefore(one: Timed, other: Timed): boolean {
  return one.at < other.at || (one.at === other.at && one.rank < other.rank);
}
