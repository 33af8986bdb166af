/**
 * The one clock and the one queue of everything that happens in a history.
 *
 * Situation: the cores are ordinary async code; what makes a run differ from the next is only the order in which the
 * promises of their ports resolve. Mechanism: every port's promise is resolved by an event of this queue, ordered by
 * virtual time and then by the order of scheduling; one event is run at a time, and the next only when Node's microtasks
 * have drained (`setImmediate`), so the order is a function of the seed. Special case: nothing in the queue while the
 * history is not over is a deadlock, and ends the run as a failure. Downside: real threads (zlib, libuv) must not take
 * part; the simulation uses their synchronous forms.
 */
interface ScheduledEvent {
  readonly atMicroseconds: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export interface Cancellable {
  cancel(): void;
}

/** Events run per `setImmediate` phase; each still sees all microtasks of the one before drained. */
const EVENTS_PER_PHASE = 32;

export class Scheduler {
  #heap: ScheduledEvent[] = [];
  #order = 0;
  #nowMicroseconds = 0;
  #eventsRun = 0;

  /** Virtual time since the history began. */
  get nowMicroseconds(): number {
    return this.#nowMicroseconds;
  }

  get eventsRun(): number {
    return this.#eventsRun;
  }

  after(delayMicroseconds: number, run: () => void): Cancellable {
    const event: ScheduledEvent = {
      atMicroseconds: this.#nowMicroseconds + Math.max(0, Math.ceil(delayMicroseconds)),
      order: this.#order++,
      run,
      cancelled: false,
    };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** A promise resolved by an event. */
  pause(delayMicroseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMicroseconds, resolve);
    });
  }

  /** Runs events until `finished`; rejects on a deadlock, on a throwing event, or after `limitEvents`. */
  async run(finished: () => boolean, limitEvents: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let over = false;
      const step = (): void => {
        if (over) return;
        try {
          if (finished()) {
            over = true;
            resolve();
            return;
          }
          const event = this.#pop();
          if (event === null) throw new Error('deadlock: nothing is scheduled and the history is not over');
          this.#nowMicroseconds = event.atMicroseconds;
          this.#eventsRun++;
          if (this.#eventsRun > limitEvents) throw new Error(`livelock: more than ${limitEvents} events`);
          event.run();
        } catch (error) {
          over = true;
          reject(error as Error);
        }
      };
      const phase = (): void => {
        if (over) return;
        for (let index = 0; index < EVENTS_PER_PHASE; index++) setImmediate(step);
        setImmediate(phase);
      };
      setImmediate(phase);
    });
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(heap[parent] as ScheduledEvent, event)) break;
      heap[index] = heap[parent] as ScheduledEvent;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): ScheduledEvent | null {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return null;
      this.#removeTop();
      if (!top.cancelled) return top;
    }
  }

  #removeTop(): void {
    const heap = this.#heap;
    const last = heap.pop() as ScheduledEvent;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as ScheduledEvent, heap[child] as ScheduledEvent)) child++;
      if (before(last, heap[child] as ScheduledEvent)) break;
      heap[index] = heap[child] as ScheduledEvent;
      index = child;
    }
    heap[index] = last;
  }
}

function before(left: ScheduledEvent, right: ScheduledEvent): boolean {
  if (left.atMicroseconds !== right.atMicroseconds) return left.atMicroseconds < right.atMicroseconds;
  return left.order < right.order;
}
