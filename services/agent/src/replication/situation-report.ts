/**
 * What a diagnosis needs of this agent, with every sample of its statistics: which process it is, how long its certificate
 * lasts, and the last failure on 1500 as a word, with what the address stands for here (a wrong DNS server is found out
 * only by comparing). Samples are spooled, so an agent that could not tell tells it when it can.
 */
import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { MAXIMUM_RESOLVED_ADDRESSES } from '@lms/api';
import type { AgentSituation } from '@lms/api';
import { failureReason } from '@lms/block-stream';
import { formatAuthority } from '@lms/proxy';
import type { ReplicationStatus, SessionFailure } from '../core/index.ts';
import type { EndpointAddress } from './block-stream-endpoint.ts';

const MAXIMUM_SENTENCE_LENGTH = 500;

export interface SituationParts {
  readonly certificateExpiresAt: () => Date;
  readonly managerFailure: () => AgentSituation['managerFailure'];
  /** What the last failure was about. */
  readonly address: () => EndpointAddress | null;
  /** Default: the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

interface Resolved {
  readonly host: string;
  readonly addresses: readonly string[];
}

export class SituationReport {
  readonly #parts: SituationParts;
  readonly #instanceId = randomUUID();
  #told: SessionFailure | null = null;
  #address: EndpointAddress | null = null;
  #resolved: Resolved | null = null;

  constructor(parts: SituationParts) {
    this.#parts = parts;
  }

  of(status: ReplicationStatus): AgentSituation {
    const { certificateExpiresAt, managerFailure } = this.#parts;
    const expiresAt = certificateExpiresAt();
    return {
      instanceId: this.#instanceId,
      hostName: hostname(),
      certificateExpiresAt: expiresAt.toISOString(),
      connected: status.connected,
      failure: this.#failureOf(status),
      managerFailure: shorten(managerFailure()),
    };
  }

  /** Another text than before: it is to be told soon. */
  change(status: ReplicationStatus): string {
    const failure = this.#failureOf(status);
    return failure === null ? '' : [failure.reason, failure.address, status.connected, ...failure.resolved].join(' ');
  }

  #failureOf({ lastFailure }: ReplicationStatus): AgentSituation['failure'] {
    if (lastFailure === null) return null;
    if (lastFailure !== this.#told) {
      this.#told = lastFailure;
      this.#address = this.#parts.address();
      void this.#resolve(this.#address);
    }
    const address = this.#address;
    return {
      reason: failureReason(lastFailure.error),
      message: lastFailure.error.message.slice(0, MAXIMUM_SENTENCE_LENGTH),
      address: address === null ? null : formatAuthority(address.host, address.port),
      resolved: this.#resolved !== null && this.#resolved.host === address?.host ? [...this.#resolved.addresses] : [],
      at: new Date(lastFailure.atMicroseconds / 1_000).toISOString(),
      since: new Date(lastFailure.sinceMicroseconds / 1_000).toISOString(),
      count: lastFailure.count,
    };
  }

  async #resolve(address: EndpointAddress | null): Promise<void> {
    if (address === null || isIP(address.host) !== 0) return;
    const { host } = address;
    const resolve = this.#parts.resolve ?? resolveBySystem;
    // A name that stands for nothing is the failure itself.
    const addresses = await resolve(host).catch(() => []);
    this.#resolved = { host, addresses: addresses.slice(0, MAXIMUM_RESOLVED_ADDRESSES) };
  }
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function shorten(failure: AgentSituation['managerFailure']): AgentSituation['managerFailure'] {
  return failure === null ? null : { ...failure, message: failure.message.slice(0, MAXIMUM_SENTENCE_LENGTH) };
}
