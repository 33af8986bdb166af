/**
 * The points in time of a machine, as folders `points/<sequence>/`.
 *
 * A point is prepared in `points/.new-<sequence>`; its rename, made durable, is the commit (R13, R14). It goes the other way:
 * renamed to `points/.gone-<sequence>`, and its content is touched only when that is durable. So a folder whose name
 * is a number is whole, whatever happened; all others are leftovers.
 */
import { LmsError } from '@lms/errors';
import { readRecord, writeRecord } from '../record/record.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import type { PointManifest } from './point-manifest.ts';
import { manifestSchema } from './point-manifest.ts';

const FOLDER = 'points';

export class PointCatalogue {
  #files: StoreFileSystem;
  #manifests: PointManifest[] = [];
  #readers = new Map<number, number>();

  constructor(files: StoreFileSystem) {
    this.#files = files;
  }

  /**
   * The sync comes first: after a `kill -9` the cache may show a commit or a removal that the medium does not have yet,
   * and both what is told (R12) and what is cleaned up must not depend on it.
   */
  async open(): Promise<void> {
    await this.#files.syncFolder(FOLDER, 'open.points-folder');
    for (const name of await this.#files.list(FOLDER)) {
      if (!/^[1-9]\d*$/.test(name)) {
        await this.#files.removeFolder(`${FOLDER}/${name}`);
        continue;
      }
      const manifest = await readRecord(this.#files, `${FOLDER}/${name}/manifest.json`, manifestSchema);
      if (manifest === null || manifest.sequence !== Number(name)) {
        throw new LmsError('DATA_LOSS', `The point in time ${name} has no manifest of its own`, {
          action: `Move the folder ${FOLDER}/${name} away to go on without that point`,
        });
      }
      this.#manifests.push(manifest);
    }
    this.#manifests.sort((first, second) => first.sequence - second.sequence);
  }

  static folderOf(sequence: number): string {
    return `${FOLDER}/${sequence}`;
  }

  /** Oldest first. */
  get all(): readonly PointManifest[] {
    return this.#manifests;
  }

  get oldest(): PointManifest | null {
    return this.#manifests[0] ?? null;
  }

  get newest(): PointManifest | null {
    return this.#manifests.at(-1) ?? null;
  }

  find(sequence: number): PointManifest {
    const manifest = this.#manifests.find((candidate) => candidate.sequence === sequence);
    if (manifest === undefined) {
      throw new LmsError('NOT_FOUND', `There is no point in time ${sequence}`, {
        action: 'List the points of the machine',
      });
    }
    return manifest;
  }

  /** An empty folder for what belongs to the point. */
  async prepare(sequence: number): Promise<string> {
    const folder = `${FOLDER}/.new-${sequence}`;
    await this.#files.removeFolder(folder);
    await this.#files.makeFolder(folder);
    return folder;
  }

  async commit(manifest: PointManifest): Promise<void> {
    const prepared = `${FOLDER}/.new-${manifest.sequence}`;
    await writeRecord(this.#files, `${prepared}/manifest.json`, manifest, 'manifest.file');
    await this.#files.syncFolder(prepared, 'point.folder');
    await this.#files.rename(prepared, PointCatalogue.folderOf(manifest.sequence));
    await this.#files.syncFolder(FOLDER, 'points.folder');
    this.#manifests.push(manifest);
  }

  /** After a failure before the commit. What cannot be removed now is removed at the next opening. */
  async abandon(sequence: number): Promise<void> {
    await this.#files.removeFolder(`${FOLDER}/.new-${sequence}`);
  }

  async remove(sequence: number): Promise<void> {
    const gone = `${FOLDER}/.gone-${sequence}`;
    await this.#files.rename(PointCatalogue.folderOf(sequence), gone);
    this.#manifests = this.#manifests.filter((manifest) => manifest.sequence !== sequence);
    await this.#files.syncFolder(FOLDER, 'delete.points-folder');
    await this.#files.removeFolder(gone);
  }

  isInUse(sequence: number): boolean {
    return this.#readers.has(sequence);
  }

  /** Returns what ends the use. */
  use(sequence: number): () => void {
    this.#readers.set(sequence, (this.#readers.get(sequence) ?? 0) + 1);
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      const left = (this.#readers.get(sequence) ?? 1) - 1;
      if (left === 0) this.#readers.delete(sequence);
      else this.#readers.set(sequence, left);
    };
  }
}
