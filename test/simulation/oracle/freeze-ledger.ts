/** What the source's kernel knows of mounts and freezes: when each file system was mounted, and when it was frozen. */
import type { MountedFileSystem } from '../source/mounts.ts';

interface Interval {
  readonly mount: MountedFileSystem;
  readonly fromMicroseconds: number;
  toMicroseconds: number;
}

export class FreezeLedger {
  readonly #mounted: Interval[] = [];
  readonly #frozen: Interval[] = [];

  mounted(mount: MountedFileSystem, atMicroseconds: number): void {
    this.#mounted.push({ mount, fromMicroseconds: atMicroseconds, toMicroseconds: Number.POSITIVE_INFINITY });
  }

  unmounted(mount: MountedFileSystem, atMicroseconds: number): void {
    for (const interval of this.#mounted) {
      if (interval.mount === mount) interval.toMicroseconds = Math.min(interval.toMicroseconds, atMicroseconds);
    }
  }

  frozen(mount: MountedFileSystem, atMicroseconds: number): void {
    this.#frozen.push({ mount, fromMicroseconds: atMicroseconds, toMicroseconds: Number.POSITIVE_INFINITY });
  }

  thawed(mount: MountedFileSystem, atMicroseconds: number): void {
    for (const interval of this.#frozen) {
      if (interval.mount === mount) interval.toMicroseconds = Math.min(interval.toMicroseconds, atMicroseconds);
    }
  }

  /** Also true when nothing was mounted. */
  allFrozenAt(microseconds: number): boolean {
    const within = (interval: Interval): boolean =>
      interval.fromMicroseconds <= microseconds && microseconds <= interval.toMicroseconds;
    return this.#mounted
      .filter(within)
      .every(({ mount }) => this.#frozen.some((interval) => interval.mount === mount && within(interval)));
  }
}
