/** Tells the manager every few seconds that the agent is there, and hears what it should do. */
import type { AgentApi, HeartbeatAnswer, HeartbeatRequest } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { ManagerContact } from './contact.ts';

/** A manager that is back is noticed within half a minute; ten thousand agents that wait for one do not hurt it. */
const RETRY = { firstMilliseconds: 1_000, longestMilliseconds: 30_000 };

export interface HeartbeatParts {
  readonly api: AgentApi;
  readonly contact: ManagerContact;
  readonly request: () => HeartbeatRequest;
  readonly onAnswer: (answer: HeartbeatAnswer) => Promise<void>;
  /** Aborted when the way to the manager has changed: then it is not waited any longer. Asked before each wait. */
  readonly hurry: () => AbortSignal;
  /** An operator has removed this machine. The last that the manager says: nothing is asked after it. */
  readonly onRemoved: (message: string) => Promise<void>;
}

/** Until the signal aborts, or the machine is found to be removed. Never rejects. */
export async function keepHeartbeat(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const backOff = new BackOff(RETRY);
  while (!signal.aborted) {
    let waitMilliseconds: number;
    try {
      const answer = await parts.api.heartbeat(parts.request(), signal);
      parts.contact.succeeded();
      backOff.succeeded();
      await parts.onAnswer(answer);
      waitMilliseconds = answer.heartbeatSeconds * 1_000;
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toLmsError(thrown);
      if (error.code === 'REMOVED') {
        parts.contact.succeeded();
        await parts.onRemoved(error.message);
        return;
      }
      parts.contact.failed(thrown);
      waitMilliseconds = backOff.failed();
    }
    await pause(waitMilliseconds, AbortSignal.any([signal, parts.hurry()]));
  }
}
