/**
 * A batch of log records as it is stored: one message of the stream each, so that a position is the message's sequence
 * and the record's place in it.
 */
import { LmsError } from '@lms/errors';
import { AppendLogsRequest, type LogRecord, type StoredLogRecord } from '@lms/proto';

/** Also the factor between a sequence and a position. */
export const RECORDS_PER_BATCH_MAX = 1024;
const MESSAGE_CHARACTERS_MAX = 8192;
const SOURCES: ReadonlySet<string> = new Set(['agent', 'replication-server']);
const LEVELS: ReadonlySet<string> = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

/** INVALID_ARGUMENT that names the first record which is wrong. */
export function checkBatch({ source, batch }: AppendLogsRequest): void {
  if (!SOURCES.has(source)) throw wrong('source', `${JSON.stringify(source)} is not agent or replication-server`);
  if (batch.length > RECORDS_PER_BATCH_MAX) {
    throw wrong('batch', `${batch.length} records, at most ${RECORDS_PER_BATCH_MAX} are taken at once`);
  }
  for (const [index, record] of batch.entries()) {
    const field = `batch[${index}]`;
    if (record.at === undefined) throw wrong(`${field}.at`, 'there is no instant');
    if (!LEVELS.has(record.level)) throw wrong(`${field}.level`, `${JSON.stringify(record.level)} is not a level`);
    if (record.message.length > MESSAGE_CHARACTERS_MAX) {
      throw wrong(`${field}.message`, `longer than ${MESSAGE_CHARACTERS_MAX} characters`);
    }
  }
}

/** The batch in messages that each encode to at most `bytesMax`; INVALID_ARGUMENT when one record alone is longer. */
export function encodeBatch(request: AppendLogsRequest, bytesMax: number): Uint8Array[] {
  const encoded = AppendLogsRequest.encode(request).finish();
  if (encoded.byteLength <= bytesMax) return [encoded];
  if (request.batch.length === 1) throw wrong('batch[0]', `longer than ${bytesMax} bytes`);
  const half = Math.ceil(request.batch.length / 2);
  return [request.batch.slice(0, half), request.batch.slice(half)].flatMap((batch) =>
    encodeBatch({ ...request, batch }, bytesMax),
  );
}

/** The records of a stored message, in order. */
export function decodeBatch(sequence: number, payload: Uint8Array): StoredLogRecord[] {
  const { source, id, batch } = AppendLogsRequest.decode(payload);
  return batch.map((record: LogRecord, index: number) => ({
    source,
    id,
    record,
    position: positionOf(sequence, index),
  }));
}

function positionOf(sequence: number, index: number): bigint {
  return BigInt(sequence) * BigInt(RECORDS_PER_BATCH_MAX) + BigInt(index);
}

/** The sequence of the message that holds this position. */
export function sequenceOf(position: bigint): number {
  return Number(position / BigInt(RECORDS_PER_BATCH_MAX));
}

function wrong(field: string, message: string): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${field}: ${message}`, {
    field,
    action: 'Correct the record, or leave it out.',
  });
}
