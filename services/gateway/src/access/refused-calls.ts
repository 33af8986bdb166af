/**
 * Tells stats-ingest of agents that proved who they are and were not let in: their clock, or a certificate that ran out.
 * It is the one thing that the manager learns of such an agent. Told now and then and not at every attempt.
 */
import { toLmsError, type LmsError } from '@lms/errors';
import { explainRefusal, type AssertionChecker } from '@lms/identity';
import type { Logger } from '@lms/telemetry';
import type { ServiceClients } from '../manager-services.ts';

/** An agent tries every few seconds. */
const AGAIN_MILLISECONDS = 5_000;
/** Machines that are remembered to have been told of. */
const MAXIMUM_REMEMBERED = 10_000;
/** Whoever is refused is not kept waiting for our books. */
const DEADLINE_MILLISECONDS = 2_000;

export class RefusedCalls {
  readonly #statistics: Pick<ServiceClients['statistics'], 'reportRefusedCall'>;
  readonly #logger: Logger;
  readonly #toldAt = new Map<string, number>();

  constructor(statistics: Pick<ServiceClients['statistics'], 'reportRefusedCall'>, logger: Logger) {
    this.#statistics = statistics;
    this.#logger = logger;
  }

  /** Never rejects. */
  async tell(assertion: string, checker: AssertionChecker, error: LmsError, sourceAddress: string): Promise<void> {
    const explained = await explainRefusal(assertion, checker);
    if (explained?.identity.kind !== 'machine' || !this.#isDue(explained.identity.id)) return;
    const { identity, reason, clockAheadMilliseconds } = explained;
    const call = {
      reason,
      message: error.message,
      at: new Date(),
      clockAheadMilliseconds: BigInt(Math.round(clockAheadMilliseconds)),
    };
    try {
      const options = { deadlineMilliseconds: DEADLINE_MILLISECONDS };
      await this.#statistics.reportRefusedCall({ machineId: identity.id, sourceAddress, call }, options);
    } catch (thrown) {
      this.#logger.debug({ machineId: identity.id }, `a refused call is not told: ${toLmsError(thrown).message}`);
    }
  }

  #isDue(machineId: string): boolean {
    const now = performance.now();
    if (now - (this.#toldAt.get(machineId) ?? -Infinity) < AGAIN_MILLISECONDS) return false;
    this.#toldAt.delete(machineId);
    this.#toldAt.set(machineId, now);
    const [oldest] = this.#toldAt.keys();
    if (this.#toldAt.size > MAXIMUM_REMEMBERED && oldest !== undefined) this.#toldAt.delete(oldest);
    return true;
  }
}
