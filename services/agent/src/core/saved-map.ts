/**
 * The dirty map as it outlives the agent's process, but not the boot.
 *
 * Situation: the kernel's rings go on recording while no agent runs, so a new process can go on without a rescan, if
 * it knows every block that the old one had not yet seen acknowledged. Mechanism: after each poll the changed pages of
 * the bitmaps are written, then the header with each processor's `readEvents`. Bits are only ever set early and
 * cleared late, so a kill between the two leaves a map that holds too much, or a header whose figures do not match the
 * kernel's, which is a loss (R4).
 * Special case: a block that moves from suspect to unacknowledged is written as unsafe first, as suspect after that.
 * Failure: anything that does not fit (boot, disks, sizes, version) makes the map void: everything is compared.
 * The downside of memory that a reboot clears is a rescan after each reboot; the map would be void then anyway.
 */
import type { SavedStatistics, TrackedDisk } from './change-tracker.ts';
import { BLOCKS_PER_PAGE, DiskMap } from './disk-map.ts';
import type { SectorRange } from './open-ranges.ts';
import type { RuntimeMemory, SourceDisk } from './ports.ts';

const FORMAT_VERSION = 1;
const HEADER = 'header.json';
const PAGE_BYTES = 4096;

/** A checkpoint whose acknowledgement is not known yet (R18), or the last one that is. */
export interface CheckpointRecord {
  readonly checkpointId: string;
  readonly markId: number;
  readonly requestId: string;
  /** Null while not known to be committed. */
  readonly sequence: number | null;
}

export interface MapHeader {
  readonly mapEpoch: string;
  readonly nextMarkId: number;
  readonly acknowledgedMark: number;
  readonly checkpoint: CheckpointRecord | null;
  readonly freezeFailures: number;
  readonly statistics: SavedStatistics;
  /** Disk ids whose initial sync is not finished. */
  readonly initialSync: readonly string[];
  readonly openRanges: readonly { readonly diskId: string; readonly ranges: readonly SectorRange[] }[];
}

interface StoredHeader extends MapHeader {
  readonly formatVersion: number;
  readonly bootId: string;
  readonly disks: readonly { readonly diskId: string; readonly sizeBytes: number; readonly generation: string }[];
}

export interface RestoredMap {
  readonly header: MapHeader;
  readonly disks: readonly TrackedDisk[];
}

export class SavedMap {
  readonly #memory: RuntimeMemory;
  readonly #bootId: string;
  /** Null when what is saved is void. */
  #lastHeader: string | null = '';

  constructor(memory: RuntimeMemory, bootId: string) {
    this.#memory = memory;
    this.#bootId = bootId;
  }

  /** The saved map, or the reason why there is none that can be used. */
  restore(disks: readonly SourceDisk[]): RestoredMap | string {
    const bytes = this.#memory.read(HEADER);
    if (bytes === null) return 'no dirty map was saved since the machine started';
    const stored = parseHeader(bytes);
    if (stored === null) return 'the saved dirty map is not of this version';
    if (stored.bootId !== this.#bootId) return 'the machine was restarted since the dirty map was saved';
    if (stored.disks.length !== disks.length) return 'other disks than when the dirty map was saved';
    const restored: TrackedDisk[] = [];
    for (const [index, disk] of disks.entries()) {
      const before = stored.disks[index];
      if (
        before === undefined ||
        before.diskId !== disk.diskId ||
        before.sizeBytes !== disk.sizeBytes ||
        before.generation !== disk.generation
      ) {
        return `${disk.device} is not the disk that it was when the dirty map was saved`;
      }
      const map = new DiskMap(disk.sizeBytes);
      const unsafe = this.#memory.read(unsafeName(index));
      const suspect = this.#memory.read(suspectName(index));
      if (unsafe?.length !== map.dirty.words.byteLength || suspect?.length !== map.suspect.words.byteLength) {
        return 'the saved dirty map is not complete';
      }
      map.dirty.load(unsafe);
      map.suspect.load(suspect);
      restored.push({ disk, map });
    }
    return { header: stored, disks: restored };
  }

  /** What was saved is void from here on: a new process compares everything. */
  invalidate(): void {
    if (this.#lastHeader === null) return;
    this.#memory.replace(HEADER, new Uint8Array(0));
    this.#lastHeader = null;
  }

  /** Makes room for a new map. */
  begin(disks: readonly TrackedDisk[]): void {
    this.invalidate();
    for (const [index, { map }] of disks.entries()) {
      this.#memory.allocate(unsafeName(index), map.dirty.words.byteLength);
      this.#memory.allocate(suspectName(index), map.suspect.words.byteLength);
      map.changedPages.addAll();
    }
  }

  /** Writes what changed. The header's statistics must be those of the events that are in the map. */
  save(disks: readonly TrackedDisk[], header: MapHeader): void {
    for (const [index, { map }] of disks.entries()) {
      const pages = changedPages(map);
      for (const page of pages) this.#memory.writeAt(unsafeName(index), page * PAGE_BYTES, map.unsafePage(page));
      for (const page of pages) this.#memory.writeAt(suspectName(index), page * PAGE_BYTES, map.suspectPage(page));
      map.changedPages.clear();
    }
    const stored: StoredHeader = {
      formatVersion: FORMAT_VERSION,
      bootId: this.#bootId,
      disks: disks.map(({ disk }) => ({
        diskId: disk.diskId,
        sizeBytes: disk.sizeBytes,
        generation: disk.generation,
      })),
      ...header,
    };
    const text = JSON.stringify(stored);
    if (text === this.#lastHeader) return;
    this.#memory.replace(HEADER, new TextEncoder().encode(text));
    this.#lastHeader = text;
  }
}

function changedPages(map: DiskMap): number[] {
  const pages: number[] = [];
  for (let page = 0; page * BLOCKS_PER_PAGE < map.blockCount; page++) if (map.changedPages.has(page)) pages.push(page);
  return pages;
}

function parseHeader(bytes: Uint8Array): StoredHeader | null {
  try {
    const stored = JSON.parse(new TextDecoder().decode(bytes)) as StoredHeader;
    return stored.formatVersion === FORMAT_VERSION ? stored : null;
  } catch {
    return null; // torn or void: nobody but this module writes it, so there is nothing more to say
  }
}

function unsafeName(index: number): string {
  return `disk-${index}.unsafe`;
}

function suspectName(index: number): string {
  return `disk-${index}.suspect`;
}
