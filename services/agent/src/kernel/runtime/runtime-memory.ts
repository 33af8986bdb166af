/**
 * Memory that outlives the process but not the boot: files in a tmpfs folder.
 *
 * Calls are synchronous and ordered, so a kill loses none that returned and tears at most the last. There is no fsync:
 * what is lost with the machine is of no use after the boot, by design (another boot id means RESCAN).
 */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import type { RuntimeMemory } from '../../core/ports.ts';
import { RUNTIME_ROOT, ensureRuntimeRoot, isInMemory, runtimeFolder } from './runtime-root.ts';

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export async function openRuntimeMemory(id: string): Promise<RuntimeMemory & { close(): void }> {
  await ensureRuntimeRoot();
  const folder = runtimeFolder(id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!isInMemory(folder)) {
    throw new LmsError('FAILED_PRECONDITION', `${folder} is not in memory (tmpfs)`, {
      action: `Mount a tmpfs at ${RUNTIME_ROOT}.`,
    });
  }
  return new FolderMemory(folder);
}

class FolderMemory implements RuntimeMemory {
  readonly #folder: string;
  /** Of files that `writeAt` has written to: opened once, since it runs after every drain. */
  readonly #open = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(name: string): Uint8Array | null {
    try {
      return readFileSync(this.#path(name));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw thrown;
    }
  }

  replace(name: string, data: Uint8Array): void {
    this.#forget(name);
    const path = this.#path(name);
    writeFileSync(`${path}.new`, data, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  allocate(name: string, sizeBytes: number): void {
    this.#forget(name);
    const path = this.#path(name);
    const fileDescriptor = openSync(`${path}.new`, 'w', 0o600);
    try {
      ftruncateSync(fileDescriptor, sizeBytes);
    } finally {
      closeSync(fileDescriptor);
    }
    renameSync(`${path}.new`, path);
  }

  writeAt(name: string, offsetBytes: number, data: Uint8Array): void {
    let fileDescriptor = this.#open.get(name);
    if (fileDescriptor === undefined) {
      fileDescriptor = openSync(this.#path(name), 'r+');
      this.#open.set(name, fileDescriptor);
    }
    for (let done = 0; done < data.byteLength;) {
      done += writeSync(fileDescriptor, data, done, data.byteLength - done, offsetBytes + done);
    }
  }

  close(): void {
    for (const name of this.#open.keys()) this.#forget(name);
  }

  #path(name: string): string {
    if (!NAME_PATTERN.test(name)) throw new RangeError(`not a name in runtime memory: ${name}`);
    return join(this.#folder, name);
  }

  #forget(name: string): void {
    const fileDescriptor = this.#open.get(name);
    if (fileDescriptor === undefined) return;
    this.#open.delete(name);
    closeSync(fileDescriptor);
  }
}
