/**
 * Trace context at every border that it crosses: HTTP headers, gRPC metadata, NATS headers, and the `traceparent`
 * string of checkpoint frames and operations. Without telemetry all of it does nothing.
 */
import { context, propagation, ROOT_CONTEXT, trace, type Context } from '@opentelemetry/api';

/** Whatever carries headers: one value per name. */
export interface HeaderCarrier {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

/** `00-<trace id>-<span id>-<flags>` (W3C trace context). */
const TRACEPARENT_PATTERN = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Writes the active trace context into the carrier. */
export function injectTrace(carrier: HeaderCarrier, from: Context = context.active()): void {
  propagation.inject(from, carrier, { set: (target, name, value) => target.set(name, value) });
}

/** The context that the carrier names; the root context when it names none, so that nothing is inherited by accident. */
export function extractTrace(carrier: Pick<HeaderCarrier, 'get'>): Context {
  return propagation.extract(ROOT_CONTEXT, carrier, {
    get: (source, name) => source.get(name),
    keys: () => ['traceparent', 'tracestate', 'baggage'],
  });
}

/** The active span as one string; null without telemetry or outside a span. */
export function activeTraceparent(): string | null {
  const spanContext = trace.getSpanContext(context.active());
  if (spanContext === undefined || !trace.isSpanContextValid(spanContext)) return null;
  const flags = spanContext.traceFlags.toString(16).padStart(2, '0');
  return `00-${spanContext.traceId}-${spanContext.spanId}-${flags}`;
}

/** The context of a `traceparent` string from a peer; the root context when it is absent or malformed. */
export function contextFromTraceparent(traceparent: string | null | undefined): Context {
  if (traceparent === null || traceparent === undefined || !TRACEPARENT_PATTERN.test(traceparent)) return ROOT_CONTEXT;
  return extractTrace({ get: (name) => (name === 'traceparent' ? traceparent : undefined) });
}
