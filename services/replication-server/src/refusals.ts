/**
 * Connections that became no session, and sessions that were ended: what this end knows of an agent that has no other
 * way to tell, kept for some minutes and reported with the machine's statistics.
 *
 * Bounded whatever comes: one entry for each machine and reason, and a few for connections of which it is not known whose
 * they are. Downside: a machine's name in those that did not prove it is what the client claimed; so it says `proven`.
 */
import { failureReason } from '@lms/block-stream';
import type { FailureReason } from '@lms/block-stream';
import type { LmsError } from '@lms/errors';

const KEPT_MILLISECONDS = 10 * 60_000;
/** Scanners and load balancers come too. */
const MAXIMUM_UNKNOWN = 8;
/** Reports carry no more. */
const MAXIMUM_REPORTED = 8;
/** More machines than one server is in charge of. */
const MAXIMUM_ENTRIES = 4_096;
const MAXIMUM_SENTENCE_LENGTH = 500;

export interface Refusal {
  readonly reason: FailureReason;
  readonly message: string;
  /** `host:port` that it came from; null: not known any more. */
  readonly address: string | null;
  /** RFC 3339, of the last one. */
  readonly at: string;
  /** Since the first that is still remembered. */
  readonly count: number;
  /** A certificate says that it was this machine; else it was the client's word, or nobody knows. */
  readonly proven: boolean;
}

interface Entry extends Refusal {
  readonly machineId: string | null;
}

export class Refusals {
  readonly #entries = new Map<string, Entry>();

  /** `machineId`: null when the connection did not come so far as to say. */
  record(error: LmsError, from: { machineId: string | null; address: string | null; proven: boolean }): void {
    const reason = failureReason(error);
    const { machineId, proven } = from;
    // A session of a known agent that just ended is ordinary life.
    if (reason === 'OTHER' && proven) return;
    const host = from.address?.replace(/:\d+$/, '') ?? '';
    const key = machineId === null ? `? ${host} ${reason}` : `${machineId} ${reason}`;
    const count = (this.#entries.get(key)?.count ?? 0) + 1;
    const message = error.message.slice(0, MAXIMUM_SENTENCE_LENGTH);
    // The newest at the end of the map.
    this.#entries.delete(key);
    this.#entries.set(key, {
      machineId,
      reason,
      message,
      address: from.address,
      at: new Date().toISOString(),
      count,
      proven,
    });
    this.#forget();
  }

  /** The machine's own, and those that could be anybody's; the newest first. */
  of(machineId: string): readonly Refusal[] {
    this.#forget();
    return [...this.#entries.values()]
      .filter((entry) => entry.machineId === null || entry.machineId === machineId)
      .reverse()
      .slice(0, MAXIMUM_REPORTED)
      .map(({ machineId: _machineId, ...refusal }) => refusal);
  }

  #forget(): void {
    const oldest = new Date(Date.now() - KEPT_MILLISECONDS).toISOString();
    const unknown = [...this.#entries].filter(([, { machineId }]) => machineId === null);
    const surplus = new Set(unknown.slice(0, Math.max(0, unknown.length - MAXIMUM_UNKNOWN)).map(([key]) => key));
    for (const [key, { at }] of this.#entries) {
      if (at < oldest || surplus.has(key) || this.#entries.size > MAXIMUM_ENTRIES) this.#entries.delete(key);
    }
  }
}
