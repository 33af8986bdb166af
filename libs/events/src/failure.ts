/** Errors of NATS and JetStream as `LmsError`, in one place. */
import { JetStreamApiError } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  ConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';
import { LmsError, toLmsError } from '@lms/errors';

/** Somebody else wrote the key first. */
const WRONG_LAST_SEQUENCE = 10071;
const WRONG_LAST_SEQUENCE_UNKNOWN = 10164;
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const CONSUMER_EXISTS = 10148;
/** Of stream limits with `discard: new`, and of the account's storage. */
const NO_ROOM: ReadonlySet<number> = new Set([10023, 10047, 10077]);

export function isConflict(thrown: unknown): boolean {
  return (
    thrown instanceof JetStreamApiError &&
    (thrown.code === WRONG_LAST_SEQUENCE || thrown.code === WRONG_LAST_SEQUENCE_UNKNOWN)
  );
}

/** A consumer of that name is there, with other settings. */
export function isOtherwiseThere(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && thrown.code === CONSUMER_EXISTS;
}

/** `what`: what was tried, for the message: `write of state machines/m-1`. */
export function fromNats(thrown: unknown, what: string): LmsError {
  if (thrown instanceof LmsError) return thrown;
  if (isConflict(thrown)) {
    return new LmsError('ABORTED', `${what}: somebody else changed it first`, {
      action: 'Read it again and repeat the change.',
      cause: thrown,
    });
  }
  if (thrown instanceof JetStreamApiError) {
    if (thrown.code === STREAM_NOT_FOUND || thrown.code === CONSUMER_NOT_FOUND || thrown.status === 503) {
      return new LmsError('UNAVAILABLE', `${what}: ${thrown.message}`, { cause: thrown });
    }
    const code = NO_ROOM.has(thrown.code) ? 'RESOURCE_EXHAUSTED' : 'INTERNAL';
    return new LmsError(code, `${what}: ${thrown.message}`, { cause: thrown });
  }
  if (thrown instanceof Error && thrown.cause instanceof RequestError && thrown.cause.isNoResponders()) {
    // The client says "jetstream is not enabled". It is; but the leader of the stream has gone, and the nodes that are left
    // are electing another one.
    return new LmsError('UNAVAILABLE', `${what}: nobody answers for this stream now`, {
      action: 'Wait until a leader is elected, which takes seconds; nothing that was acknowledged is lost.',
      cause: thrown,
    });
  }
  if (thrown instanceof TimeoutError) {
    return new LmsError('DEADLINE_EXCEEDED', `${what}: NATS did not answer in time`, { cause: thrown });
  }
  if (
    thrown instanceof ClosedConnectionError ||
    thrown instanceof ConnectionError ||
    thrown instanceof DrainingConnectionError ||
    thrown instanceof NoRespondersError ||
    thrown instanceof RequestError
  ) {
    return new LmsError('UNAVAILABLE', `${what}: ${thrown.message || 'NATS is not there'}`, {
      action: 'Wait until NATS is back; nothing that was acknowledged is lost.',
      cause: thrown,
    });
  }
  return toLmsError(thrown, what);
}
