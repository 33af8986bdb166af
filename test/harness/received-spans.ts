// Spans as OTLP's JSON form brings them, and what is asked of them: are they one whole trace.

import { z } from 'zod';

const TRACES = z.object({
  resourceSpans: z.array(
    z.object({
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              kind: z.number(),
            }),
          ),
        }),
      ),
    }),
  ),
});

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Null: the root of its trace. */
  readonly parentSpanId: string | null;
  readonly name: string;
}

export class ReceivedSpans {
  readonly all: ReceivedSpan[] = [];

  /** The body of one POST to /v1/traces. */
  take(body: string): void {
    for (const { scopeSpans } of TRACES.parse(JSON.parse(body)).resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const { traceId, spanId, parentSpanId, name } of spans) {
          this.all.push({ traceId, spanId, parentSpanId: parentSpanId || null, name });
        }
      }
    }
  }

  trace(traceId: string): readonly ReceivedSpan[] {
    return this.all.filter((span) => span.traceId === traceId);
  }

  /** Spans whose parent never came: a trace with one of these is torn. */
  orphans(traceId: string): readonly ReceivedSpan[] {
    const spans = this.trace(traceId);
    const ids = new Set(spans.map(({ spanId }) => spanId));
    return spans.filter(({ parentSpanId }) => parentSpanId !== null && !ids.has(parentSpanId));
  }
}
