import type { LogRecord, LogsAnswer } from '@lms/api';
import type { LogRecord as ProtoLogRecord, StoredLogRecord } from '@lms/proto';
import { z } from 'zod';
import { instant } from './values.ts';

const Attributes = z.record(z.string(), z.json());

export function logRecord(record: LogRecord): ProtoLogRecord {
  return {
    at: new Date(record.at),
    level: record.level,
    message: record.message,
    attributesJson: record.attributes === undefined ? '' : JSON.stringify(record.attributes),
  };
}

export function storedRecord(stored: StoredLogRecord): LogsAnswer['records'][number] {
  const { source, id, record } = stored;
  return {
    source,
    id,
    at: instant(record?.at),
    level: record?.level ?? 'info',
    message: record?.message ?? '',
    attributes: record === undefined || record.attributesJson === '' ? null : parseAttributes(record.attributesJson),
  };
}

/** What cannot be read is shown as it is: a log is the last thing that may fail. */
function parseAttributes(text: string): z.infer<typeof Attributes> {
  try {
    return Attributes.parse(JSON.parse(text));
  } catch {
    return { unreadable: text };
  }
}
