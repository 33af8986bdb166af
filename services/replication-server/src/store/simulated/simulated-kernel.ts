/**
 * A file system that forgets as badly as the rules of POSIX allow: what the store is proven against (R12 to R15).
 *
 * Situation: `kill -9` keeps the page cache, so it finds none of the missing fsyncs; real power cuts find some, seldom.
 * Mechanism: content lives in page caches (`FileNode`) and folders (`FolderTree`) that know what is durable. A process
 * works on the view that `SimulatedFileSystem.mount` returns; `kill` ends that process and keeps the caches, `powerCut` drops, tears and
 * reorders all that was not synced. `onOperation` sees every operation first and may end the process in the middle of it.
 * Special cases: a file removed while open stays readable; space counts cached pages, clones sharing theirs.
 * Failure: calls of a dead process never return (`hang`, as real ones) or reject with `SimulatedDeath` (`reject`).
 */
import type { FileNode, Random } from './file-node.ts';
import type { FolderNode } from './folder-tree.ts';
import { FolderTree } from './folder-tree.ts';
import type { OperationHook, OperationKind, Verdict } from './operation.ts';
import { SimulatedDeath } from './operation.ts';
import type { SyncStep } from '../sync-steps.ts';
import { PageLedger } from './page-ledger.ts';

/** 1 TiB: large enough that only tests about full disks meet the end. */
const DEFAULT_CAPACITY_BYTES = 2 ** 40;
/** One write in so many lets the kernel write back something of that file by itself. */
const WRITE_BACK_PROBABILITY = 1 / 16;

export interface SimulatedKernelOptions {
  /** In [0, 1); a seeded one makes everything repeatable. */
  readonly random: Random;
  readonly capacityBytes?: number;
  /** Whether FICLONE works. Default true: the reflink form. */
  readonly canClone?: boolean;
  readonly onOperation?: OperationHook;
  /** Default `reject`. */
  readonly afterDeath?: 'hang' | 'reject';
}

/** One process's life, from a mount to a death. */
export interface Life {
  alive: boolean;
}

export class SimulatedKernel {
  readonly tree = new FolderTree();
  readonly ledger = new PageLedger();
  readonly canClone: boolean;
  /** May be changed at any time: a disk that fills up, or is grown. */
  capacityBytes: number;
  onOperation: OperationHook | null;
  readonly random: Random;
  #afterDeath: 'hang' | 'reject';
  #operations = 0;
  #life: Life = { alive: false };

  constructor(options: SimulatedKernelOptions) {
    this.random = options.random;
    this.capacityBytes = options.capacityBytes ?? DEFAULT_CAPACITY_BYTES;
    this.canClone = options.canClone ?? true;
    this.onOperation = options.onOperation ?? null;
    this.#afterDeath = options.afterDeath ?? 'reject';
  }

  /** Operations so far. */
  get operations(): number {
    return this.#operations;
  }

  /** A new process; the one before, if it still lived, is dead from now on. */
  protected beginLife(): Life {
    this.kill();
    this.#life = { alive: true };
    return this.#life;
  }

  /** Ends the process. Caches stay, as after `kill -9`. */
  kill(): void {
    this.#life.alive = false;
  }

  powerCut(): void {
    this.kill();
    // Mixtures find most; the extremes find what needs everything of one kind to be late.
    const chance = this.random();
    const files = chance < 0.2 ? { keep: 0, tear: 0 } : chance < 0.4 ? { keep: 1, tear: 0 } : { keep: 0.5, tear: 0.25 };
    const turn = this.random();
    const folders = { keep: turn < 0.25 ? 0 : turn < 0.5 ? 1 : 0.5, tear: 0 };
    this.tree.powerCut(this.random, folders);
    this.ledger.clear();
    for (const file of this.tree.files()) {
      file.powerCut(this.random, files);
      file.hold();
    }
  }

  /**
   * Runs one operation of a process. `partly` is what a death or an error in the middle of it may leave; it gets
   * whether the operation was a failure that was told (an error) or a death.
   */
  run<Result>(
    life: Life,
    kind: OperationKind,
    path: string,
    step: SyncStep | null,
    apply: (lie: boolean) => Result,
    partly?: (told: boolean) => void,
  ): Promise<Result> {
    if (!life.alive) return this.#dead();
    const operation = { index: this.#operations, kind, path, step };
    this.#operations += 1;
    const verdict = this.onOperation === null ? 'proceed' : this.onOperation(operation);
    if (typeof verdict !== 'object' || verdict instanceof Error) return this.#follow(life, verdict, apply, partly);
    return verdict.then((later) => this.#follow(life, later, apply, partly));
  }

  /** The kernel's own write-back, now and then. */
  afterWrite(file: FileNode): void {
    if (this.random() < WRITE_BACK_PROBABILITY) file.writeBackSome(this.random);
  }

  /** Takes an entry away, and gives back its space when nothing else holds the file. */
  removeEntry(folder: FolderNode, name: string, isOpen: (file: FileNode) => boolean): void {
    const node = folder.entries.get(name);
    this.tree.set(folder, name, null);
    if (node?.kind === 'file' && !isOpen(node)) node.release();
  }

  async #follow<Result>(
    life: Life,
    verdict: Verdict,
    apply: (lie: boolean) => Result,
    partly: ((told: boolean) => void) | undefined,
  ): Promise<Result> {
    if (!life.alive) return this.#dead();
    if (verdict instanceof Error) {
      partly?.(true);
      throw verdict;
    }
    if (verdict === 'kill' || verdict === 'powerCut') {
      if (this.random() < 0.5) partly?.(false);
      if (verdict === 'kill') this.kill();
      else this.powerCut();
      return this.#dead();
    }
    return apply(verdict === 'lie');
  }

  #dead<Result>(): Promise<Result> {
    return this.#afterDeath === 'hang' ? new Promise<never>(() => undefined) : Promise.reject(new SimulatedDeath());
  }
}
