/**
 * The OpenTelemetry SDK of this process, configured by the standard `OTEL_*` variables.
 * Queues are bounded by the SDK (2,048 spans, 2,048 log records; the newest are dropped when a collector is away), and
 * an export gives up after 10 s, so that a dead collector costs memory and time only within these bounds.
 */
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { logDiagnosis } from './diagnosis.ts';
import { setShutdown } from './shutdown.ts';

const EXPORT_TIMEOUT_MILLISECONDS = 10_000;
/** Spans leave within a second: a process that is killed loses at most that much of a trace. */
const EXPORT_DELAY_MILLISECONDS = 1_000;

export function startTelemetry(): void {
  const defaults: Readonly<Record<string, string>> = {
    OTEL_BSP_SCHEDULE_DELAY: String(EXPORT_DELAY_MILLISECONDS),
    OTEL_BSP_EXPORT_TIMEOUT: String(EXPORT_TIMEOUT_MILLISECONDS),
    OTEL_BLRP_SCHEDULE_DELAY: String(EXPORT_DELAY_MILLISECONDS),
    OTEL_EXPORTER_OTLP_TIMEOUT: String(EXPORT_TIMEOUT_MILLISECONDS),
    OTEL_LOG_LEVEL: 'error',
  };
  for (const [name, value] of Object.entries(defaults)) process.env[name] ??= value;
  // A signal without an endpoint of its own and without the shared one is off, rather than sent to localhost.
  for (const signal of ['TRACES', 'METRICS', 'LOGS']) {
    const endpoint = process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? process.env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`];
    if ((endpoint ?? '') === '') process.env[`OTEL_${signal}_EXPORTER`] ??= 'none';
  }
  const sdk = startNodeSdk({
    instrumentations: [
      new HttpInstrumentation({
        // A request without a trace of its own starts none at the client: only undici and our own spans call out.
        requireParentforOutgoingSpans: true,
      }),
      new UndiciInstrumentation({ requireParentforSpans: true }),
    ],
  });
  logDiagnosis();
  setShutdown(() => sdk.shutdown());
}
