/**
 * R17: from freeze to thaw the agent writes to no disk. Writes to the state folder (a renewed certificate) may go to the
 * very file system that is frozen, so they and the frozen time exclude each other: a write waits for the thaw, and a
 * freeze waits for the write (milliseconds) before FIFREEZE is called, not after.
 */
import type { Freezer, ThawReport } from '../core/index.ts';

export class WriteGate {
  #tail: Promise<void> = Promise.resolve();

  /** Runs `write` when nothing is frozen. */
  async write(write: () => Promise<void>): Promise<void> {
    const leave = await this.#enter();
    try {
      await write();
    } finally {
      leave();
    }
  }

  /** The same freezer, which keeps writes out from freeze to thaw. */
  guard(freezer: Freezer): Freezer {
    let leave: (() => void) | null = null;
    const reopen = (): void => {
      leave?.();
      leave = null;
    };
    return {
      countMounts: () => freezer.countMounts(),
      flush: (signal) => freezer.flush(signal),
      freeze: async (limitMilliseconds) => {
        leave = await this.#enter();
        try {
          return await freezer.freeze(limitMilliseconds);
        } catch (thrown) {
          reopen();
          throw thrown;
        }
      },
      thaw: async (): Promise<ThawReport> => {
        try {
          return await freezer.thaw();
        } finally {
          reopen();
        }
      },
    };
  }

  async #enter(): Promise<() => void> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    await before;
    return resolve;
  }
}
