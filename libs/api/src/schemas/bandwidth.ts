/** A limit of bits per second with a weekly schedule: of a machine (what its agent sends on 1500) or of a replication server. */
import { z } from 'zod';

/**
 * The lowest limit. At it a frame of the block stream (1 MiB at most) passes in 33 seconds, so that the heartbeats, marks and
 * checkpoints behind it still come within the minute after which the two ends would give each other up.
 */
export const MINIMUM_LIMIT_BITS_PER_SECOND = 256_000;
/** 1 Tbit/s: far above what one machine sends, so that a slip of the finger is noticed. */
export const MAXIMUM_LIMIT_BITS_PER_SECOND = 1_000_000_000_000;
/** A row for each hour of a week leaves room. */
export const MAXIMUM_SCHEDULE_ROWS = 200;

export const Weekday = z.enum(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']);
export type Weekday = z.infer<typeof Weekday>;

/** Of all bytes of the TCP connection, TLS included; null: no limit. */
export const LimitBitsPerSecond = z
  .int('must be a whole number of bits per second, or null for no limit')
  .min(
    MINIMUM_LIMIT_BITS_PER_SECOND,
    `must be at least ${MINIMUM_LIMIT_BITS_PER_SECOND} bits per second (256 kbit/s), so that heartbeats and checkpoints still pass; null means no limit, and replication is stopped by pausing it`,
  )
  .max(MAXIMUM_LIMIT_BITS_PER_SECOND, `must be at most ${MAXIMUM_LIMIT_BITS_PER_SECOND} bits per second (1 Tbit/s)`)
  .nullable();

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day from 00:00 to 23:59');
const EndTime = z
  .string()
  .regex(
    /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/,
    'must be a time of day from 00:00 to 23:59, or 24:00 for the end of the day',
  );

export const BandwidthRow = z.strictObject({
  /** On which the row begins. */
  days: z
    .array(Weekday)
    .min(1, 'must name at least one day')
    .max(7)
    .refine((days) => new Set(days).size === days.length, 'names one day twice'),
  from: TimeOfDay,
  /** Not included. At or before `from`: on the day after, so the same as `from` is a whole day. */
  to: EndTime,
  limitBitsPerSecond: LimitBitsPerSecond,
});
export type BandwidthRow = z.infer<typeof BandwidthRow>;

export const Bandwidth = z.strictObject({
  /** When no row holds. */
  limitBitsPerSecond: LimitBitsPerSecond,
  /** The first row that holds decides, so an exception stands above the rule. */
  schedule: z.array(BandwidthRow).max(MAXIMUM_SCHEDULE_ROWS),
  /** Of the rows: a name of the IANA data base. Local time as the clocks there show it, daylight saving included. */
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .refine(isTimeZone, 'must be the name of a time zone, such as Europe/Berlin or UTC'),
});
export type Bandwidth = z.infer<typeof Bandwidth>;

export const UNLIMITED: Bandwidth = { limitBitsPerSecond: null, schedule: [], timeZone: 'UTC' };

/** Offsets such as +01:00 are refused: they know no daylight saving, and who means them means a zone. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
