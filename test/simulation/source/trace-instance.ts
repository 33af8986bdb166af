/** The trace instance as one process of the agent sees it: a view on the boot's ring buffers, through killable steps. */
import { LmsError } from '@lms/errors';
import { classifyOperation, type SourceDisk, type TraceInstance } from '../../../services/agent/src/core/index.ts';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { BlockLayer } from './block-layer.ts';
import type { Boot } from './boot.ts';
import type { SimulatedDisk } from './disk.ts';
import type { RingEntry, TraceBuffer } from './kernel-trace.ts';

const CANARY_SECTORS = 8;
const encoder = new TextEncoder();

export interface TraceWorld {
  readonly boot: Boot;
  readonly blockLayer: BlockLayer;
  readonly disks: readonly SimulatedDisk[];
  readonly random: Random;
  readonly ringCapacity: number;
}

export async function openTrace(
  mode: 'adopt' | 'fresh',
  world: TraceWorld,
  process: SimulatedProcess,
): Promise<TraceInstance> {
  return process.call('trace.open', world.random.latency(500), () => {
    const left = world.boot.traceBuffer;
    const usable = left !== null && !left.removed && left.tracingOn && left.filterIntact && left.offline.size === 0;
    const adopted = mode === 'adopt' && usable;
    const buffer = adopted ? left : world.boot.createTraceBuffer(world.ringCapacity);
    return new SimulatedTraceInstance(buffer, adopted, world, process);
  });
}

class SimulatedTraceInstance implements TraceInstance {
  readonly processors: readonly number[];
  readonly adopted: boolean;
  readonly #buffer: TraceBuffer;
  readonly #world: TraceWorld;
  readonly #process: SimulatedProcess;

  constructor(buffer: TraceBuffer, adopted: boolean, world: TraceWorld, process: SimulatedProcess) {
    this.#buffer = buffer;
    this.adopted = adopted;
    this.#world = world;
    this.#process = process;
    this.processors = buffer.rings.map((_, processor) => processor);
  }

  readEvents(processor: number, visitor: Parameters<TraceInstance['readEvents']>[1]): void {
    for (;;) {
      const page = this.#process.step('trace.readEvents', () => {
        this.#requireInstance();
        return this.#buffer.takePage(processor);
      });
      if (page.lost) visitor.lost('LOST mark');
      if (page.entries.length === 0) return;
      for (const entry of page.entries) visit(entry, visitor);
    }
  }

  statistics(processor: number): ReturnType<TraceInstance['statistics']> {
    return this.#process.step('trace.statistics', () => {
      this.#requireInstance();
      const { overrun, commitOverrun, droppedEvents, readEvents } = this.#buffer.ring(processor);
      return { overrun, commitOverrun, droppedEvents, readEvents };
    });
  }

  difference(): string | null {
    return this.#process.step('trace.difference', () => {
      if (this.#buffer.removed || this.#world.boot.traceBuffer !== this.#buffer) return 'the trace instance is gone';
      if (!this.#buffer.tracingOn) return 'tracing was switched off';
      if (!this.#buffer.filterIntact) return 'the event filter was changed';
      const [offline] = this.#buffer.offline;
      return offline === undefined ? null : `processor ${offline} went offline`;
    });
  }

  writeMarkers(markerId: number, timeoutMilliseconds: number): Promise<void> {
    const { random, boot } = this.#world;
    if (this.#buffer.markersStuck) {
      return this.#process.call('trace.writeMarkers', timeoutMilliseconds * 1000, () => {
        throw new LmsError('DEADLINE_EXCEEDED', 'a processor took no marker in time');
      });
    }
    return this.#process.call(
      'trace.writeMarkers',
      random.latency(50),
      async () => {
        this.#requireInstance();
        for (const processor of this.processors) {
          this.#buffer.record(processor, { markerId });
          await boot.pause(random.latency(20));
        }
      },
      random.latency(30),
    );
  }

  wholeDisk(deviceNumber: number): number | null {
    return this.#process.step('trace.wholeDisk', () => {
      const disk = this.#world.disks.find(
        ({ shape }) => shape.deviceNumber === deviceNumber || shape.partitionNumber === deviceNumber,
      );
      return disk?.shape.deviceNumber ?? (deviceNumber === FOREIGN_PARTITION ? FOREIGN_DISK : null);
    });
  }

  sendCanary(disk: SourceDisk): Promise<{ readonly sector: number; readonly sectorCount: number }> {
    const { blockLayer, disks, random } = this.#world;
    const simulated = disks.find(({ shape }) => shape.deviceNumber === disk.deviceNumber);
    if (simulated === undefined) throw new RangeError(`no disk ${disk.device}`);
    const sector = random.below(simulated.sectors / CANARY_SECTORS) * CANARY_SECTORS;
    return this.#process.call('trace.sendCanary', 0, async () => {
      await blockLayer.read(simulated, { sector, count: CANARY_SECTORS });
      return { sector, sectorCount: CANARY_SECTORS };
    });
  }

  close(): Promise<void> {
    return this.#process.call('trace.close', 10, () => undefined);
  }

  #requireInstance(): void {
    if (this.#buffer.removed) throw new LmsError('NOT_FOUND', 'the trace instance is gone');
  }
}

/** A disk of the machine that is not replicated: queue events have no filter by device. */
export const FOREIGN_DISK = (253 << 20) | 0;
export const FOREIGN_PARTITION = (259 << 20) | 7;

function visit(entry: RingEntry, visitor: Parameters<TraceInstance['readEvents']>[1]): void {
  if ('markerId' in entry) {
    visitor.marker(entry.markerId);
    return;
  }
  const letters = encoder.encode(entry.letters);
  const classified = classifyOperation(letters, 0, letters.length);
  // As the kernel adapter does: what the flush machinery completes a second time is no write.
  const stripped = entry.kind === 'complete' && entry.sectorCount === 0 && classified === 'write';
  const operation = stripped ? 'flush' : classified;
  visitor.block(entry.kind, entry.deviceNumber, entry.sector, entry.sectorCount, operation);
}
