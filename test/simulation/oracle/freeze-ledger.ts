/** What the source's kernel knows of mounts and freezes: when each file system was mounted, and when it was frozen. */
import type { MountedFileSystem } from '../source/mounts.ts';

interface Interval {
  readonly mount: MountedFileSystem;
  readonly fromMicroseconds: number;
  toMicroseconds: number;
}

/** R17: nothing stays frozen longer than 2 s after FIFREEZE returned; a thaw takes a moment of its own. */
const LONGEST_FREEZE_MICROSECONDS = 2_050_000;

export class FreezeLedger {
  readonly #broken: (message: string) => void;
  readonly #mounted: Interval[] = [];
  readonly #frozen: Interval[] = [];

  /** `broken` is told when a file system was frozen for too long. */
  constructor(broken: (message: string) => void) {
    this.#broken = broken;
  }

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
      if (interval.mount !== mount || interval.toMicroseconds !== Number.POSITIVE_INFINITY) continue;
      interval.toMicroseconds = atMicroseconds;
      this.#checkLength(interval, atMicroseconds);
    }
  }

  /** Nothing that we froze before then may still be frozen. */
  requireThawed(frozenBeforeMicroseconds: number, why: string): void {
    for (const { mount, fromMicroseconds, toMicroseconds } of this.#frozen) {
      if (fromMicroseconds > frozenBeforeMicroseconds || toMicroseconds !== Number.POSITIVE_INFINITY) continue;
      if (mount.frozenByUs) this.#broken(`${mount.mountPoint} is still frozen ${why}`);
    }
  }

  #checkLength({ mount, fromMicroseconds }: Interval, atMicroseconds: number): void {
    const microseconds = atMicroseconds - fromMicroseconds;
    if (!mount.wasFrozenByUs || microseconds <= LONGEST_FREEZE_MICROSECONDS) return;
    this.#broken(`${mount.mountPoint} was frozen for ${Math.round(microseconds / 1000)} ms`);
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
