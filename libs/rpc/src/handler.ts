/**
 * From a plain async function to a gRPC handler: who calls is checked, the deadline is required, the trace continues,
 * whatever is thrown becomes a status, and the handler's signal is aborted when the caller is gone or out of time.
 */
import type { handleServerStreamingCall, handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { once } from 'node:events';
import { LmsError, toLmsError } from '@lms/errors';
import { extractTrace, SpanKind, tracer, withSpan, type Logger } from '@lms/telemetry';
import type { ServiceDefinition, StreamingMethod, UnaryMethod } from './definition.ts';
import { metadataCarrier } from './metadata-carrier.ts';
import { peerComponent } from './peer.ts';
import { toStatus } from './status.ts';

export interface CallContext {
  /** Aborted when the caller gave up, its deadline passed, or this server stops. */
  readonly signal: AbortSignal;
  readonly deadline: Date;
  /** The component that calls, by its certificate. */
  readonly peer: string;
}

type Handler<Method> =
  Method extends StreamingMethod<infer Request, infer Response>
    ? (request: Request, context: CallContext) => AsyncIterable<Response>
    : Method extends UnaryMethod<infer Request, infer Response>
      ? (request: Request, context: CallContext) => Promise<Response>
      : never;

export type Handlers<Definition extends ServiceDefinition> = {
  readonly [Name in keyof Definition]: Handler<Definition[Name]>;
};

export type AnyHandler = (request: unknown, context: CallContext) => Promise<unknown> | AsyncIterable<unknown>;

interface HandlerSettings {
  /** `lms.v1.Registry/GetMachine`. */
  readonly name: string;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
}

/** What every kind of call has. */
type AnyCall = Pick<
  ServerUnaryCall<unknown, unknown>,
  'metadata' | 'cancelled' | 'getDeadline' | 'getAuthContext' | 'once' | 'removeListener'
>;

const spans = tracer('rpc');

export function unaryHandler(handler: AnyHandler, settings: HandlerSettings): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    void runCall(call, settings, (context) => handler(call.request, context) as Promise<unknown>).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(toStatus(thrown)),
    );
  };
}

export function streamingHandler(
  handler: AnyHandler,
  settings: HandlerSettings,
): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    void runCall(call, settings, async (context) => {
      for await (const response of handler(call.request, context) as AsyncIterable<unknown>) {
        if (context.signal.aborted) return;
        // Back-pressure: a caller that does not read holds the handler, not our memory.
        if (!call.write(response)) await once(call, 'drain', { signal: context.signal });
      }
    }).then(
      () => call.end(),
      (thrown: unknown) => {
        const { code, details, metadata } = toStatus(thrown);
        call.emit('error', Object.assign(new Error(details), { code, details, metadata }));
      },
    );
  };
}

async function runCall<Result>(
  call: AnyCall,
  { name, logger, stopping }: HandlerSettings,
  work: (context: CallContext) => Promise<Result>,
): Promise<Result> {
  const parent = extractTrace(metadataCarrier(call.metadata));
  return withSpan(spans, name, { kind: SpanKind.SERVER, parent, attributes: { 'rpc.system.name': 'grpc' } }, () =>
    answer(call, name, logger, stopping, work),
  );
}

async function answer<Result>(
  call: AnyCall,
  name: string,
  logger: Logger,
  stopping: AbortSignal,
  work: (context: CallContext) => Promise<Result>,
): Promise<Result> {
  const cancelled = new AbortController();
  const cancel = (): void => cancelled.abort(new LmsError('CANCELLED', `the caller of ${name} went away`));
  call.once('cancelled', cancel);
  const signal = AbortSignal.any([cancelled.signal, stopping]);
  try {
    const peer = peerComponent(call.getAuthContext()?.sslPeerCertificate?.raw);
    const deadline = deadlineOf(call.getDeadline(), name);
    return await work({ signal, deadline, peer });
  } catch (thrown) {
    // Node's own error for what was waited for when the signal came; the signal knows why.
    if (signal.aborted && toLmsError(thrown).code === 'CANCELLED') throw toLmsError(signal.reason);
    // An error without a code of ours is a programmer's: the caller learns its code, we keep its stack.
    if (!(thrown instanceof LmsError)) logger.error({ error: thrown, method: name }, 'a call failed unexpectedly');
    throw thrown;
  } finally {
    call.removeListener('cancelled', cancel);
  }
}

function deadlineOf(deadline: Date | number, name: string): Date {
  const at = new Date(deadline);
  if (Number.isFinite(at.getTime())) return at;
  throw new LmsError('INVALID_ARGUMENT', `${name} was called without a deadline`, {
    action: 'Set a deadline on the call.',
  });
}
