/**
 * Change tracking without a kernel module: block events from a tracefs instance of our own (R2 to R5).
 *
 * Situation: the kernel reports every request of a disk into one ring per processor; we read the rings. Mechanism: the
 * instance survives this process, so a restarted agent can go on where it stopped. Special cases: an instance whose
 * settings differ is made anew. Failure: nothing here decides; losses are said (`lost`, `difference`, `statistics`),
 * and the core's tracker draws the conclusion (RESCAN).
 */
import { endianness } from 'node:os';
import { LmsError } from '@lms/errors';
import { allocateAlignedMemory, onlineProcessors } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import type { ProcessorStatistics, SourceDisk, TraceInstance, TraceVisitor } from '../../core/ports.ts';
import { CANARY_LENGTH_BYTES, CANARY_OFFSET_BYTES, CANARY_SECTOR } from './event-filter.ts';
import { DEFAULT_BUFFER_SIZE_KIB, instanceSettings, prepareInstance, readRingLayout } from './instance-folder.ts';
import { MarkerWriter } from './marker-writer.ts';
import { RingReader } from './ring-reader.ts';
import { SettingsGuard } from './settings-guard.ts';
import { WholeDisks } from './whole-disks.ts';

export interface TraceInstanceOptions {
  /** `lms-` and small letters, digits, hyphens. */
  readonly name: string;
  readonly disks: readonly SourceDisk[];
  /** `adopt` goes on with what an earlier process left, if it is as it must be; `fresh` makes it anew. */
  readonly mode: 'adopt' | 'fresh';
  /** Ring of one processor, KiB. Default 4096. */
  readonly bufferSizeKib?: number;
}

/** UNSUPPORTED where the kernel cannot do it; FAILED_PRECONDITION when another process uses the instance. */
export async function openTraceInstance(options: TraceInstanceOptions): Promise<TraceInstance> {
  if (endianness() !== 'LE') throw new LmsError('UNSUPPORTED', 'trace rings are read on little-endian machines only');
  const deviceNumbers = options.disks.map((disk) => disk.deviceNumber);
  const settings = instanceSettings(deviceNumbers, options.bufferSizeKib ?? DEFAULT_BUFFER_SIZE_KIB);
  const { folder, adopted } = await prepareInstance(options.name, settings, options.mode);
  const processors = onlineProcessors();
  // The rings are opened first: from then on nobody can remove the instance.
  const layout = readRingLayout(folder);
  const closing: (() => void)[] = [];
  try {
    const readers = new Map<number, RingReader>();
    for (const processor of processors) {
      const reader = new RingReader(folder, processor, layout);
      closing.push(() => reader.close());
      readers.set(processor, reader);
    }
    const guard = new SettingsGuard(folder, settings, processors);
    closing.push(() => guard.close());
    return new KernelTraceInstance({
      adopted,
      processors,
      readers,
      guard,
      markers: new MarkerWriter(folder, processors),
    });
  } catch (thrown) {
    for (const close of closing) close();
    throw thrown;
  }
}

interface Parts {
  readonly adopted: boolean;
  readonly processors: readonly number[];
  readonly readers: ReadonlyMap<number, RingReader>;
  readonly guard: SettingsGuard;
  readonly markers: MarkerWriter;
}

class KernelTraceInstance implements TraceInstance {
  readonly processors: readonly number[];
  readonly adopted: boolean;
  readonly #parts: Parts;
  readonly #wholeDisks = new WholeDisks();
  readonly #canary = allocateAlignedMemory(CANARY_LENGTH_BYTES);

  constructor(parts: Parts) {
    this.#parts = parts;
    this.processors = parts.processors;
    this.adopted = parts.adopted;
  }

  readEvents(processor: number, visitor: TraceVisitor): void {
    this.#wholeDisks.refresh();
    this.#reader(processor).readEvents(visitor);
  }

  statistics(processor: number): ProcessorStatistics {
    return this.#reader(processor).statistics();
  }

  difference(): string | null {
    const difference = this.#parts.guard.difference();
    if (difference !== null) return difference;
    for (const reader of this.#parts.readers.values()) {
      const stolen = reader.difference();
      if (stolen !== null) return stolen;
    }
    return null;
  }

  async writeMarkers(markerId: number, timeoutMilliseconds: number): Promise<void> {
    await this.#parts.markers.write(markerId, timeoutMilliseconds);
  }

  wholeDisk(deviceNumber: DeviceNumber): DeviceNumber | null {
    return this.#wholeDisks.find(deviceNumber);
  }

  async sendCanary(disk: SourceDisk): Promise<{ readonly sector: number; readonly sectorCount: number }> {
    await disk.read(CANARY_OFFSET_BYTES, this.#canary);
    return { sector: CANARY_SECTOR, sectorCount: CANARY_LENGTH_BYTES / 512 };
  }

  async close(): Promise<void> {
    await this.#parts.markers.close();
    this.#parts.guard.close();
    for (const reader of this.#parts.readers.values()) reader.close();
    this.#wholeDisks.close();
  }

  #reader(processor: number): RingReader {
    const reader = this.#parts.readers.get(processor);
    if (reader === undefined) throw new RangeError(`processor ${processor} is not read`);
    return reader;
  }
}
