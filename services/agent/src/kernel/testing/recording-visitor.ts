import type { DeviceNumber } from '@lms/block-stream';
import type { Operation } from '../../core/operation.ts';
import type { EventKind, TraceInstance, TraceVisitor } from '../../core/ports.ts';

export interface RecordedEvent {
  readonly kind: EventKind;
  readonly deviceNumber: DeviceNumber;
  readonly sector: number;
  readonly sectorCount: number;
  readonly operation: Operation;
}

/** Keeps what was handed out, in order; a marker is kept with the events that came before it. */
export class RecordingVisitor implements TraceVisitor {
  readonly events: RecordedEvent[] = [];
  readonly markers: number[] = [];
  readonly losses: string[] = [];
  readonly #isOurs: (deviceNumber: DeviceNumber) => boolean;

  /** Queue events of other disks of the machine come too (R3: they cannot be filtered): `onlyDisk` leaves them out. */
  constructor(trace: TraceInstance | null = null, onlyDisk: DeviceNumber | null = null) {
    this.#isOurs = (deviceNumber) => trace === null || trace.wholeDisk(deviceNumber) === onlyDisk;
  }

  block(kind: EventKind, deviceNumber: DeviceNumber, sector: number, sectorCount: number, operation: Operation): void {
    if (!this.#isOurs(deviceNumber)) return;
    this.events.push({ kind, deviceNumber, sector, sectorCount, operation });
  }

  marker(markerId: number): void {
    this.markers.push(markerId);
  }

  lost(reason: string): void {
    this.losses.push(reason);
  }

  of(kind: EventKind, operation: Operation): RecordedEvent[] {
    return this.events.filter((event) => event.kind === kind && event.operation === operation);
  }

  drain(trace: TraceInstance): this {
    for (const processor of trace.processors) trace.readEvents(processor, this);
    return this;
  }
}

export function totalSectors(events: readonly RecordedEvent[]): number {
  return events.reduce((sum, event) => sum + event.sectorCount, 0);
}
