/** Traces, metrics and logs of every process; silent and free of cost without `OTEL_EXPORTER_OTLP_ENDPOINT`. */
export { context, SpanKind, type Context, type Meter, type Span, type Tracer } from '@opentelemetry/api';
export { telemetryEnabled } from './enabled.ts';
export { createLogger, LOG_LEVELS, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export {
  activeTraceparent,
  contextFromTraceparent,
  extractTrace,
  injectTrace,
  type HeaderCarrier,
} from './propagation.ts';
export { shutdownTelemetry } from './shutdown.ts';
export { meter, nameHttpSpan, recordFailure, tracer, withSpan, type SpanSettings } from './spans.ts';
