import type { FastifyReply } from 'fastify';
import { callerSignal } from '../http/caller-signal.ts';

/** On top of what the service waits itself. */
const MARGIN_MILLISECONDS = 5_000;

export interface LongPoll {
  readonly waitMilliseconds: number;
  /** Of the gRPC call. */
  readonly settings: { readonly signal: AbortSignal; readonly deadlineMilliseconds: number };
}

/** A wait that ends when the caller goes or the gateway stops. */
export function longPoll(waitSeconds: number, reply: FastifyReply, stopping: AbortSignal): LongPoll {
  const waitMilliseconds = Math.round(waitSeconds * 1_000);
  const signal = AbortSignal.any([callerSignal(reply), stopping]);
  return { waitMilliseconds, settings: { signal, deadlineMilliseconds: waitMilliseconds + MARGIN_MILLISECONDS } };
}
