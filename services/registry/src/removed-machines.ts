/**
 * The deny-list: machines that an operator has removed. An entry is the removal: from the instant that it is durable the
 * machine is shown nowhere and its agent is refused, whatever else is still stored of it.
 *
 * It is remembered for longer than any certificate lives, so that an agent which was away cannot bring its machine back.
 * Downside: it lies in JetStream, and is lost with it; ADR 0026 says what that costs.
 */
import { LmsError } from '@lms/errors';
import type { RemovedMachine } from '@lms/proto';
import { z } from 'zod';
import type { RegistryStore } from './store.ts';

/** A certificate lives for a day. The rest is for people: who asks for a removed machine is told when that was. */
const REMEMBERED_MILLISECONDS = 30 * 86_400_000;
/** Of a server that serves one machine. */
const SERVER_NAME = /^(m-[0-9a-f]{20})\.block-stream\.lms\.internal$/;

export const StoredRemoval = z.object({ name: z.string(), removedAt: z.iso.datetime() });
export type StoredRemoval = z.infer<typeof StoredRemoval>;

export class RemovedMachines {
  readonly #bucket: RegistryStore['removed'];

  constructor(bucket: RegistryStore['removed']) {
    this.#bucket = bucket;
  }

  /** Returns the removal, and whether there was one before. */
  async record(machineId: string, name: string, now: Date): Promise<{ removed: RemovedMachine; repeated: boolean }> {
    let repeated = true;
    const { value } = await this.#bucket.modify(machineId, (current) => {
      repeated = current !== null;
      return current ?? { name, removedAt: now.toISOString() };
    });
    return { removed: message(machineId, value), repeated };
  }

  has(machineId: string): boolean {
    return this.#bucket.get(machineId) !== null;
  }

  get(machineId: string): RemovedMachine | null {
    const entry = this.#bucket.get(machineId);
    return entry === null ? null : message(machineId, entry.value);
  }

  /** The last one that had this name. */
  findByName(name: string): RemovedMachine | null {
    let last: RemovedMachine | null = null;
    for (const { key, value } of this.#bucket.entries()) {
      if (value.name !== name) continue;
      if (last?.removedAt === undefined || last.removedAt.toISOString() < value.removedAt) last = message(key, value);
    }
    return last;
  }

  all(): readonly RemovedMachine[] {
    return this.#bucket.entries().map(({ key, value }) => message(key, value));
  }

  /** REMOVED when it is one: the final answer to its agent. */
  refuse(machineId: string): void {
    const removed = this.get(machineId);
    if (removed !== null) throw wasRemoved(removed);
  }

  /** REMOVED when a certificate with these names is of a replication server that served only removed machines. */
  refuseServer(dnsNames: readonly string[]): void {
    const served = dnsNames.map((name) => this.get(SERVER_NAME.exec(name)?.[1] ?? ''));
    const [first] = served;
    if (first !== undefined && first !== null && !served.includes(null)) throw wasRemoved(first);
  }

  async forgetOld(now: Date): Promise<void> {
    for (const { key, value, revision } of this.#bucket.entries()) {
      if (now.getTime() - Date.parse(value.removedAt) < REMEMBERED_MILLISECONDS) continue;
      await this.#bucket.delete(key, revision);
    }
  }
}

function message(machineId: string, { name, removedAt }: StoredRemoval): RemovedMachine {
  return { machineId, name, removedAt: new Date(removedAt) };
}

export function wasRemoved({ machineId, name, removedAt }: RemovedMachine): LmsError {
  const who = name === '' ? machineId : `${name} (${machineId})`;
  return new LmsError('REMOVED', `machine ${who} was removed from the manager at ${removedAt?.toISOString()}`, {
    action: 'To replicate it again: `lms-agent uninstall`, then enrol it as a new machine.',
  });
}
