/**
 * One line of JSON per record on stderr: `time`, `level` (a word), `component`, `message`, the record's own fields, and
 * `traceId` / `spanId` inside a span. With telemetry on, the same record goes to the collector too.
 */
import { context, logs, SeverityNumber, trace, type AnyValue } from '@opentelemetry/api';
import pino, { type DestinationStream, type Logger } from 'pino';
import { telemetryEnabled } from './enabled.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SEVERITY: Readonly<Record<LogLevel, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
};

export interface LoggerOptions {
  /** Default: `$LMS_LOG_LEVEL`, else `info`. */
  readonly level?: LogLevel;
  /** Default: stderr, written at once, so that a process that dies has said why. */
  readonly destination?: DestinationStream;
}

/** `component`: what `lms status` calls it, such as `registry`. */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true });
  const exporting = telemetryEnabled(process.env);
  return pino(
    {
      level: options.level ?? levelFrom(process.env['LMS_LOG_LEVEL']),
      base: { component },
      messageKey: 'message',
      errorKey: 'error',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: traceIds,
      // Whatever happens to be logged, these never are.
      redact: { paths: ['token', 'secret', 'password', 'privateKeyPem', '*.token', '*.secret', '*.password'] },
    },
    exporting ? exportTo(component, destination) : destination,
  );
}

function levelFrom(value: string | undefined): LogLevel {
  return LOG_LEVELS.find((level) => level === value) ?? 'info';
}

function traceIds(): Record<string, string> {
  const spanContext = trace.getSpanContext(context.active());
  if (spanContext === undefined) return {};
  return { traceId: spanContext.traceId, spanId: spanContext.spanId };
}

function exportTo(component: string, destination: DestinationStream): DestinationStream {
  const collector = logs.getLogger(`lms.${component}`);
  return {
    write(line) {
      destination.write(line);
      // `line` is what pino just made: always one JSON object.
      const { level, message, time, ...attributes } = JSON.parse(line) as Record<string, AnyValue>;
      const word = LOG_LEVELS.find((candidate) => candidate === level) ?? 'info';
      collector.emit({
        severityNumber: SEVERITY[word],
        severityText: word,
        body: message,
        timestamp: new Date(String(time)),
        attributes,
      });
    },
  };
}
