/** The view that one process has of a `SimulatedFileSystem`: its open files die with it. */
import type { FileSystemSpace, StoreFile, StoreFileSystem } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';
import { FileNode } from './file-node.ts';
import { FolderNode, parts } from './folder-tree.ts';
import { simulatedError } from './operation.ts';
import { OpenSimulatedFile } from './open-simulated-file.ts';
import type { Life, SimulatedKernel } from './simulated-kernel.ts';

export class SimulatedMount implements StoreFileSystem {
  #system: SimulatedKernel;
  #life: Life;
  /** How many handles this process has on a file. */
  #handles = new Map<FileNode, number>();

  constructor(system: SimulatedKernel, life: Life) {
    this.#system = system;
    this.#life = life;
  }

  create(path: string): Promise<StoreFile> {
    const apply = (): StoreFile => {
      const { folder, name } = this.#parent(path);
      const existing = folder.entries.get(name);
      if (existing?.kind === 'file') {
        existing.truncate(0);
        return this.#handle(existing, path);
      }
      const file = new FileNode(this.#system.ledger);
      this.#system.tree.set(folder, name, file);
      return this.#handle(file, path);
    };
    return this.#system.run(this.#life, 'create', path, null, apply, () => void apply());
  }

  open(path: string): Promise<StoreFile> {
    return this.#system.run(this.#life, 'open', path, null, () => this.#handle(this.#file(path), path));
  }

  readWhole(path: string): Promise<Uint8Array> {
    return this.#system.run(this.#life, 'read', path, null, () => {
      const file = this.#file(path);
      const content = new Uint8Array(file.size);
      file.read(0, content);
      return content;
    });
  }

  exists(path: string): Promise<boolean> {
    return this.#system.run(this.#life, 'list', path, null, () => this.#system.tree.find(path) !== null);
  }

  list(path: string): Promise<readonly string[]> {
    return this.#system.run(this.#life, 'list', path, null, () => {
      const node = this.#system.tree.find(path);
      return node?.kind === 'folder' ? [...node.entries.keys()].sort() : [];
    });
  }

  makeFolder(path: string): Promise<void> {
    const apply = (): void => {
      let folder = this.#system.tree.root;
      for (const name of parts(path)) {
        const next = folder.entries.get(name);
        if (next?.kind === 'file') throw simulatedError('EBADF', `${path} is a file`);
        const node = next ?? new FolderNode();
        if (next === undefined) this.#system.tree.set(folder, name, node);
        folder = node;
      }
    };
    return this.#system.run(this.#life, 'makeFolder', path, null, apply, apply);
  }

  rename(from: string, to: string): Promise<void> {
    const apply = (): void => {
      const source = this.#parent(from);
      const target = this.#parent(to);
      const node = source.folder.entries.get(source.name);
      if (node === undefined) throw simulatedError('ENOENT', from);
      const replaced = target.folder.entries.get(target.name);
      this.#system.tree.rename(source.folder, source.name, target.folder, target.name, node);
      if (replaced?.kind === 'file' && replaced !== node && !this.#handles.has(replaced)) replaced.release();
    };
    return this.#system.run(this.#life, 'rename', `${from} → ${to}`, null, apply, apply);
  }

  removeFile(path: string): Promise<void> {
    const apply = (): void => this.#remove(path);
    return this.#system.run(this.#life, 'remove', path, null, apply, apply);
  }

  async removeFolder(path: string): Promise<void> {
    const names = await this.list(path);
    for (const name of names) {
      const child = `${path}/${name}`;
      if (this.#system.tree.find(child)?.kind === 'folder') await this.removeFolder(child);
      else await this.removeFile(child);
    }
    await this.removeFile(path);
  }

  syncFolder(path: string, step: SyncStep): Promise<void> {
    const apply = (): void => {
      const node = this.#system.tree.find(path);
      if (node?.kind !== 'folder') throw simulatedError('ENOENT', path);
      this.#system.tree.sync(node);
    };
    // A failed sync of a folder writes nothing, but loses nothing either: metadata goes through the journal.
    return this.#system.run(
      this.#life,
      'syncFolder',
      path,
      step,
      (lie) => (lie ? undefined : apply()),
      (told) => (told ? undefined : apply()),
    );
  }

  clone(from: string, to: string): Promise<void> {
    const apply = (): void => {
      if (!this.#system.canClone) throw simulatedError('EOPNOTSUPP', `clone ${from}`);
      const source = this.#file(from);
      const { folder, name } = this.#parent(to);
      const existing = folder.entries.get(name);
      const target = existing?.kind === 'file' ? existing : new FileNode(this.#system.ledger);
      if (existing !== target) this.#system.tree.set(folder, name, target);
      target.cloneFrom(source);
    };
    return this.#system.run(this.#life, 'clone', `${from} → ${to}`, null, apply, apply);
  }

  canClone(): Promise<boolean> {
    return Promise.resolve(this.#system.canClone);
  }

  space(): Promise<FileSystemSpace> {
    return this.#system.run(this.#life, 'space', '', null, () => ({
      totalBytes: this.#system.capacityBytes,
      freeBytes: Math.max(0, this.#system.capacityBytes - this.#system.ledger.usedBytes),
    }));
  }

  usedBytes(path: string): Promise<number> {
    return this.#system.run(this.#life, 'space', path, null, () => {
      const node = this.#system.tree.find(path);
      let bytes = 0;
      if (node !== null) for (const file of this.#system.tree.files(node)) bytes += file.usedBytes;
      return bytes;
    });
  }

  #handle(file: FileNode, path: string): StoreFile {
    this.#handles.set(file, (this.#handles.get(file) ?? 0) + 1);
    const onClose = (): void => {
      const left = (this.#handles.get(file) ?? 1) - 1;
      if (left > 0) {
        this.#handles.set(file, left);
        return;
      }
      this.#handles.delete(file);
      if (!this.#system.tree.files().has(file)) file.release();
    };
    return new OpenSimulatedFile(this.#system, this.#life, file, path, onClose);
  }

  #remove(path: string): void {
    const { folder, name } = this.#parent(path);
    if (folder.entries.has(name)) this.#system.removeEntry(folder, name, (file) => this.#handles.has(file));
  }

  #file(path: string): FileNode {
    const node = this.#system.tree.find(path);
    if (node?.kind !== 'file') throw simulatedError('ENOENT', path);
    return node;
  }

  #parent(path: string): { readonly folder: FolderNode; readonly name: string } {
    const names = parts(path);
    const name = names.pop();
    const folder = this.#system.tree.find(names.join('/'));
    if (name === undefined || folder?.kind !== 'folder') throw simulatedError('ENOENT', path);
    return { folder, name };
  }
}
