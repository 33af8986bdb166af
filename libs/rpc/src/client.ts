/**
 * A typed client: one async function per method of the service. Every call has a deadline, can be aborted, carries the
 * trace, and fails with an `LmsError` and nothing else.
 *
 * It connects at the first call and again whenever the connection is gone. A call while nobody is there fails at once
 * with UNAVAILABLE: whether to try again is the caller's to decide, by `LmsError.retryable`.
 */
import { Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { LmsError, toLmsError } from '@lms/errors';
import { injectTrace, SpanKind, tracer, withSpan } from '@lms/telemetry';
import { channelCredentials } from './credentials.ts';
import type { ServiceDefinition, StreamingMethod, UnaryMethod } from './definition.ts';
import {
  CHANNEL_OPTIONS,
  DEFAULT_DEADLINE_MILLISECONDS,
  RECONNECT_FIRST_MILLISECONDS,
  RECONNECT_LONGEST_MILLISECONDS,
  STREAM_DEADLINE_MILLISECONDS,
} from './limits.ts';
import { metadataCarrier } from './metadata-carrier.ts';
import { fromStatus } from './status.ts';
import { componentServerName, type TlsMaterial } from './tls-material.ts';

export interface CallSettings {
  /** Default: 10 s, of a stream 1 h. A call that waits at the other side needs that wait and some seconds more. */
  readonly deadlineMilliseconds?: number;
  readonly signal?: AbortSignal;
}

type ClientMethod<Method> =
  Method extends StreamingMethod<infer Request, infer Response>
    ? (request: Request, settings?: CallSettings) => AsyncIterable<Response>
    : Method extends UnaryMethod<infer Request, infer Response>
      ? (request: Request, settings?: CallSettings) => Promise<Response>
      : never;

export type RpcClient<Definition> = { readonly [Name in keyof Definition]: ClientMethod<Definition[Name]> } & {
  close(): void;
};

export interface RpcClientOptions {
  /** HOST:PORT. */
  readonly address: string;
  /** Whose certificate must answer there, such as `registry`. */
  readonly component: string;
  readonly tls: TlsMaterial;
}

type AnyMethod = UnaryMethod<unknown, unknown> | StreamingMethod<unknown, unknown>;

const spans = tracer('rpc');

export function createRpcClient<Definition extends ServiceDefinition>(
  definition: Definition,
  options: RpcClientOptions,
): RpcClient<Definition> {
  const channel = new Client(options.address, channelCredentials(options.tls), {
    ...CHANNEL_OPTIONS,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_FIRST_MILLISECONDS,
    'grpc.min_reconnect_backoff_ms': RECONNECT_FIRST_MILLISECONDS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_LONGEST_MILLISECONDS,
    'grpc.ssl_target_name_override': componentServerName(options.component),
    'grpc.default_authority': componentServerName(options.component),
    // Clients of the tests and of the manager share a process and must not share connections.
    'grpc.use_local_subchannel_pool': 1,
  });
  const methods: Record<string, unknown> = { close: () => channel.close() };
  for (const [name, described] of Object.entries(definition)) {
    const method = described as AnyMethod;
    methods[name] = method.responseStream
      ? (request: unknown, settings: CallSettings = {}) => callStreaming(channel, method, request, settings)
      : (request: unknown, settings: CallSettings = {}) => callUnary(channel, method, request, settings);
  }
  // Made method by method from the definition, which is what the type says.
  return methods as unknown as RpcClient<Definition>;
}

function callUnary(
  channel: Client,
  method: UnaryMethod<unknown, unknown>,
  request: unknown,
  settings: CallSettings,
): Promise<unknown> {
  const name = method.path.slice(1);
  return withSpan(spans, name, { kind: SpanKind.CLIENT, attributes: { 'rpc.system.name': 'grpc' } }, async () => {
    if (settings.signal?.aborted === true) throw toLmsError(settings.signal.reason, name);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call = channel.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      tracedMetadata(),
      { deadline: Date.now() + (settings.deadlineMilliseconds ?? DEFAULT_DEADLINE_MILLISECONDS) },
      (failure: ServiceError | null, response?: unknown) =>
        failure === null ? resolve(response) : reject(fromStatus(failure, name)),
    );
    const cancel = (): void => call.cancel();
    settings.signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await promise;
    } finally {
      settings.signal?.removeEventListener('abort', cancel);
    }
  });
}

async function* callStreaming(
  channel: Client,
  method: StreamingMethod<unknown, unknown>,
  request: unknown,
  settings: CallSettings,
): AsyncGenerator<unknown> {
  const name = method.path.slice(1);
  if (settings.signal?.aborted === true) throw toLmsError(settings.signal.reason, name);
  const call = channel.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    tracedMetadata(),
    { deadline: Date.now() + (settings.deadlineMilliseconds ?? STREAM_DEADLINE_MILLISECONDS) },
  );
  const cancel = (): void => call.cancel();
  settings.signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const response of call) yield response;
  } catch (thrown) {
    throw isServiceError(thrown) ? fromStatus(thrown, name) : toLmsError(thrown, name);
  } finally {
    settings.signal?.removeEventListener('abort', cancel);
    call.cancel();
  }
}

function tracedMetadata(): Metadata {
  const metadata = new Metadata();
  injectTrace(metadataCarrier(metadata));
  return metadata;
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && !(thrown instanceof LmsError) && 'metadata' in thrown && 'details' in thrown;
}
