/**
 * A source disk: read with O_DIRECT, never written (R5).
 *
 * Buffered reads of a mounted disk can be stale; O_DIRECT sees what the device has. The disk is opened once and kept
 * open, so a device that is replaced by another of the same name is never read by mistake; `inspect` says what has
 * become of it (R4).
 */
import { close, constants, existsSync, open, read, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { LmsError } from '@lms/errors';
import type { DeviceNumber } from '@lms/block-stream';
import type { SourceDisk } from '../../core/ports.ts';
import { ControlFile } from '../control-file.ts';
import { readText, type DiskFacts } from './disk-facts.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const readFile = promisify(read);

export interface OpenSourceDisk extends SourceDisk {
  readonly logicalBlockSizeBytes: number;
  close(): Promise<void>;
}

export async function openDirect(device: string): Promise<number> {
  return openFile(device, constants.O_RDONLY | constants.O_DIRECT);
}

/** Fills `target` from `offsetBytes` on. */
export async function readFully(
  fileDescriptor: number,
  device: string,
  offsetBytes: number,
  target: Uint8Array,
): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await readFile(fileDescriptor, target, done, target.byteLength - done, offsetBytes + done);
    if (bytesRead === 0) {
      throw new LmsError('UNAVAILABLE', `${device} ended at byte ${offsetBytes + done}`, {
        action: 'See whether the disk was made smaller or taken away.',
      });
    }
    done += bytesRead;
  }
}

/**
 * `diskseq` grows whenever a disk or its medium is another one. Kernels before 5.15 do not have it: there the number of
 * the disk's folder in sysfs says as much, except for a loop device that gets another file.
 */
export function diskGeneration(facts: DiskFacts, bootId: string): string {
  const sequence = readText(facts.folder, 'diskseq');
  if (sequence !== null) return `${bootId}/${sequence}`;
  if (!facts.isLoop) return `${bootId}/folder-${statSync(facts.folder, { bigint: true }).ino}`;
  throw new LmsError(
    'UNSUPPORTED',
    `${facts.device}: this kernel does not number the files of loop devices (diskseq)`,
    {
      action: 'Use a kernel of version 5.15 or later.',
    },
  );
}

export class KernelSourceDisk implements OpenSourceDisk {
  readonly diskId: string;
  readonly device: string;
  readonly sizeBytes: number;
  readonly deviceNumber: DeviceNumber;
  readonly generation: string;
  readonly logicalBlockSizeBytes: number;
  readonly #facts: DiskFacts;
  readonly #bootId: string;
  readonly #fileDescriptor: number;
  readonly #inflight: ControlFile;
  readonly #iostats: ControlFile;

  constructor(facts: DiskFacts, diskId: string, bootId: string, fileDescriptor: number) {
    this.diskId = diskId;
    this.device = facts.device;
    this.sizeBytes = facts.sizeBytes;
    this.deviceNumber = facts.deviceNumber;
    this.logicalBlockSizeBytes = facts.logicalBlockSizeBytes;
    this.generation = diskGeneration(facts, bootId);
    this.#facts = facts;
    this.#bootId = bootId;
    this.#fileDescriptor = fileDescriptor;
    this.#inflight = new ControlFile(`${facts.folder}/inflight`);
    this.#iostats = new ControlFile(`${facts.folder}/queue/iostats`);
  }

  async read(offsetBytes: number, target: Uint8Array): Promise<void> {
    await readFully(this.#fileDescriptor, this.device, offsetBytes, target);
  }

  inspect(): { readonly present: boolean; readonly sizeBytes: number; readonly generation: string } {
    if (!existsSync(this.#facts.folder)) return { present: false, sizeBytes: 0, generation: '' };
    const sizeBytes = Number(readText(this.#facts.folder, 'size') ?? '0') * 512;
    return { present: true, sizeBytes, generation: diskGeneration(this.#facts, this.#bootId) };
  }

  /** With counting switched off the kernel answers 0 whatever is in flight, which would prove a window falsely. */
  writesInFlight(): number {
    if (this.#iostats.read().trim() !== '1') {
      throw new LmsError('FAILED_PRECONDITION', `${this.device} no longer counts its requests in flight`, {
        action: `Switch it on again: echo 1 > ${this.#iostats.path}`,
      });
    }
    const writes = Number(this.#inflight.read().trim().split(/\s+/)[1]);
    if (!Number.isSafeInteger(writes)) throw new LmsError('UNSUPPORTED', `${this.#inflight.path} has no second figure`);
    return writes;
  }

  async close(): Promise<void> {
    this.#inflight.close();
    this.#iostats.close();
    await closeFile(this.#fileDescriptor);
  }
}
