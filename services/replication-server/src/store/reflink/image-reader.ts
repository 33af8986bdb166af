/** Reads disks that stand as raw images beside their digest tables: a reflink point, or a journal's base. */
import { DIGEST_BYTES } from '@lms/block-stream';
import type { FormReader } from '../form.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import { digestsPath, imagePath } from '../replica/disk-replica.ts';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';

interface OpenDisk {
  readonly image: StoreFile;
  readonly digests: StoreFile;
}

export class ImageReader implements FormReader {
  #disks: ReadonlyMap<number, OpenDisk>;

  private constructor(disks: ReadonlyMap<number, OpenDisk>) {
    this.#disks = disks;
  }

  static async open(files: StoreFileSystem, folder: string, disks: readonly StoredDisk[]): Promise<ImageReader> {
    const opened = new Map<number, OpenDisk>();
    const reader = new ImageReader(opened);
    try {
      for (const { slot } of disks) {
        const image = await files.open(imagePath(folder, slot));
        try {
          opened.set(slot, { image, digests: await files.open(digestsPath(folder, slot)) });
        } catch (thrown) {
          await image.close();
          throw thrown;
        }
      }
      return reader;
    } catch (thrown) {
      await reader.close();
      throw thrown;
    }
  }

  read(disk: StoredDisk, offsetBytes: number, target: Uint8Array): Promise<void> {
    return this.#of(disk).image.read(offsetBytes, target);
  }

  async digests(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array> {
    const digests = new Uint8Array(blockCount * DIGEST_BYTES);
    await this.#of(disk).digests.read(firstBlock * DIGEST_BYTES, digests);
    return digests;
  }

  async close(): Promise<void> {
    for (const { image, digests } of this.#disks.values()) {
      await image.close();
      await digests.close();
    }
  }

  #of(disk: StoredDisk): OpenDisk {
    const open = this.#disks.get(disk.slot);
    if (open === undefined) throw new RangeError(`No disk in slot ${disk.slot}`);
    return open;
  }
}
