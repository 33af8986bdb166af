/**
 * What runs on the source: applications through file systems, databases that order their writes across two disks, raw
 * writers that know of no freeze, trimming, and swap. Each is a loop that lives as long as its boot.
 */
import type { Timeline } from '../oracle/timeline.ts';
import type { Random } from '../time/random.ts';
import type { BlockLayer, Request, RequestFate, RequestKind, SectorRange } from './block-layer.ts';
import type { Boot } from './boot.ts';
import type { SimulatedDisk } from './disk.ts';
import type { MountedFileSystem } from './mounts.ts';
import { RESERVED_SECTORS, type OrderedWrites } from './ordered-writes.ts';

/** How much of everything happens now; 0 is a quiet machine. */
export interface Load {
  /** Writes per second and writer. */
  writesPerSecond: number;
  rawWriters: boolean;
  discards: boolean;
}

export interface WriterWorld {
  readonly boot: Boot;
  readonly blockLayer: BlockLayer;
  readonly timeline: Timeline;
  readonly disks: readonly SimulatedDisk[];
  readonly mounts: () => readonly MountedFileSystem[];
  readonly orderedWrites: OrderedWrites;
  readonly random: Random;
  readonly load: Load;
  readonly fired: (fault: 'partialCompletion' | 'failedRequest' | 'multiRangeDiscard' | 'unusualLetter') => void;
}

/** How long a writer that has nothing to do looks away. */
const IDLE_MICROSECONDS = 500_000;
const LONGEST_REQUEST_SECTORS = 512;

/** Starts every writer; each sector range is written by whoever comes. */
export function startWriters(world: WriterWorld): void {
  const loops = [applicationWriter, applicationWriter, rawWriter, trimmer, orderedWriter];
  for (const [index, loop] of loops.entries()) {
    void forever({ ...world, random: world.random.stream(`${loop.name} ${index}`) }, loop);
  }
}

type Step = (world: WriterWorld) => Promise<void>;

async function forever(world: WriterWorld, step: Step): Promise<void> {
  for (;;) {
    const { random, load, boot } = world;
    if (load.writesPerSecond === 0) await boot.pause(random.between(1, IDLE_MICROSECONDS));
    else {
      await boot.pause(random.latency((2 * 1_000_000) / load.writesPerSecond));
      await step(world);
    }
  }
}

async function applicationWriter(world: WriterWorld): Promise<void> {
  const { random, blockLayer } = world;
  const mounts = world.mounts();
  const disk = random.pick(world.disks);
  const mount = mounts.find((candidate) => candidate.disks.includes(disk));
  const request = chooseWrite(world, disk);
  if (mount === undefined) await blockLayer.submit(disk, request);
  else if (random.chance(0.4)) await mount.writeBuffered(disk, request);
  else await mount.write(disk, [request, flush()]);
  if (mount !== undefined && random.chance(0.05)) await mount.writeBack();
}

/** Some writes of the one sequence across all disks: each waits for the one before. */
async function orderedWriter(world: WriterWorld): Promise<void> {
  const { random, blockLayer, timeline, disks, orderedWrites } = world;
  for (let count = random.between(1, 4); count > 0; count--) {
    const { disk: index, sector, version } = orderedWrites.begin(timeline.newVersion());
    const disk = disks[index] as SimulatedDisk;
    const request: Request = { kind: 'write', ranges: [{ sector, count: 1 }], fate: 'done', version };
    const mount = world.mounts().find((candidate) => candidate.disks.includes(disk));
    if (mount === undefined) await blockLayer.submit(disk, request);
    else await mount.write(disk, [request]);
  }
}

/** Ignores every file system: a database on a raw partition, a swap area. */
async function rawWriter(world: WriterWorld): Promise<void> {
  if (!world.load.rawWriters) return;
  const disk = world.random.pick(world.disks);
  await world.blockLayer.submit(disk, chooseWrite(world, disk));
}

/** `fstrim` and `blkdiscard`: several ranges in one request. */
async function trimmer(world: WriterWorld): Promise<void> {
  const { random, load, blockLayer, fired } = world;
  if (!load.discards || !random.chance(0.5)) return;
  const disk = random.pick(world.disks);
  const ranges = Array.from({ length: random.between(1, 4) }, () => chooseRange(random, disk, 256));
  if (ranges.length > 1) fired('multiRangeDiscard');
  const kind = random.pick(['discard', 'discard', 'secureErase', 'writeZeroes'] as const);
  const request: Request = { kind, ranges: kind === 'writeZeroes' ? ranges.slice(0, 1) : ranges, fate: 'done' };
  const mount = world.mounts().find((candidate) => candidate.disks.includes(disk));
  if (mount === undefined) await blockLayer.submit(disk, request);
  else await mount.write(disk, [request]);
}

function chooseWrite(world: WriterWorld, disk: SimulatedDisk): Request {
  const { random, fired } = world;
  const kind: RequestKind = random.chance(0.85)
    ? 'write'
    : random.pick(['flushWrite', 'flushWrite', 'writeZeroes', 'zoneAppend', 'unknownLetter'] as const);
  if (kind === 'zoneAppend' || kind === 'unknownLetter' || kind === 'writeZeroes') fired('unusualLetter');
  const fate: RequestFate = random.chance(0.9) ? 'done' : random.pick(['failed', 'partial', 'requeued'] as const);
  if (fate === 'failed') fired('failedRequest');
  if (fate === 'partial') fired('partialCompletion');
  return { kind, ranges: [chooseRange(random, disk, LONGEST_REQUEST_SECTORS)], fate };
}

function chooseRange(random: Random, disk: SimulatedDisk, longestSectors: number): SectorRange {
  const sectors = disk.sectors - RESERVED_SECTORS;
  const count = random.chance(0.5) ? random.between(1, 16) : random.between(1, Math.min(longestSectors, sectors));
  const sector = RESERVED_SECTORS + (random.chance(0.1) ? sectors - count : random.below(sectors - count + 1));
  return { sector, count };
}

function flush(): Request {
  return { kind: 'flush', ranges: [], fate: 'done' };
}
