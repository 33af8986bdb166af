/** The guardian as a process of the source: the real machine (`core/guardian.ts`) on simulated file systems. */
import {
  advanceGuardian,
  INITIAL_GUARDIAN_STATE,
  type GuardianAction,
  type GuardianEvent,
  type GuardianReport,
  type GuardianState,
} from '../../../services/agent/src/core/index.ts';
import type { Cancellable } from '../time/scheduler.ts';
import type { Boot } from './boot.ts';
import type { MountedFileSystem } from './mounts.ts';

export class SimulatedGuardian {
  readonly #boot: Boot;
  readonly #report: (report: GuardianReport) => void;
  #state: GuardianState = INITIAL_GUARDIAN_STATE;
  #mounts: readonly MountedFileSystem[] = [];
  #deadline: Cancellable | null = null;
  #alive = true;

  constructor(boot: Boot, report: (report: GuardianReport) => void) {
    this.#boot = boot;
    this.#report = report;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get idle(): boolean {
    return this.#state.type === 'idle' || this.#state.type === 'ended';
  }

  /** Children before parents: the order in which they are frozen. */
  freeze(mounts: readonly MountedFileSystem[], limitMilliseconds: number): void {
    this.#mounts = mounts;
    this.handle({ type: 'freeze', mountCount: mounts.length, limitMilliseconds });
  }

  handle(event: GuardianEvent): void {
    if (!this.#alive) return;
    const { state, actions } = advanceGuardian(this.#state, event);
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  /** A FIFREEZE that is under way goes on in the kernel; nobody of this process hears of its end. */
  kill(): void {
    this.#alive = false;
    this.#deadline?.cancel();
  }

  #perform(action: GuardianAction): void {
    switch (action.type) {
      case 'freezeMount':
        void this.#freezeMount(action.mount);
        return;
      case 'thawMount': {
        const wasFrozen = this.#mount(action.mount).thaw() === 'done';
        this.#boot.after(5, () => this.handle({ type: 'mountThawed', mount: action.mount, wasFrozen }));
        return;
      }
      case 'startDeadline':
        this.#deadline = this.#boot.after(action.milliseconds * 1000, () => this.handle({ type: 'deadline' }));
        return;
      case 'stopDeadline':
        this.#deadline?.cancel();
        return;
      case 'report':
        this.#report(action.report);
        return;
      case 'exit':
        this.#alive = false;
        return;
    }
  }

  async #freezeMount(mount: number): Promise<void> {
    const { mountPoint } = this.#mount(mount);
    const result = await this.#mount(mount).freeze(true);
    if (result === 'done') this.handle({ type: 'mountFrozen', mount });
    else if (result === 'EOPNOTSUPP') this.handle({ type: 'mountUnfreezable', mount });
    else this.handle({ type: 'mountFailed', mount, reason: `${mountPoint} is frozen by somebody else (EBUSY)` });
  }

  #mount(mount: number): MountedFileSystem {
    const found = this.#mounts[mount];
    if (found === undefined) throw new RangeError(`there is no mount ${mount}`);
    return found;
  }
}
