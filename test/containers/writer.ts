// Writes through the gateway without a pause, as operators and agents do, and remembers what was acknowledged.

import { AgentApi, enrolAgent, type AgentStatistics, type OperatorApi } from '@lms/api';
import { createCertificateRequest, createPrivateKeyPem, makeAssertion } from '@lms/identity';
import { waitFor } from '../harness/condition.ts';
import { until } from '../integration/harness/until.ts';
import type { ManagerContainers } from './manager-containers.ts';

/** Longer than any answer takes while a leader is elected; who waits longer asks again. */
const CALL_MILLISECONDS = 15_000;

export interface Acknowledged {
  readonly tokens: readonly string[];
  readonly machines: readonly string[];
  /** `MACHINE AT` of each sample. */
  readonly samples: readonly string[];
}

export class Writer {
  readonly #manager: ManagerContainers;
  readonly #operator: OperatorApi;
  readonly #stopping = new AbortController();
  readonly #tokens: string[] = [];
  readonly #machines: string[] = [];
  readonly #samples: string[] = [];
  readonly #done: Promise<void>;
  #attempts = 0;

  constructor(manager: ManagerContainers) {
    this.#manager = manager;
    this.#operator = manager.operator();
    this.#done = this.#run();
  }

  get acknowledged(): Acknowledged {
    return { tokens: this.#tokens, machines: this.#machines, samples: this.#samples };
  }

  /** Returns when that many more machines have been enrolled, each with a token and a sample of statistics. */
  async untilMore(count: number, why: string): Promise<void> {
    const wanted = this.#samples.length + count;
    await waitFor(`${count} more writes ${why}`, () => this.#samples.length >= wanted, { timeoutMilliseconds: 90_000 });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#enrolOne();
      } catch {
        // Not acknowledged: it may have been written or not, and nobody was told that it was.
      }
    }
  }

  async #enrolOne(): Promise<void> {
    const signal = AbortSignal.timeout(CALL_MILLISECONDS);
    const { managerUrl, caPem, caSha256 } = this.#manager;
    const { token, id } = await this.#operator.createToken({ uses: 1 }, signal);
    this.#tokens.push(id);
    const privateKeyPem = await createPrivateKeyPem();
    const request = {
      token,
      csrPem: await createCertificateRequest(privateKeyPem),
      name: `source-${(this.#attempts += 1)}`,
      version: '0.1.0',
      disks: [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576 }],
      inventory: { hostName: 'source' },
    };
    const { machineId, certificatePem } = await enrolAgent(managerUrl, caPem, request, signal);
    this.#machines.push(machineId);
    const signAssertion = () => makeAssertion({ privateKeyPem, certificatePem, caSha256 });
    const agent = new AgentApi({ managerUrl, caPem, signAssertion, retries: 0 });
    try {
      const at = new Date().toISOString();
      // As an agent does: the same batch again and again, until it is acknowledged.
      await until('the statistics', async () => {
        await agent.statistics([sample(at)], AbortSignal.timeout(CALL_MILLISECONDS));
        return true;
      });
      this.#samples.push(`${machineId} ${at}`);
    } finally {
      await agent.close();
    }
  }
}

function sample(at: string): AgentStatistics {
  return {
    at,
    state: 'CONTINUOUS',
    stallCause: null,
    stallDetail: null,
    detail: null,
    disks: [{ diskId: 'serial-1', replicatedBytes: 1_048_576, backlogBytes: 0, tracker: 'trace' }],
    bytesReadSource: 0,
    bytesSentWire: 0,
    bytesRaw: 0,
    chunksRaw: 0,
    chunksCompressed: 0,
    trackerLosses: 0,
    lastPauseMicroseconds: null,
    residentBytes: 1,
    cpuSeconds: 0,
  };
}
