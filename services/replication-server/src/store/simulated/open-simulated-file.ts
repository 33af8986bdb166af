/** A handle that a simulated process has on a file. */
import type { StoreFile } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';
import type { FileNode } from './file-node.ts';
import type { OperationKind } from './operation.ts';
import { simulatedError } from './operation.ts';
import { PAGE_BYTES } from './page-ledger.ts';
import type { Life, SimulatedKernel } from './simulated-kernel.ts';

export class OpenSimulatedFile implements StoreFile {
  #system: SimulatedKernel;
  #life: Life;
  #file: FileNode;
  #path: string;
  #onClose: () => void;
  #open = true;

  constructor(system: SimulatedKernel, life: Life, file: FileNode, path: string, onClose: () => void) {
    this.#system = system;
    this.#life = life;
    this.#file = file;
    this.#path = path;
    this.#onClose = onClose;
  }

  read(offsetBytes: number, target: Uint8Array): Promise<void> {
    return this.#run('read', null, () => this.#file.read(offsetBytes, target));
  }

  write(offsetBytes: number, data: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const whole = data instanceof Uint8Array ? data : joined(data);
    const apply = (): void => {
      const needed = this.#file.newPages(offsetBytes, whole.length) * PAGE_BYTES;
      if (this.#system.ledger.usedBytes + needed > this.#system.capacityBytes) {
        this.#writePart(offsetBytes, whole);
        throw simulatedError('ENOSPC', `write ${this.#path}`);
      }
      this.#file.write(offsetBytes, whole);
      this.#system.afterWrite(this.#file);
    };
    return this.#run('write', null, apply, () => this.#writePart(offsetBytes, whole));
  }

  punch(offsetBytes: number, lengthBytes: number): Promise<void> {
    const apply = (): void => this.#file.punch(offsetBytes, lengthBytes);
    return this.#run('punch', null, apply, apply);
  }

  truncate(sizeBytes: number): Promise<void> {
    const apply = (): void => this.#file.truncate(sizeBytes);
    return this.#run('truncate', null, apply, apply);
  }

  size(): Promise<number> {
    return this.#run('read', null, () => this.#file.size);
  }

  sync(step: SyncStep): Promise<void> {
    return this.#run(
      'sync',
      step,
      (lie) => (lie ? undefined : this.#file.sync()),
      (told) => (told ? this.#file.failSync() : this.#file.sync()),
    );
  }

  dropCache(): Promise<void> {
    return this.#run('dropCache', null, () => this.#file.dropCache());
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    if (this.#life.alive) this.#onClose();
  }

  /** As much as fits, cut at any page: what an interrupted or refused write leaves. */
  #writePart(offsetBytes: number, data: Uint8Array): void {
    const pages = Math.floor(this.#system.random() * Math.ceil(data.length / PAGE_BYTES));
    const part = data.subarray(0, pages * PAGE_BYTES);
    const needed = this.#file.newPages(offsetBytes, part.length) * PAGE_BYTES;
    if (part.length > 0 && this.#system.ledger.usedBytes + needed <= this.#system.capacityBytes) {
      this.#file.write(offsetBytes, part);
    }
  }

  #run<Result>(
    kind: OperationKind,
    step: SyncStep | null,
    apply: (lie: boolean) => Result,
    partly?: (told: boolean) => void,
  ): Promise<Result> {
    if (!this.#open) return Promise.reject(simulatedError('EBADF', `${kind} of ${this.#path} after its close`));
    return this.#system.run(this.#life, kind, this.#path, step, apply, partly);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0] !== undefined) return parts[0];
  return Buffer.concat(parts);
}
