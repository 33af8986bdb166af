/**
 * The machines that the registry knows, kept in memory: told by its facts as they happen, and listed again every few
 * seconds, since a fact may reach another replica of this service. A machine that vanishes from the list stays here: a
 * registry whose state was lost makes its machines anew from their agents' heartbeats, and replication goes on meanwhile.
 * Only a removal takes one away.
 */
import { toLmsError } from '@lms/errors';
import type { Machine, RegistryService } from '@lms/proto';
import type { RpcClient } from '@lms/rpc';
import { BackOff, pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';

const LIST_EVERY_MILLISECONDS = 5_000;
const PAGE_SIZE = 500;
const RETRY_LIMITS = { firstMilliseconds: 200, longestMilliseconds: 5_000 };

export class Machines {
  readonly #registry: Pick<RpcClient<typeof RegistryService>, 'listMachines'>;
  readonly #logger: Logger;
  readonly #onChange: (machineId: string | null) => void;
  readonly #machines = new Map<string, Machine>();
  #listed = false;

  /** `onChange`: null when it is about more than one. */
  constructor(
    registry: Pick<RpcClient<typeof RegistryService>, 'listMachines'>,
    logger: Logger,
    onChange: (machineId: string | null) => void,
  ) {
    this.#registry = registry;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** Whether the registry has been heard once. */
  get listed(): boolean {
    return this.#listed;
  }

  ids(): readonly string[] {
    return [...this.#machines.keys()];
  }

  get(machineId: string): Machine | null {
    return this.#machines.get(machineId) ?? null;
  }

  put(machine: Machine): void {
    const known = this.#machines.get(machine.machineId);
    // A registry that began anew counts its revisions anew: equal content is what matters.
    const isSame = known?.revision === machine.revision && known.settingsRevision === machine.settingsRevision;
    if (known !== undefined && isSame) return;
    this.#machines.set(machine.machineId, machine);
    this.#onChange(machine.machineId);
  }

  /** It was removed; a list that was asked for before may still bring it back, until this is said again. */
  forget(machineId: string): void {
    this.#machines.delete(machineId);
  }

  async follow(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff(RETRY_LIMITS);
    while (!signal.aborted) {
      let waitMilliseconds = LIST_EVERY_MILLISECONDS;
      try {
        await this.#list(signal);
        backOff.succeeded();
      } catch (thrown) {
        if (signal.aborted) return;
        waitMilliseconds = backOff.failed();
        const error = toLmsError(thrown);
        if (backOff.failures === 1) this.#logger.warn({ code: error.code }, `machines not listed: ${error.message}`);
      }
      await pause(waitMilliseconds, signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    let pageToken = '';
    do {
      const page = await this.#registry.listMachines({ pageSize: PAGE_SIZE, pageToken }, { signal });
      for (const machine of page.machines) this.put(machine);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    if (this.#listed) return;
    this.#listed = true;
    this.#onChange(null);
  }
}
