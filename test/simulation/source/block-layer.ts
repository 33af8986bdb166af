/**
 * How a request goes through the source's kernel: queue → issue → data changes → complete → the writer is told.
 *
 * The order is the kernel's: the complete event is in a ring before the writer is told, and the request leaves
 * `inflight` after that. Content changes in parts, at any instant between issue and completion. Events of one request
 * are recorded on different processors, and requests complete in any order.
 */
import type { Random } from '../time/random.ts';
import type { Timeline } from '../oracle/timeline.ts';
import type { Boot } from './boot.ts';
import type { SimulatedDisk } from './disk.ts';

export interface SectorRange {
  readonly sector: number;
  readonly count: number;
}

/** What the letters of the events say, and what happens to the content. */
export const REQUEST_KINDS = [
  'write',
  'flushWrite',
  'discard',
  'secureErase',
  'writeZeroes',
  'zoneAppend',
  'unknownLetter',
  'passthrough',
  'flush',
] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

const LETTERS: Readonly<Record<RequestKind, readonly string[]>> = {
  write: ['W', 'WS', 'WM', 'WSM'],
  flushWrite: ['FWFS', 'FWS', 'WFS'],
  discard: ['D', 'DS'],
  secureErase: ['DE', 'DES'],
  writeZeroes: ['N', 'NS', 'NF'],
  zoneAppend: ['ZA', 'ZAS'],
  unknownLetter: ['X', 'QS', 'RX', 'FX'],
  passthrough: ['N'],
  flush: ['F', 'FF', 'FS'],
};

export type RequestFate = 'done' | 'failed' | 'partial' | 'requeued';

export interface Request {
  readonly kind: RequestKind;
  readonly ranges: readonly SectorRange[];
  readonly fate: RequestFate;
  /** What it writes; a new one when nobody cares. */
  readonly version?: number;
}

/** A part of a request's range whose content changes at one instant. */
interface Part extends SectorRange {
  readonly version: number;
}

const TYPICAL_QUEUE_MICROSECONDS = 60;
const TYPICAL_DEVICE_MICROSECONDS = 1_500;
/** An I/O scheduler keeps discards back, not in flight, and merges others into them meanwhile: for less than a second (R3). */
const HELD_DISCARD_CHANCE = 0.15;
const LONGEST_HOLD_MICROSECONDS = 600_000;

export class BlockLayer {
  readonly #boot: Boot;
  readonly #random: Random;
  readonly #timeline: Timeline;

  constructor(boot: Boot, timeline: Timeline, random: Random) {
    this.#boot = boot;
    this.#timeline = timeline;
    this.#random = random;
  }

  /** Resolves when the writer is told that its request is done (or failed: it does not care). */
  async submit(disk: SimulatedDisk, request: Request): Promise<void> {
    const random = this.#random;
    const letters = random.pick(LETTERS[request.kind]);
    const version = request.version ?? this.#timeline.newVersion();
    const throughPartition = random.chance(0.5);
    if (request.kind !== 'passthrough' && request.kind !== 'flush') {
      for (const range of request.ranges) {
        this.#record(disk, 'queue', range, letters, throughPartition);
      }
    }
    await this.#boot.pause(this.#queueMicroseconds(request.kind));
    const shown = shownRange(request, random);
    const writes = request.kind !== 'flush';
    if (writes) disk.writesInFlight++;
    await this.#boot.pause(random.latency(TYPICAL_QUEUE_MICROSECONDS));
    this.#record(disk, 'issue', shown, letters, false);
    if (request.fate === 'requeued') {
      await this.#boot.pause(random.latency(TYPICAL_DEVICE_MICROSECONDS));
      this.#record(disk, 'issue', shown, letters, false);
    }
    await this.#change(disk, request, version);
    await this.#complete(disk, request, shown, letters);
    await this.#boot.pause(random.below(3));
    if (writes) this.#boot.after(random.below(4), () => disk.writesInFlight--);
  }

  /** An event of a device that is none of ours: queue events have no filter by device. */
  recordForeign(deviceNumber: number): void {
    const event = { kind: 'queue', deviceNumber, sector: 0, sectorCount: 8, letters: 'D' } as const;
    this.#boot.traceBuffer?.record(this.#random.below(this.#boot.processors), event);
  }

  /** Reads pass the rings too; the canary waits for this one. */
  async read(disk: SimulatedDisk, range: SectorRange): Promise<void> {
    this.#record(disk, 'issue', range, 'R', false);
    await this.#boot.pause(this.#random.latency(200));
    this.#record(disk, 'complete', range, 'R', false);
  }

  #queueMicroseconds(kind: RequestKind): number {
    const random = this.#random;
    if ((kind === 'discard' || kind === 'secureErase') && random.chance(HELD_DISCARD_CHANCE)) {
      return random.between(1_000, LONGEST_HOLD_MICROSECONDS);
    }
    return random.chance(0.05) ? random.latency(TYPICAL_DEVICE_MICROSECONDS) : random.below(5);
  }

  async #change(disk: SimulatedDisk, request: Request, version: number): Promise<void> {
    const random = this.#random;
    const parts = request.ranges.flatMap((range) => this.#split(range, this.#content(request.kind, version)));
    shuffle(parts, random);
    const applied = request.fate === 'failed' ? parts.slice(0, random.below(parts.length + 1)) : parts;
    for (const part of applied) {
      await this.#boot.pause(random.latency(TYPICAL_DEVICE_MICROSECONDS / applied.length));
      disk.change(part.sector, part.count, part.version);
    }
    await this.#boot.pause(random.latency(TYPICAL_DEVICE_MICROSECONDS / 4));
  }

  async #complete(disk: SimulatedDisk, request: Request, shown: SectorRange, letters: string): Promise<void> {
    if (request.fate === 'partial' && shown.count > 1) {
      const first = this.#random.between(1, shown.count - 1);
      this.#record(disk, 'complete', { sector: shown.sector, count: first }, letters, false);
      await this.#boot.pause(this.#random.latency(TYPICAL_DEVICE_MICROSECONDS));
      this.#record(disk, 'complete', { sector: shown.sector + first, count: shown.count - first }, letters, false);
      return;
    }
    this.#record(disk, 'complete', shown, letters, false);
    // The flush machinery completes a FUA write a second time, without its letters and its length.
    if (request.kind === 'flushWrite') this.#record(disk, 'complete', { sector: shown.sector, count: 0 }, 'WS', false);
  }

  /** Null: the request leaves the content as it is. */
  #content(kind: RequestKind, version: number): number | null {
    if (kind === 'flush') return null;
    if (kind === 'writeZeroes') return 0;
    if (kind === 'discard' || kind === 'secureErase') return this.#random.pick([0, 0, null, version]);
    return version;
  }

  #split(range: SectorRange, version: number | null): Part[] {
    if (version === null || range.count === 0) return [];
    const parts: Part[] = [];
    let sector = range.sector;
    let left = range.count;
    for (let cut = this.#random.below(3); cut > 0 && left > 1; cut--) {
      const count = this.#random.between(1, left - 1);
      parts.push({ sector, count, version });
      sector += count;
      left -= count;
    }
    parts.push({ sector, count: left, version });
    return parts;
  }

  #record(
    disk: SimulatedDisk,
    kind: 'queue' | 'issue' | 'complete',
    range: SectorRange,
    letters: string,
    throughPartition: boolean,
  ): void {
    if (disk.shape.silent) return;
    this.#boot.traceBuffer?.record(this.#random.below(this.#boot.processors), {
      kind,
      deviceNumber: throughPartition ? disk.shape.partitionNumber : disk.shape.deviceNumber,
      sector: range.sector,
      sectorCount: range.count,
      letters,
    });
  }
}

/** The one range that issue and complete events tell of: for merged discards one of them, with its own length or the sum of all. */
function shownRange(request: Request, random: Random): SectorRange {
  if (request.kind === 'flush' || request.kind === 'passthrough') return { sector: 0, count: 0 };
  const shown = random.pick(request.ranges);
  if (request.ranges.length === 1) return shown;
  const total = request.ranges.reduce((sum, range) => sum + range.count, 0);
  return { sector: shown.sector, count: random.chance(0.7) ? total : shown.count };
}

function shuffle<T>(items: T[], random: Random): void {
  for (let index = items.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [items[index], items[other]] = [items[other] as T, items[index] as T];
  }
}
