/** The trace of one point, from the agent's side: `point.create`, and below it a span for each phase. */
import { trace } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { activeTraceparent, context, contextFromTraceparent, tracer } from '@lms/telemetry';
import { SpanStatusCode } from '@opentelemetry/api';
import type { PointTrace } from '../core/index.ts';

const spans = tracer('agent');

export function beginPointTrace(requestTraceparent: string): PointTrace {
  const parent = contextFromTraceparent(requestTraceparent);
  const span = spans.startSpan('point.create', {}, parent);
  return new SpanTrace(span, trace.setSpan(parent, span));
}

class SpanTrace implements PointTrace {
  readonly traceparent: string;
  readonly #span: Span;
  readonly #context: Context;
  #phase: Span | null = null;

  constructor(span: Span, spanContext: Context) {
    this.#span = span;
    this.#context = spanContext;
    this.traceparent = context.with(spanContext, activeTraceparent) ?? '';
  }

  phase(name: 'drain' | 'freeze' | 'send' | 'commit'): void {
    this.#phase?.end();
    this.#phase = spans.startSpan(`point.${name}`, {}, this.#context);
  }

  end(failure: string | null): void {
    this.#phase?.end();
    if (failure !== null) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    this.#span.end();
  }
}
