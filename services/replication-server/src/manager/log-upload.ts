/** Log lines on their way to the manager: every line that goes to stderr goes here too, in bounded batches. */
import { LogLevel, MAXIMUM_LOG_ATTRIBUTES, MAXIMUM_LOG_MESSAGE_LENGTH } from '@lms/api';
import type { LogRecord } from '@lms/api';
import { pause } from '@lms/service';
import { Spool } from './spool.ts';

/** Some hours of an ordinary server; about 2 MiB. */
const CAPACITY_RECORDS = 5_000;
/** What the manager takes of one attribute. */
const MAXIMUM_NAME_LENGTH = 128;
const MAXIMUM_VALUE_LENGTH = 4_096;
const BATCH_RECORDS = 500;
const UPLOAD_EVERY_MILLISECONDS = 2_000;

export class LogUpload {
  readonly #spool = new Spool<LogRecord>(CAPACITY_RECORDS);

  /** A line of the process's logger: one JSON object. */
  write(line: string): void {
    this.#spool.push(toLogRecord(line));
  }

  /** Sends until the signal; a batch that was not taken is tried again. */
  async run(
    send: (batch: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    while (await pause(UPLOAD_EVERY_MILLISECONDS, signal)) await this.flush(send, signal);
  }

  /** Sends what waits. Failures are silent: the lines are on stderr, and a line about them would be one more to send. */
  async flush(
    send: (batch: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    while (this.#spool.length > 0) {
      const batch = this.#spool.take(BATCH_RECORDS);
      const dropped = this.#spool.takeDropped();
      const notice: readonly LogRecord[] = dropped === 0 ? [] : [droppedNotice(dropped)];
      try {
        await send([...notice, ...batch], signal);
      } catch {
        this.#spool.putBack([...notice, ...batch]);
        return;
      }
    }
  }
}

function droppedNotice(count: number): LogRecord {
  const message = `${count} older log records were dropped while the manager was away`;
  return { at: new Date().toISOString(), level: 'warn', message, attributes: { dropped: count } };
}

function toLogRecord(line: string): LogRecord {
  const { time, level, message, component: _component, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const attributes: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(rest).slice(0, MAXIMUM_LOG_ATTRIBUTES)) {
    attributes[name.slice(0, MAXIMUM_NAME_LENGTH)] = toAttribute(value);
  }
  return {
    at: typeof time === 'string' ? time : new Date().toISOString(),
    level: LogLevel.catch('info').parse(level),
    message: (typeof message === 'string' ? message : '').slice(0, MAXIMUM_LOG_MESSAGE_LENGTH),
    attributes,
  };
}

function toAttribute(value: unknown): string | number | boolean | null {
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, MAXIMUM_VALUE_LENGTH);
}
