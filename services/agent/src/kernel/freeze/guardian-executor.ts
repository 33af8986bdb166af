/**
 * Carries out what the guardian's machine decides: FIFREEZE and FITHAW on threads of the pool, so that a freeze that
 * blocks never keeps another mount from being thawed.
 */
import { isSystemError, freezeFileSystemAsync, thawFileSystemAsync } from '@lms/linux';
import {
  INITIAL_GUARDIAN_STATE,
  advanceGuardian,
  type GuardianAction,
  type GuardianEvent,
  type GuardianReport,
  type GuardianState,
} from '../../core/guardian.ts';
import type { FreezeMark } from './freeze-list.ts';
import type { OpenSuperblock } from './open-mounts.ts';

export interface GuardianOutput {
  report(report: GuardianReport, pauseMicroseconds: number): void;
  /** Nothing is frozen any more: mounts that stay open could not be unmounted. Called before the report. */
  release(superblocks: readonly OpenSuperblock[]): void;
  mark(mount: number, mark: FreezeMark): void;
  exit(): void;
}

export class GuardianExecutor {
  readonly #output: GuardianOutput;
  #superblocks: readonly OpenSuperblock[] = [];
  #state: GuardianState = INITIAL_GUARDIAN_STATE;
  #deadline: NodeJS.Timeout | null = null;
  #freezeCalledAt = 0n;
  #thawReturnedAt = 0n;

  constructor(output: GuardianOutput) {
    this.#output = output;
  }

  /** Whether other superblocks may be given. */
  get idle(): boolean {
    return this.#state.type === 'idle';
  }

  prepare(superblocks: readonly OpenSuperblock[]): void {
    if (!this.idle) throw new RangeError('superblocks were given while others are frozen');
    this.#superblocks = superblocks;
  }

  freeze(limitMilliseconds: number): void {
    this.#freezeCalledAt = process.hrtime.bigint();
    this.#thawReturnedAt = this.#freezeCalledAt;
    this.handle({ type: 'freeze', mountCount: this.#superblocks.length, limitMilliseconds });
  }

  handle(event: GuardianEvent): void {
    const { state, actions } = advanceGuardian(this.#state, event);
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  #perform(action: GuardianAction): void {
    switch (action.type) {
      case 'freezeMount':
        void this.#freezeMount(action.mount);
        return;
      case 'thawMount':
        void this.#thawMount(action.mount);
        return;
      case 'startDeadline':
        this.#deadline = setTimeout(() => this.handle({ type: 'deadline' }), action.milliseconds);
        return;
      case 'stopDeadline':
        if (this.#deadline !== null) clearTimeout(this.#deadline);
        this.#deadline = null;
        return;
      case 'report':
        if (this.idle) {
          this.#output.release(this.#superblocks);
          this.#superblocks = [];
        }
        this.#output.report(action.report, Number((this.#thawReturnedAt - this.#freezeCalledAt) / 1000n));
        return;
      case 'exit':
        this.#output.exit();
        return;
    }
  }

  async #freezeMount(mount: number): Promise<void> {
    const { fileDescriptor, path } = this.#superblock(mount);
    this.#output.mark(mount, 'f');
    const event = await this.#tryFreeze(mount, fileDescriptor, path);
    this.#output.mark(mount, event.type === 'mountFrozen' ? 'F' : 'X');
    this.handle(event);
  }

  async #tryFreeze(mount: number, fileDescriptor: number, path: string): Promise<GuardianEvent> {
    try {
      await freezeFileSystemAsync(fileDescriptor, path);
      return { type: 'mountFrozen', mount };
    } catch (thrown) {
      if (isSystemError(thrown, 'EOPNOTSUPP')) return { type: 'mountUnfreezable', mount };
      if (isSystemError(thrown, 'EBUSY')) {
        return { type: 'mountFailed', mount, reason: `${path} is frozen by somebody else (EBUSY)` };
      }
      return { type: 'mountFailed', mount, reason: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  async #thawMount(mount: number): Promise<void> {
    const { fileDescriptor, path } = this.#superblock(mount);
    let wasFrozen = true;
    try {
      await thawFileSystemAsync(fileDescriptor, path);
    } catch {
      wasFrozen = false; // EINVAL: somebody thawed it before us
    }
    this.#thawReturnedAt = process.hrtime.bigint();
    this.#output.mark(mount, 'T');
    this.handle({ type: 'mountThawed', mount, wasFrozen });
  }

  #superblock(mount: number): OpenSuperblock {
    const superblock = this.#superblocks[mount];
    if (superblock === undefined) throw new RangeError(`there is no mount ${mount}`);
    return superblock;
  }
}
