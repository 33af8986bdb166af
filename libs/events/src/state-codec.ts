/**
 * How a value of a state bucket is stored: `{"schemaVersion":1,"value":…}`. A reader of an older schema migrates; a value
 * of a newer one is left alone: a service that was rolled back must not destroy what its successor wrote.
 */
import { LmsError } from '@lms/errors';
import { z, type ZodType } from 'zod';

export interface StateCodec<Value> {
  /** Grows by one with each change of the schema that an older reader could not read. */
  readonly schemaVersion: number;
  readonly encode: (value: Value) => unknown;
  /** `storedVersion` ≤ `schemaVersion`. Throws when it cannot be read. */
  readonly decode: (stored: unknown, storedVersion: number) => Value;
}

const ENVELOPE = z.object({ schemaVersion: z.number().int().positive(), value: z.unknown() });

/** A value that is JSON as it is (no bigint, no Date), checked by a zod schema in both directions. */
export function jsonState<Value>(
  schema: ZodType<Value>,
  schemaVersion: number,
  migrate: (stored: unknown, storedVersion: number) => unknown = (stored) => stored,
): StateCodec<Value> {
  return {
    schemaVersion,
    encode: (value) => schema.parse(value),
    decode: (stored, storedVersion) =>
      schema.parse(storedVersion < schemaVersion ? migrate(stored, storedVersion) : stored),
  };
}

interface Message<Value> {
  fromJSON(json: unknown): Value;
  toJSON(value: Value): unknown;
}

/** A protobuf message, in its JSON form. Fields that are not known are dropped, so additions need no new version. */
export function messageState<Value>(message: Message<Value>, schemaVersion: number): StateCodec<Value> {
  return {
    schemaVersion,
    encode: (value) => message.toJSON(value),
    decode: (stored) => message.fromJSON(stored),
  };
}

export function encodeState<Value>(codec: StateCodec<Value>, value: Value): string {
  return JSON.stringify({ schemaVersion: codec.schemaVersion, value: codec.encode(value) });
}

/** FAILED_PRECONDITION for a value of a newer schema, DATA_LOSS for one that is not readable. */
export function decodeState<Value>(codec: StateCodec<Value>, payload: string, where: string): Value {
  let storedVersion: number;
  try {
    const envelope = ENVELOPE.parse(JSON.parse(payload));
    storedVersion = envelope.schemaVersion;
    if (storedVersion <= codec.schemaVersion) return codec.decode(envelope.value, storedVersion);
  } catch (thrown) {
    throw new LmsError('DATA_LOSS', `${where}: the stored value cannot be read`, {
      action: 'Restore the value from the history of its bucket.',
      cause: thrown,
    });
  }
  throw new LmsError('FAILED_PRECONDITION', `${where}: the stored value has schema ${storedVersion}`, {
    action: `This release knows schema ${codec.schemaVersion} at most: run the release that wrote it.`,
  });
}
