/**
 * Whose request is next, so that all who wait get the same number of bytes, whatever the sizes of their requests (start-time
 * fair queueing, Goyal, Vin and Cheng 1996). Pure. Who has been quiet saves next to nothing up: its next request starts at what
 * is now, or so much before that a turn which it missed, because it was handling what it was just given, is made good. The
 * downside: while more may pass than is asked for, whoever comes back first gets it.
 */
const MADE_GOOD_BYTES = 128 * 1024;

export interface Flow {
  /** Where, in bytes that each has had, the flow's next request starts. */
  finishedAt: number;
}

export interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

interface Entry extends Waiting {
  readonly startsAt: number;
}

export class FairQueue {
  /** In the order of asking; some hundred at most, one a connection. */
  readonly #entries: Entry[] = [];
  #now = 0;

  get length(): number {
    return this.#entries.length;
  }

  /** Returns how to take the request back; safe to call when it was granted already. */
  add(flow: Flow, waiting: Waiting): () => void {
    const startsAt = Math.max(this.#now - MADE_GOOD_BYTES, flow.finishedAt);
    flow.finishedAt = startsAt + waiting.bytes;
    const entry: Entry = { ...waiting, startsAt };
    this.#entries.push(entry);
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index !== -1) this.#entries.splice(index, 1);
    };
  }

  /** Takes the next out; null: nobody waits. */
  next(): Waiting | null {
    let best = 0;
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.startsAt < (this.#entries[best]?.startsAt ?? Infinity)) best = index;
    }
    const [entry] = this.#entries.splice(best, 1);
    if (entry === undefined) return null;
    this.#now = Math.max(this.#now, entry.startsAt);
    return entry;
  }
}
