/**
 * Freezes every writable file system on the machine's disks, through the guardian (R16, R17).
 *
 * Situation: for an instant nobody may write, and nothing may keep it from ending. Mechanism: superblocks are found and
 * opened here and in the guardian, the list of them goes to tmpfs, and only then is anything frozen. Agent and guardian
 * watch each other: the guardian thaws when the agent's pipe ends or the time is up; the agent thaws when the guardian
 * ends, or does not thaw in time. Special cases: no file system mounted counts as frozen; a file system that was mounted
 * meanwhile makes the window void; a guardian that has died is replaced before the next freeze.
 * Failure: every doubt makes the window void (`intact: false`) and thaws. From freeze to thaw this file writes to the
 * guardian's pipe and to procfs only.
 */
import { getPriority } from 'node:os';
import { LmsError } from '@lms/errors';
import { BACKGROUND_PRIORITY, NORMAL_PRIORITY, setProcessPriority, syncFileSystem } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import type { Freezer, ThawReport } from '../../core/ports.ts';
import { readBlockGraph } from './block-graph.ts';
import { findSuperblocks, type Superblock } from './find-superblocks.ts';
import { freezeListPath, removeFreezeList, writeFreezeList } from './freeze-list.ts';
import { GuardianClient } from './guardian-client.ts';
import { readMountTable } from './mount-table.ts';
import { closeSuperblocks, openSuperblocks, type OpenSuperblock } from './open-mounts.ts';
import { removeOwnCgroup } from './own-cgroup.ts';
import { thawLeftovers, thawListed } from './own-thaw.ts';

/** FIFREEZE writes out what is dirty and cannot be undone before it returns; longer than this nobody waits for it. */
const FREEZE_TIMEOUT_MILLISECONDS = 60_000;
const PREPARE_TIMEOUT_MILLISECONDS = 5000;
/** The guardian thaws at the limit; if it has not this much later, the agent does. */
const WATCHDOG_GRACE_MILLISECONDS = 250;
const THAW_TIMEOUT_MILLISECONDS = 5000;

export interface KernelFreezer extends Freezer {
  /** What the guardian could not have on this machine, for the log. */
  readonly shortcomings: readonly string[];
  /** Mounts that an earlier agent and its guardian had left frozen. */
  readonly thawedAtStart: readonly string[];
  readonly guardianPid: number | undefined;
  close(): Promise<void>;
}

interface Frozen {
  readonly superblocks: readonly OpenSuperblock[];
  readonly calledAt: bigint;
  /** The agent thawed by itself, without the guardian. */
  ownThaw: Promise<void> | null;
  watchdog: NodeJS.Timeout | null;
  /** Nothing of it is frozen any more, or was: the list may go. */
  settled: boolean;
  /** Reads in the window run at normal priority (R17). */
  priorityRaised: boolean;
}

/** Thaws what an earlier agent left frozen, and starts the guardian. */
export async function openFreezer(options: {
  readonly disks: readonly { readonly deviceNumber: DeviceNumber }[];
  /** In memory (tmpfs): `/run/lms-agent/<id>`. */
  readonly runtimeFolder: string;
}): Promise<KernelFreezer> {
  const thawedAtStart = await thawLeftovers(options.runtimeFolder);
  const { guardian, shortcomings } = await GuardianClient.start();
  const disks = options.disks.map((disk) => disk.deviceNumber);
  return new GuardedFreezer(disks, freezeListPath(options.runtimeFolder), guardian, shortcomings, thawedAtStart);
}

class GuardedFreezer implements KernelFreezer {
  readonly shortcomings: readonly string[];
  readonly thawedAtStart: readonly string[];
  readonly #disks: readonly DeviceNumber[];
  readonly #listPath: string;
  #guardian: GuardianClient;
  #frozen: Frozen | null = null;

  constructor(
    disks: readonly DeviceNumber[],
    listPath: string,
    guardian: GuardianClient,
    shortcomings: readonly string[],
    thawedAtStart: readonly string[],
  ) {
    this.#disks = disks;
    this.#listPath = listPath;
    this.#guardian = guardian;
    this.shortcomings = shortcomings;
    this.thawedAtStart = thawedAtStart;
  }

  get guardianPid(): number | undefined {
    return this.#guardian.pid;
  }

  async countMounts(): Promise<number> {
    return this.#find().length;
  }

  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const superblocks = openSuperblocks(this.#find());
    const synced = Promise.all(superblocks.map(({ fileDescriptor, path }) => syncFileSystem(fileDescriptor, path)));
    // syncfs cannot be cancelled: who gives up leaves it to its end.
    const done = synced.then(() => {}).finally(() => closeSuperblocks(superblocks));
    await Promise.race([done, aborted(signal, done)]);
  }

  async freeze(limitMilliseconds: number): Promise<readonly string[]> {
    if (this.#frozen !== null) throw new RangeError('freeze was called while frozen');
    if (this.#guardian.gone) ({ guardian: this.#guardian } = await GuardianClient.start());
    const found = this.#find();
    const superblocks = openSuperblocks(found);
    const frozen: Frozen = {
      superblocks,
      calledAt: process.hrtime.bigint(),
      ownThaw: null,
      watchdog: null,
      settled: true,
      priorityRaised: getPriority() > 0,
    };
    this.#frozen = frozen;
    try {
      if (frozen.priorityRaised) setProcessPriority(NORMAL_PRIORITY);
      if (found.length === 0) return [];
      await this.#prepare(found, superblocks);
      this.#guardian.onGone(() => void this.#thawAlone(frozen));
      frozen.settled = false;
      const unfreezable = await this.#freezeByGuardian(frozen, limitMilliseconds);
      const patience = limitMilliseconds + WATCHDOG_GRACE_MILLISECONDS;
      frozen.watchdog = setTimeout(() => void this.#thawAlone(frozen), patience);
      return unfreezable.map((mount) => superblocks[mount]?.path ?? `mount ${mount}`);
    } catch (thrown) {
      await this.#finish(frozen);
      throw thrown;
    }
  }

  async thaw(): Promise<ThawReport> {
    const frozen = this.#frozen;
    if (frozen === null) throw new RangeError('thaw was called while nothing is frozen');
    let report: ThawReport;
    try {
      report = await this.#thaw(frozen);
    } finally {
      await this.#finish(frozen);
    }
    // Looked for last: a writer that waited for the thaw may be followed by umount at once.
    return { ...report, intact: report.intact && !this.#mountedSince(frozen) };
  }

  async close(): Promise<void> {
    if (this.#frozen !== null) await this.thaw();
    await this.#guardian.close(THAW_TIMEOUT_MILLISECONDS);
    removeOwnCgroup();
  }

  async #prepare(found: readonly Superblock[], superblocks: readonly OpenSuperblock[]): Promise<void> {
    writeFreezeList(this.#listPath, superblocks);
    const answer = await this.#guardian.request(
      {
        type: 'prepare',
        superblocks: found.map(({ deviceNumber, mounts }) => ({
          deviceNumber,
          mounts: mounts.map(({ mountId, path }) => ({ mountId, path })),
        })),
        listPath: this.#listPath,
      },
      ['prepared', 'prepareFailed'],
      PREPARE_TIMEOUT_MILLISECONDS,
    );
    if (answer?.type === 'prepared') return;
    const reason = answer?.type === 'prepareFailed' ? answer.reason : 'it does not answer';
    throw new LmsError('UNAVAILABLE', `the freeze guardian is not ready: ${reason}`);
  }

  /** Numbers of the mounts that cannot be frozen. */
  async #freezeByGuardian(frozen: Frozen, limitMilliseconds: number): Promise<readonly number[]> {
    const request = { type: 'freeze', limitMilliseconds } as const;
    let answer = await this.#guardian.request(request, ['report'], FREEZE_TIMEOUT_MILLISECONDS);
    // It cannot be undone, only be thawed as soon as it returns: the guardian does that, whether we wait or not.
    if (answer === null) answer = await this.#guardian.request({ type: 'thaw' }, ['report'], THAW_TIMEOUT_MILLISECONDS);
    if (answer?.type === 'report' && answer.report.type === 'frozen') return answer.report.unfreezable;
    frozen.settled = answer?.type === 'report';
    if (answer?.type === 'report' && answer.report.type === 'freezeFailed') {
      throw new LmsError('FAILED_PRECONDITION', `could not freeze: ${answer.report.reason}`);
    }
    if (this.#guardian.gone) throw new LmsError('UNAVAILABLE', 'the freeze guardian ended while it was freezing');
    throw new LmsError('DEADLINE_EXCEEDED', `${frozen.superblocks.length} file systems were not frozen in time`);
  }

  async #thaw(frozen: Frozen): Promise<ThawReport> {
    if (frozen.superblocks.length === 0) return { pauseMicroseconds: 0, intact: true };
    if (frozen.ownThaw === null) {
      const answer = await this.#guardian.request({ type: 'thaw' }, ['report'], THAW_TIMEOUT_MILLISECONDS);
      if (answer?.type === 'report' && answer.report.type === 'thawed' && frozen.ownThaw === null) {
        const { pauseMicroseconds, report } = answer;
        frozen.settled = true;
        return { pauseMicroseconds, intact: report.intact };
      }
    }
    await this.#thawAlone(frozen);
    frozen.settled = true;
    return { pauseMicroseconds: Number((process.hrtime.bigint() - frozen.calledAt) / 1000n), intact: false };
  }

  #thawAlone(frozen: Frozen): Promise<void> {
    frozen.ownThaw ??= thawListed(this.#listPath, frozen.superblocks);
    return frozen.ownThaw;
  }

  async #finish(frozen: Frozen): Promise<void> {
    if (frozen.watchdog !== null) clearTimeout(frozen.watchdog);
    this.#guardian.onGone(() => {});
    if (this.#guardian.gone && frozen.superblocks.length > 0) await this.#thawAlone(frozen);
    closeSuperblocks(frozen.superblocks);
    // A guardian that is still at work on it needs its list: the next agent, if need be, too.
    if (frozen.settled || this.#guardian.gone) removeFreezeList(this.#listPath);
    if (frozen.priorityRaised) setProcessPriority(BACKGROUND_PRIORITY);
    this.#frozen = null;
  }

  /** R16: a file system that was mounted after the others were frozen was not frozen. */
  #mountedSince(frozen: Frozen): boolean {
    const known = new Set(frozen.superblocks.map(({ deviceNumber }) => deviceNumber));
    return this.#find().some(({ deviceNumber }) => !known.has(deviceNumber));
  }

  #find(): Superblock[] {
    return findSuperblocks(this.#disks, readMountTable(), readBlockGraph());
  }
}

/** Rejects when the signal fires; settles with `done` otherwise, so that no listener stays. */
async function aborted(signal: AbortSignal, done: Promise<void>): Promise<void> {
  const stop = new AbortController();
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: stop.signal });
    done.then(resolve, resolve);
  }).finally(() => stop.abort());
}
