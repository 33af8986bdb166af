/**
 * For what a service needs before it can begin, and for what it lost: tried until NATS does it. A cluster that has just
 * been started, or that lost a node, elects leaders for seconds; to end a process for that would only begin it anew.
 */
import { type ErrorCode } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';

const LIMITS = { firstMilliseconds: 250, longestMilliseconds: 5_000 };
/** What time mends. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED']);

/** `attempt` must not mind to be repeated. Rejects with what time does not mend, and when the service is stopped. */
export async function untilAnswered<Answer>(
  connection: EventConnection,
  what: string,
  attempt: () => Promise<Answer>,
): Promise<Answer> {
  const backOff = new BackOff(LIMITS);
  for (;;) {
    connection.givenUp.throwIfAborted();
    try {
      return await attempt();
    } catch (thrown) {
      const error = fromNats(thrown, what);
      if (!PASSING.has(error.code)) throw error;
      connection.logger.warn({ code: error.code }, error.message);
      await pause(backOff.failed(), connection.givenUp);
    }
  }
}
