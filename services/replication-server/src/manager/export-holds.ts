/**
 * Points whose exports broke off stay for an hour, so that they can go on.
 *
 * Situation: while a part is sent its reader keeps the point; between two parts nobody does, and retention would take it,
 * also while this process is started anew. Mechanism: each export is in a file from before its first byte on; one that broke
 * off, or that was under way when a process died, counts as a use of the point for an hour from then on. Special cases: a
 * deletion that somebody asks for ends the holds first; parts of one disk may be sent at once.
 * Failure: a file that cannot be written or read costs the protection over a restart, and is told; never the export.
 * Downside: what nobody goes on with takes its space for an hour longer.
 */
import { readFile } from 'node:fs/promises';
import { toLmsError } from '@lms/errors';
import type { LmsError } from '@lms/errors';
import { z } from 'zod';
import { replaceDurably } from '../durable-file.ts';
import type { StagingStore } from '../store/staging-store.ts';

/** As long as retention leaves a point alone that somebody asked for. */
const HOLD_MILLISECONDS = 3_600_000;
/** Beyond, those that broke off first are let go. */
const MAXIMUM_HOLDS = 64;

const Held = z.object({ machineId: z.string(), sequence: z.int(), checkpointId: z.string(), diskId: z.string() });
export type HeldDisk = Readonly<z.infer<typeof Held>>;
const HoldFile = z.object({ holds: z.array(Held.extend({ until: z.number().nullable() })).max(MAXIMUM_HOLDS * 2) });

interface Hold extends HeldDisk {
  /** Parts that are being sent. */
  active: number;
  /** Unix epoch; null while no part broke off. */
  until: number | null;
  letGo: (() => void) | null;
}

export interface ExportHoldsOptions {
  readonly file: string;
  /** Default: an hour. */
  readonly holdMilliseconds?: number;
  readonly onFailure: (error: LmsError) => void;
}

export class ExportHolds implements Disposable {
  readonly #options: ExportHoldsOptions;
  readonly #holds = new Map<string, Hold>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ExportHoldsOptions) {
    this.#options = options;
  }

  /** What the process before held. */
  async load(): Promise<void> {
    try {
      const { holds } = HoldFile.parse(JSON.parse(await readFile(this.#options.file, 'utf8')));
      // Without an end it was under way when that process died.
      for (const hold of holds) this.#add({ ...hold, until: hold.until ?? this.#end() });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#options.onFailure(toLmsError(thrown, 'Export holds'));
    }
    this.#expire();
  }

  /** Call it with every store that was opened, before anything may be deleted there. */
  attach(machineId: string, store: StagingStore): void {
    for (const [key, hold] of this.#holds) {
      if (hold.machineId !== machineId) continue;
      if (store.points().some((point) => isOf(point, hold))) hold.letGo = store.keepPoint(hold.sequence);
      else if (hold.active === 0) this.#holds.delete(key);
    }
  }

  /** The point must be open. Returns what tells the end of this part; resolves when a restart would know of it. */
  async begin(store: StagingStore, disk: HeldDisk): Promise<(brokeOff: boolean) => void> {
    const hold = this.#holds.get(keyOf(disk)) ?? this.#add({ ...disk, until: null });
    hold.active += 1;
    hold.letGo ??= store.keepPoint(disk.sequence);
    this.#dropOldest();
    await this.#write();
    return (brokeOff) => {
      hold.active -= 1;
      if (brokeOff) hold.until = this.#end();
      this.#expire();
    };
  }

  /** Somebody wants the point gone. Parts that are being sent keep it all the same. */
  release(machineId: string, sequence: number): void {
    for (const [key, hold] of this.#holds) {
      if (hold.machineId === machineId && hold.sequence === sequence && hold.active === 0) this.#remove(key, hold);
    }
    void this.#write();
  }

  /** The machine was removed, and its points with it. */
  forget(machineId: string): void {
    for (const [key, hold] of this.#holds) if (hold.machineId === machineId) this.#remove(key, hold);
    void this.#write();
  }

  /** Resolves when the file says what is so. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #end(): number {
    return Date.now() + (this.#options.holdMilliseconds ?? HOLD_MILLISECONDS);
  }

  #add(held: HeldDisk & { readonly until: number | null }): Hold {
    const hold: Hold = { ...held, active: 0, letGo: null };
    this.#holds.set(keyOf(held), hold);
    return hold;
  }

  #remove(key: string, hold: Hold): void {
    this.#holds.delete(key);
    hold.letGo?.();
    hold.letGo = null;
  }

  /** Lets go what nobody sends and whose time is over, and comes again when the next one's is. */
  #expire(): void {
    const now = Date.now();
    let next = Infinity;
    for (const [key, hold] of this.#holds) {
      if (hold.active > 0) continue;
      if (hold.until === null || hold.until <= now) this.#remove(key, hold);
      else next = Math.min(next, hold.until);
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = next === Infinity ? null : setTimeout(() => this.#expire(), next - now).unref();
    void this.#write();
  }

  #dropOldest(): void {
    const idle = [...this.#holds].filter(([, { active }]) => active === 0);
    idle.sort(([, one], [, other]) => (one.until ?? 0) - (other.until ?? 0));
    for (const [key, hold] of idle) {
      if (this.#holds.size <= MAXIMUM_HOLDS) return;
      this.#remove(key, hold);
    }
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const holds = [...this.#holds.values()].map(({ active, letGo: _letGo, until, ...held }) => ({
        ...held,
        until: active > 0 ? null : until,
      }));
      try {
        await replaceDurably(this.#options.file, `${JSON.stringify({ holds })}\n`);
      } catch (thrown) {
        this.#options.onFailure(toLmsError(thrown, 'Export holds'));
      }
    });
    return this.#writing;
  }
}

function keyOf({ machineId, sequence, checkpointId, diskId }: HeldDisk): string {
  return [machineId, sequence, checkpointId, diskId].join('\n');
}

function isOf(point: { readonly sequence: number; readonly checkpointId: string }, hold: HeldDisk): boolean {
  return point.sequence === hold.sequence && point.checkpointId === hold.checkpointId;
}
