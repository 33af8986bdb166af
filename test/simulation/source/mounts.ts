/**
 * File systems of the source: writers go through them, and wait while one is frozen.
 *
 * FIFREEZE as the kernel does it: new writers wait at once, those inside finish, what is dirty is written out, then it
 * returns; it cannot be undone before. FITHAW of what is not frozen fails, FIFREEZE of what is frozen is EBUSY.
 */
import type { Random } from '../time/random.ts';
import type { BlockLayer, Request } from './block-layer.ts';
import type { Boot } from './boot.ts';
import type { SimulatedDisk } from './disk.ts';

export type FreezeState = 'thawed' | 'freezing' | 'frozen';

interface DirtyPage {
  readonly disk: SimulatedDisk;
  readonly request: Request;
}

export interface FreezeObserver {
  frozen(mount: MountedFileSystem): void;
  thawed(mount: MountedFileSystem): void;
}

export class MountedFileSystem {
  readonly mountPoint: string;
  readonly disks: readonly SimulatedDisk[];
  /** False for vfat and the like. */
  readonly freezable: boolean;
  readonly #boot: Boot;
  readonly #blockLayer: BlockLayer;
  readonly #random: Random;
  readonly #observer: FreezeObserver;
  readonly #waiting: (() => void)[] = [];
  #state: FreezeState = 'thawed';
  #frozenByUs = false;
  #frozenAtMicroseconds = 0;
  freezeCalledAtMicroseconds = 0;
  #inside = 0;
  #dirtyPages: DirtyPage[] = [];

  constructor(
    mountPoint: string,
    disks: readonly SimulatedDisk[],
    freezable: boolean,
    boot: Boot,
    blockLayer: BlockLayer,
    random: Random,
    observer: FreezeObserver,
  ) {
    this.mountPoint = mountPoint;
    this.disks = disks;
    this.freezable = freezable;
    this.#boot = boot;
    this.#blockLayer = blockLayer;
    this.#random = random;
    this.#observer = observer;
  }

  get state(): FreezeState {
    return this.#state;
  }

  get frozenAtMicroseconds(): number {
    return this.#frozenAtMicroseconds;
  }

  get frozenByUs(): boolean {
    return this.#state !== 'thawed' && this.#frozenByUs;
  }

  /** Of the last freeze. */
  get wasFrozenByUs(): boolean {
    return this.#frozenByUs;
  }

  get dirtyPages(): number {
    return this.#dirtyPages.length;
  }

  /** A write that the application waits for. */
  async write(disk: SimulatedDisk, requests: readonly Request[]): Promise<void> {
    await this.#enter();
    for (const request of requests) await this.#blockLayer.submit(disk, request);
    this.#inside--;
  }

  /** A write into the page cache: it reaches the disk later. */
  async writeBuffered(disk: SimulatedDisk, request: Request): Promise<void> {
    await this.#enter();
    this.#dirtyPages.push({ disk, request });
    this.#inside--;
  }

  /** Write-back: what the kernel does by itself now and then, and `syncfs` at once. */
  async writeBack(): Promise<void> {
    if (this.#state !== 'thawed') return;
    this.#inside++;
    await this.#writeDirtyPages();
    this.#inside--;
  }

  async freeze(byUs: boolean): Promise<'done' | 'EBUSY' | 'EOPNOTSUPP'> {
    if (!this.freezable) return 'EOPNOTSUPP';
    if (this.#state !== 'thawed') return 'EBUSY';
    this.#state = 'freezing';
    this.freezeCalledAtMicroseconds = this.#boot.scheduler.nowMicroseconds;
    this.#frozenByUs = byUs;
    while (this.#inside > 0) await this.#boot.pause(this.#random.between(20, 200));
    await this.#writeDirtyPages();
    this.#state = 'frozen';
    this.#frozenAtMicroseconds = this.#boot.scheduler.nowMicroseconds;
    this.#observer.frozen(this);
    return 'done';
  }

  thaw(): 'done' | 'EINVAL' {
    if (this.#state !== 'frozen') return 'EINVAL';
    this.#state = 'thawed';
    this.#observer.thawed(this);
    for (const resume of this.#waiting.splice(0)) this.#boot.after(this.#random.below(50), resume);
    return 'done';
  }

  async #enter(): Promise<void> {
    while (this.#state !== 'thawed') {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#inside++;
  }

  async #writeDirtyPages(): Promise<void> {
    const pages = this.#dirtyPages;
    this.#dirtyPages = [];
    await Promise.all(pages.map(({ disk, request }) => this.#blockLayer.submit(disk, request)));
  }
}
