/** The disks of a machine that are written in place: the reflink form always, the journal form until its first point. */
import type { Digester } from '@lms/block-stream';
import type { StoredDisk } from '../record/machine-record.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import { DiskReplica, createDiskFiles, digestsPath, imagePath } from './disk-replica.ts';

export class InPlaceReplica {
  readonly folder: string;
  #files: StoreFileSystem;
  #digester: Digester;
  #replicas = new Map<number, DiskReplica>();

  constructor(files: StoreFileSystem, folder: string, digester: Digester) {
    this.#files = files;
    this.folder = folder;
    this.#digester = digester;
  }

  /** Files of other slots are what a crash between forgetting a disk and removing its files left. */
  async open(disks: readonly StoredDisk[], isClean: boolean): Promise<void> {
    const expected = new Set(
      disks.flatMap(({ slot }) => [imagePath(this.folder, slot), digestsPath(this.folder, slot)]),
    );
    for (const name of await this.#files.list(this.folder)) {
      if (!expected.has(`${this.folder}/${name}`)) await this.#files.removeFile(`${this.folder}/${name}`);
    }
    for (const disk of disks) await this.#open(disk, isClean);
  }

  /** Makes the disk's files; they are durable when it returns, so `machine.json` may name them. */
  async addDisks(disks: readonly StoredDisk[]): Promise<void> {
    for (const disk of disks) await createDiskFiles(this.#files, this.folder, disk);
    await this.#files.syncFolder(this.folder, 'disk.folder');
    for (const disk of disks) await this.#open(disk, true);
  }

  /** Forgets disks that the machine has no more, and removes their files. */
  async keepDisks(disks: readonly StoredDisk[]): Promise<void> {
    for (const [slot, replica] of [...this.#replicas]) {
      if (disks.some((disk) => disk.slot === slot)) continue;
      this.#replicas.delete(slot);
      await replica.close();
      await this.#files.removeFile(imagePath(this.folder, slot));
      await this.#files.removeFile(digestsPath(this.folder, slot));
    }
  }

  of(slot: number): DiskReplica {
    const replica = this.#replicas.get(slot);
    if (replica === undefined) throw new RangeError(`No disk in slot ${slot}`);
    return replica;
  }

  get isTrusted(): boolean {
    return [...this.#replicas.values()].every((replica) => replica.isTrusted);
  }

  /** Since `clearChanged`. */
  get changedBytes(): number {
    let bytes = 0;
    for (const replica of this.#replicas.values()) bytes += replica.changedBytes;
    return bytes;
  }

  clearChanged(): void {
    for (const replica of this.#replicas.values()) replica.clearChanged();
  }

  async sync(): Promise<void> {
    for (const replica of this.#replicas.values()) await replica.sync();
  }

  async close(): Promise<void> {
    for (const replica of this.#replicas.values()) await replica.close();
    this.#replicas.clear();
  }

  async #open(disk: StoredDisk, isClean: boolean): Promise<void> {
    this.#replicas.set(disk.slot, await DiskReplica.open(this.#files, this.folder, disk, this.#digester, isClean));
  }
}
