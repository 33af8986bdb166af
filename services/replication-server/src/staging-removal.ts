/**
 * Takes away what this server keeps of a machine that an operator has removed.
 *
 *     session cut, store closed ──► machines/<id> renamed to machines/.removed-<id>-<random>, fsync ──► content deleted
 *
 * Situation: the folder holds the only replica, and may be large. Mechanism: the rename is the removal; after it there is no
 * replica, and never half of one (R13), whatever is killed. What was put aside is deleted at leisure, also by the next
 * process. Special cases: while a point is read (an export) nothing is touched but the session, and it is tried again
 * until nobody reads. Failure: what could not be deleted is tried again, and said once.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError, toLmsError } from '@lms/errors';
import { fsyncFolder, isSystemError } from '@lms/linux';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { DataFolder } from './data-folder.ts';

const RETRY_MILLISECONDS = 1_000;
/** Checked again where it becomes a path. */
const MACHINE_ID = /^m-[0-9a-f]{20}$/;
const PUT_ASIDE = /^\.removed-m-[0-9a-f]{20}-[0-9a-f]{8}$/;

export interface StagingRemovalParts {
  readonly folder: Pick<DataFolder, 'machinesFolder' | 'machineFolder' | 'fencingFolder'>;
  readonly isAssigned: (machineId: string) => boolean;
  /** Cuts the session and closes the store; false while a point is in use. */
  readonly release: (machineId: string) => Promise<boolean>;
  /** Nothing of it is to be told any more. */
  readonly onRemoved: (machineId: string) => void;
  readonly logger: Logger;
}

export class StagingRemoval {
  readonly #parts: StagingRemovalParts;
  /** Asked for, and not put aside yet: a point of theirs is in use, or it failed. */
  readonly #waiting = new Set<string>();
  /** One at a time: a folder must not be renamed while another call still closes the store in it. */
  #busy: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  #said: string | null = null;

  constructor(parts: StagingRemovalParts) {
    this.#parts = parts;
  }

  /** Not assigned any more, but to be left as they are for now. */
  get waiting(): ReadonlySet<string> {
    return this.#waiting;
  }

  /** The machines that the manager wants nothing kept of, all of them. When this returns, those not in use are put aside. */
  async take(machineIds: readonly string[]): Promise<void> {
    this.#waiting.clear();
    for (const machineId of machineIds) {
      if (this.#parts.isAssigned(machineId)) continue;
      this.#waiting.add(machineId);
    }
    await this.#putAside();
    this.#wake();
  }

  /** Deletes what was put aside, by this process or the one before, until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const done = await this.#work(signal);
      const until = AbortSignal.any([signal, woken.signal]);
      if (done) await aborted(until);
      else await pause(RETRY_MILLISECONDS, until);
    }
  }

  async #work(signal: AbortSignal): Promise<boolean> {
    try {
      if (this.#waiting.size > 0) await this.#putAside();
      const { machinesFolder } = this.#parts.folder;
      const names = (await readdir(machinesFolder)).filter((name) => PUT_ASIDE.test(name));
      for (const name of names) {
        await deleteFolder(join(machinesFolder, name), signal);
        this.#parts.logger.info({ folder: name }, 'the staging of a removed machine is deleted');
      }
      return this.#waiting.size === 0;
    } catch (thrown) {
      if (!signal.aborted) this.#warn(thrown, 'what is left of removed machines could not be deleted yet');
      return false;
    }
  }

  #putAside(): Promise<void> {
    this.#busy = this.#busy.then(() => this.#putAsideEach());
    return this.#busy;
  }

  /** Never rejects. */
  async #putAsideEach(): Promise<void> {
    for (const machineId of [...this.#waiting]) {
      try {
        if (!(await this.#remove(machineId))) continue;
        this.#waiting.delete(machineId);
      } catch (thrown) {
        this.#warn(thrown, `the staging of machine ${machineId} could not be taken away yet`);
      }
    }
  }

  async #remove(machineId: string): Promise<boolean> {
    const { folder, release, onRemoved, logger } = this.#parts;
    if (!MACHINE_ID.test(machineId)) throw new LmsError('INVALID_ARGUMENT', 'The machine id cannot be a folder name');
    onRemoved(machineId);
    if (!(await release(machineId))) {
      this.#warn(
        new LmsError('FAILED_PRECONDITION', 'a point of it is in use'),
        `machine ${machineId} is kept for now`,
      );
      return false;
    }
    const aside = join(folder.machinesFolder, `.removed-${machineId}-${randomBytes(4).toString('hex')}`);
    const renamed = await rename(folder.machineFolder(machineId), aside).then(
      () => true,
      (thrown: unknown) => {
        if (isSystemError(thrown, 'ENOENT')) return false;
        throw thrown;
      },
    );
    // R12 the other way round: before its content is touched, the name must be gone for good.
    await fsyncFolder(folder.machinesFolder);
    await rm(join(folder.fencingFolder, machineId), { force: true });
    await rm(join(folder.fencingFolder, `${machineId}.tmp`), { force: true });
    await fsyncFolder(folder.fencingFolder);
    if (renamed) logger.info({ machineId }, 'the machine was removed: its staging is being deleted');
    return true;
  }

  /** Once, and not every second. */
  #warn(thrown: unknown, what: string): void {
    const { code, message } = toLmsError(thrown);
    const said = `${what}: ${message}`;
    if (said !== this.#said) this.#parts.logger.warn({ code }, said);
    this.#said = said;
  }
}

/** File by file, so that a stop need not wait for all of it. Links are removed, never followed. */
async function deleteFolder(path: string, signal: AbortSignal): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    signal.throwIfAborted();
    if (entry.isDirectory()) await deleteFolder(join(path, entry.name), signal);
    else await unlink(join(path, entry.name));
  }
  await rmdir(path);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
