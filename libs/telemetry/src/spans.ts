import { context, metrics, SpanKind, SpanStatusCode, trace, type Attributes, type Context } from '@opentelemetry/api';
import type { Meter, Span, Tracer } from '@opentelemetry/api';
import { getRPCMetadata } from '@opentelemetry/core';
import { toLmsError } from '@lms/errors';

export interface SpanSettings {
  readonly kind?: SpanKind;
  /** Values belong here; the span's name is a template and never holds an id. */
  readonly attributes?: Attributes;
  /** Default: the active context. */
  readonly parent?: Context;
}

/** `name`: the component that makes the spans, such as `registry`. */
export function tracer(name: string): Tracer {
  return trace.getTracer(`lms.${name}`);
}

export function meter(name: string): Meter {
  return metrics.getMeter(`lms.${name}`);
}

/** Runs `work` inside a span that ends with it; a failure is recorded on the span and thrown on. */
export async function withSpan<Result>(
  spans: Tracer,
  name: string,
  settings: SpanSettings,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const parent = settings.parent ?? context.active();
  const span = spans.startSpan(
    name,
    { kind: settings.kind ?? SpanKind.INTERNAL, ...(settings.attributes && { attributes: settings.attributes }) },
    parent,
  );
  try {
    return await context.with(trace.setSpan(parent, span), () => work(span));
  } catch (thrown) {
    recordFailure(span, thrown);
    throw thrown;
  } finally {
    span.end();
  }
}

export function recordFailure(span: Span, thrown: unknown): void {
  const error = toLmsError(thrown);
  span.setAttribute('error.type', error.code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

/**
 * Names the active HTTP server span after its route, such as `/v1/machines/{id}`: the instrumentation sees only the
 * path, with ids in it.
 */
export function nameHttpSpan(method: string, route: string): void {
  const active = context.active();
  const metadata = getRPCMetadata(active);
  if (metadata !== undefined) metadata.route = route;
  trace.getSpan(active)?.updateName(`${method} ${route}`).setAttribute('http.route', route);
}
