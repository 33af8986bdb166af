/**
 * The kernel's side of a tracefs instance: one ring per processor, with what can go wrong in it (R4).
 *
 * It belongs to the boot, not to the agent: it survives the agent's death and keeps recording, and it is gone after a
 * reboot. A ring that is full overwrites its oldest events and counts them.
 */
import type { EventKind } from '../../../services/agent/src/core/index.ts';
import type { Random } from '../time/random.ts';

/** How often an event can be read only some time after it was recorded; a drain waits ten times as long. */
const HELD_BACK_CHANCE = 0.1;
const LONGEST_HOLD_MICROSECONDS = 20_000;

export interface BlockEvent {
  readonly kind: EventKind;
  readonly deviceNumber: number;
  readonly sector: number;
  readonly sectorCount: number;
  /** As the kernel writes them: `W`, `FWFS`, `DE`, `N` … */
  readonly letters: string;
}

export type RingEntry = BlockEvent | { readonly markerId: number };

interface PlacedEntry {
  readonly entry: RingEntry;
  /** A writer that was interrupted holds its event back, and with it every later one of its ring. */
  readonly readableAtMicroseconds: number;
}

interface Ring {
  entries: PlacedEntry[];
  overrun: number;
  commitOverrun: number;
  droppedEvents: number;
  readEvents: number;
  /** Events were overwritten since the last read: the next page carries a LOST mark. */
  lostSinceRead: boolean;
}

/** How a lost event shows itself. In the kernel each happens alone. */
export type LossSign = 'overrun' | 'commitOverrun' | 'droppedEvents' | 'lostMark';

export class TraceBuffer {
  readonly identity: number;
  readonly rings: readonly Ring[];
  readonly #capacity: number;
  readonly #random: Random;
  readonly #now: () => number;
  tracingOn = true;
  filterIntact = true;
  removed = false;
  readonly offline = new Set<number>();
  #loseNext: { readonly sign: LossSign; readonly onLost: () => void } | null = null;
  #markersStuck = false;
  #squeezed = false;

  constructor(identity: number, processors: number, capacity: number, random: Random, now: () => number) {
    this.identity = identity;
    this.#now = now;
    this.#capacity = capacity;
    this.#random = random;
    this.rings = Array.from({ length: processors }, () => ({
      entries: [],
      overrun: 0,
      commitOverrun: 0,
      droppedEvents: 0,
      readEvents: 0,
      lostSinceRead: false,
    }));
  }

  /** The next write event is lost, and only this sign tells of it. `onLost` is called when it happens. */
  loseNextWrite(sign: LossSign, onLost: () => void): void {
    this.#loseNext = { sign, onLost };
  }

  /** The ring that has an event next is full: its oldest half is overwritten. */
  squeeze(): void {
    this.#squeezed = true;
  }

  get markersStuck(): boolean {
    return this.#markersStuck;
  }

  /** No marker can be written for a while: a processor is busy with something that does not let go of it. */
  stickMarkers(stuck: boolean): void {
    this.#markersStuck = stuck;
  }

  record(processor: number, entry: RingEntry): void {
    if (this.removed || !this.tracingOn || this.offline.has(processor)) return;
    const ring = this.rings[processor] as Ring;
    if ('kind' in entry) {
      if (!this.filterIntact) return;
      if (this.#loseNext !== null && entry.kind === 'complete' && !entry.letters.startsWith('R')) {
        const { sign, onLost } = this.#loseNext;
        this.#loseNext = null;
        this.#lose(ring, sign);
        onLost();
        return;
      }
    }
    if (ring.entries.length >= (this.#squeezed ? 1 : this.#capacity)) {
      const overwritten = ring.entries.splice(0, Math.max(1, ring.entries.length >> 1));
      ring.overrun += overwritten.length;
      ring.lostSinceRead = true;
      this.#squeezed = false;
    }
    ring.entries.push({ entry, readableAtMicroseconds: this.#readableAt(ring) });
  }

  /** Takes up to one page of the events that can be read by now out of a ring, and counts them as read. */
  takePage(processor: number): { readonly lost: boolean; readonly entries: readonly RingEntry[] } {
    const ring = this.rings[processor] as Ring;
    const lost = ring.lostSinceRead;
    ring.lostSinceRead = false;
    const now = this.#now();
    const held = ring.entries.findIndex(({ readableAtMicroseconds }) => readableAtMicroseconds > now);
    const readable = held === -1 ? ring.entries.length : held;
    const taken = ring.entries.splice(0, Math.min(readable, this.#random.between(4, 40)));
    ring.readEvents += taken.length;
    return { lost, entries: taken.map(({ entry }) => entry) };
  }

  ring(processor: number): Readonly<Ring> {
    return this.rings[processor] as Ring;
  }

  #readableAt(ring: Ring): number {
    const delay = this.#random.chance(HELD_BACK_CHANCE) ? this.#random.between(100, LONGEST_HOLD_MICROSECONDS) : 0;
    return Math.max(ring.entries.at(-1)?.readableAtMicroseconds ?? 0, this.#now() + delay);
  }

  #lose(ring: Ring, sign: LossSign): void {
    if (sign === 'overrun') ring.overrun++;
    if (sign === 'commitOverrun') ring.commitOverrun++;
    if (sign === 'droppedEvents') ring.droppedEvents++;
    if (sign === 'lostMark') ring.lostSinceRead = true;
  }
}
