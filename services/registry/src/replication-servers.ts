/** Replication servers that have a certificate. Where each of them is and what it serves, staging-controller knows. */
import { LmsError } from '@lms/errors';
import { blockStreamServerName } from '@lms/identity';
import type { ListReplicationServersRequest, ReplicationServerRecord } from '@lms/proto';
import { pageOf, type Page } from './paging.ts';
import type { RegistryStore } from './store.ts';
import type { StoredReplicationServer } from './stored-replication-server.ts';

export class ReplicationServers {
  readonly #bucket: RegistryStore['replicationServers'];

  constructor(bucket: RegistryStore['replicationServers']) {
    this.#bucket = bucket;
  }

  /** Returns the revision of the entry. */
  async put(name: string, server: StoredReplicationServer): Promise<number> {
    return (await this.#bucket.modify(name, () => server)).revision;
  }

  /** DNS names for a renewed certificate; those of the accepted one when the state was lost. */
  async dnsNames(name: string, ofAcceptedCertificate: readonly string[], now: Date): Promise<readonly string[]> {
    const known = this.#bucket.get(name)?.value;
    if (known !== undefined) return known.dnsNames;
    await this.put(name, { version: '', enrolledAt: now.toISOString(), dnsNames: [...ofAcceptedCertificate] });
    return ofAcceptedCertificate;
  }

  /** NOT_FOUND when none of this name has a certificate. */
  require(name: string): void {
    if (this.#bucket.get(name) !== null) return;
    throw new LmsError('NOT_FOUND', `there is no replication server ${JSON.stringify(name)}`, {
      field: 'replicationServer',
      action: 'see `lms replication-server list`',
    });
  }

  /** Forgets the one that served this machine and no other. */
  async discardOf(machineId: string): Promise<void> {
    const name = blockStreamServerName(machineId);
    for (const { key, value, revision } of this.#bucket.entries()) {
      if (value.dnsNames.length === 1 && value.dnsNames[0] === name) await this.#bucket.delete(key, revision);
    }
  }

  list(request: ListReplicationServersRequest): Page<ReplicationServerRecord> {
    const records = this.#bucket.entries().map(({ key, value }) => ({
      name: key,
      version: value.version,
      enrolledAt: new Date(value.enrolledAt),
    }));
    return pageOf(records, (record) => record.name, request);
  }
}
