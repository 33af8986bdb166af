/** The machine's disks, as `machine.json` has them. */
import { LmsError } from '@lms/errors';
import type { StoreForm } from './form.ts';
import type { MachineRecord, StoredDisk } from './record/machine-record.ts';
import { MACHINE_RECORD } from './record/machine-record.ts';
import { replaceRecord } from './record/record.ts';
import type { StagingDisk } from './staging-store.ts';
import type { StoreFileSystem } from './store-file-system.ts';

export class MachineDisks {
  #files: StoreFileSystem;
  #record: MachineRecord;

  constructor(files: StoreFileSystem, record: MachineRecord) {
    this.#files = files;
    this.#record = record;
  }

  get all(): readonly StoredDisk[] {
    return this.#record.disks;
  }

  at(diskIndex: number): StoredDisk {
    const disk = this.#record.disks[diskIndex];
    if (disk === undefined) throw new LmsError('INVALID_ARGUMENT', `The machine has no disk with index ${diskIndex}`);
    return disk;
  }

  /** The files of new disks are durable before the record names them, and those of gone disks removed after it does not. */
  async ensure(wanted: readonly Omit<StagingDisk, 'diskIndex'>[], form: StoreForm): Promise<void> {
    const known = new Map(this.#record.disks.map((disk) => [disk.diskId, disk]));
    let nextSlot = this.#record.nextSlot;
    const added: StoredDisk[] = [];
    const seen = new Set<string>();
    const disks = wanted.map(({ diskId, device, sizeBytes }): StoredDisk => {
      if (seen.has(diskId)) throw new LmsError('INVALID_ARGUMENT', `Disk ${diskId} is named twice`);
      seen.add(diskId);
      const existing = known.get(diskId);
      if (existing !== undefined) {
        if (existing.sizeBytes !== sizeBytes) throw otherSize(existing, sizeBytes);
        return { ...existing, device };
      }
      const disk = { slot: nextSlot, diskId, device, sizeBytes };
      nextSlot += 1;
      added.push(disk);
      return disk;
    });
    if (JSON.stringify(disks) === JSON.stringify(this.#record.disks)) return;
    if (added.length > 0) await form.addDisks(added);
    const record = { ...this.#record, nextSlot, disks };
    await replaceRecord(this.#files, MACHINE_RECORD, record, 'machine.file');
    await this.#files.syncFolder('', 'machine.folder');
    this.#record = record;
    await form.keepDisks(disks);
  }
}

function otherSize(disk: StoredDisk, sizeBytes: number): LmsError {
  return new LmsError(
    'FAILED_PRECONDITION',
    `Disk ${disk.diskId} has ${sizeBytes} bytes now, but ${disk.sizeBytes} in staging`,
    { action: 'Enrol the machine anew to replicate the disk with its new size' },
  );
}
