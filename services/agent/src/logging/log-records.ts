/** Lines of pino as records for the manager. */
import { LOG_LEVELS, MAXIMUM_LOG_ATTRIBUTES, MAXIMUM_LOG_MESSAGE_LENGTH } from '@lms/api';
import type { LogRecord } from '@lms/api';

const MAXIMUM_ATTRIBUTE_LENGTH = 4_096;
const MAXIMUM_ATTRIBUTE_NAME_LENGTH = 128;

/** null for a line that is no record of ours. */
export function logRecordOf(line: string): LogRecord | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { time, level, message, ...rest } = parsed as Record<string, unknown>;
  const known = LOG_LEVELS.find((candidate) => candidate === level);
  if (typeof time !== 'string' || known === undefined) return null;
  const attributes = Object.fromEntries(
    Object.entries(rest)
      .slice(0, MAXIMUM_LOG_ATTRIBUTES)
      .map(([name, value]) => [name.slice(0, MAXIMUM_ATTRIBUTE_NAME_LENGTH), attributeOf(value)]),
  );
  return {
    at: time,
    level: known,
    message: (typeof message === 'string' ? message : '').slice(0, MAXIMUM_LOG_MESSAGE_LENGTH),
    attributes,
  };
}

function attributeOf(value: unknown): string | number | boolean | null {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, MAXIMUM_ATTRIBUTE_LENGTH);
}
