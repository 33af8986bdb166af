/**
 * Which machines this server is in charge of. The manager says so by a long poll; the last answer is kept in a file, so
 * that a server which starts while the manager is away goes on serving them.
 */
import { readFile } from 'node:fs/promises';
import { AssignmentsAnswer, UNLIMITED } from '@lms/api';
import type {
  AssignedMachine,
  Bandwidth,
  ReplicationServerApi,
  ReplicationServerCheck,
  ReplicationServerSettings,
  ReplicationTask,
} from '@lms/api';
import { toLmsError } from '@lms/errors';
import type { LmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import { replaceDurably } from '../durable-file.ts';

/** Below the idle limit of the usual proxies. */
const WAIT_SECONDS = 25;
const BACK_OFF = { firstMilliseconds: 500, longestMilliseconds: 15_000 };

export interface AssignmentEvents {
  /** After each change; `added`: not assigned before; `removed`: of which nothing is to be kept. */
  readonly onMachines: (added: readonly string[], removed: readonly string[]) => Promise<void>;
  readonly onTasks: (tasks: readonly ReplicationTask[]) => void;
  readonly onProxy: (proxy: ReplicationServerSettings['proxy']) => void;
  readonly onChecks: (checks: readonly ReplicationServerCheck[]) => void;
  /** The manager answers again, after a time in which it did not (or for the first time). */
  readonly onManagerBack: () => void;
  readonly onManagerAway: (error: LmsError) => void;
}

export class Assignments {
  readonly #file: string;
  #machines: ReadonlyMap<string, AssignedMachine> = new Map();
  #bandwidth: Bandwidth = UNLIMITED;

  constructor(file: string) {
    this.#file = file;
  }

  get machines(): ReadonlyMap<string, AssignedMachine> {
    return this.#machines;
  }

  /** Of all machines together. */
  get bandwidth(): Bandwidth {
    return this.#bandwidth;
  }

  /** What the manager said last, before this process. Nothing when it never did, or when the file is damaged. */
  async load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw thrown;
    }
    const stored = AssignmentsAnswer.safeParse(JSON.parse(text));
    if (!stored.success) return;
    this.#replace(stored.data.machines);
    this.#bandwidth = stored.data.settings.bandwidth;
  }

  #replace(machines: readonly AssignedMachine[]): readonly string[] {
    const before = this.#machines;
    this.#machines = new Map(machines.map((machine) => [machine.machineId, machine]));
    return [...this.#machines.keys()].filter((machineId) => !before.has(machineId));
  }

  /** Follows the manager until the signal. */
  async follow(api: ReplicationServerApi, events: AssignmentEvents, signal: AbortSignal): Promise<void> {
    const backOff = new BackOff(BACK_OFF);
    let revision: string | null = null;
    let away = true;
    while (!signal.aborted) {
      try {
        const answer: AssignmentsAnswer = await api.assignments(revision, revision === null ? 0 : WAIT_SECONDS, signal);
        if (away) events.onManagerBack();
        away = false;
        backOff.succeeded();
        if (answer.revision !== revision) await this.#apply(answer, events);
        revision = answer.revision;
      } catch (thrown) {
        if (signal.aborted) return;
        if (!away || backOff.failures === 0) events.onManagerAway(toLmsError(thrown));
        away = true;
        // A manager that was rebuilt knows no revision of its predecessor.
        revision = null;
        await pause(backOff.failed(), signal);
      }
    }
  }

  async #apply(answer: AssignmentsAnswer, events: AssignmentEvents): Promise<void> {
    const added = this.#replace(answer.machines);
    this.#bandwidth = answer.settings.bandwidth;
    // It has a password, and a file of its own once it is in use.
    const settings = { ...answer.settings, proxy: null };
    await replaceDurably(
      this.#file,
      `${JSON.stringify({ ...answer, settings, removedMachineIds: [], tasks: [], checks: [] })}\n`,
    );
    events.onProxy(answer.settings.proxy);
    await events.onMachines(added, answer.removedMachineIds);
    events.onTasks(answer.tasks);
    events.onChecks(answer.checks);
  }
}
