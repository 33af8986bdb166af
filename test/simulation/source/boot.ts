/**
 * One boot of the source machine: what lives until the next reboot, and dies with it. Everything that happens on the
 * machine waits through its boot, so that a crash of the machine ends it all at one instant.
 */
import type { Random } from '../time/random.ts';
import type { Cancellable, Scheduler } from '../time/scheduler.ts';
import { BootMemory } from './boot-memory.ts';
import { TraceBuffer } from './kernel-trace.ts';

export class Boot {
  readonly bootId: string;
  readonly processors: number;
  readonly memory = new BootMemory();
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  #alive = true;
  #traceBuffer: TraceBuffer | null = null;
  #traceIdentities = 0;

  constructor(bootId: string, processors: number, scheduler: Scheduler, random: Random) {
    this.bootId = bootId;
    this.processors = processors;
    this.#scheduler = scheduler;
    this.#random = random;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get scheduler(): Scheduler {
    return this.#scheduler;
  }

  get traceBuffer(): TraceBuffer | null {
    return this.#traceBuffer;
  }

  createTraceBuffer(capacity: number): TraceBuffer {
    const now = (): number => this.#scheduler.nowMicroseconds;
    const random = this.#random.fork();
    this.#traceBuffer = new TraceBuffer(++this.#traceIdentities, this.processors, capacity, random, now);
    return this.#traceBuffer;
  }

  /** Power is gone: nothing of this boot happens any more. */
  end(): void {
    this.#alive = false;
  }

  after(delayMicroseconds: number, run: () => void): Cancellable {
    return this.#scheduler.after(delayMicroseconds, () => {
      if (this.#alive) run();
    });
  }

  pause(delayMicroseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMicroseconds, resolve);
    });
  }
}
