/** Whether settings can be what an operator says. No I/O. */
import { MAXIMUM_RETENTION_ROWS, MAXIMUM_SCHEDULE_ROWS, MINIMUM_LIMIT_BITS_PER_SECOND } from '@lms/api';
import { LmsError } from '@lms/errors';
import {
  Compression,
  BlockStreamUse,
  type BandwidthSettings,
  type BlockStreamHost,
  type RetentionPolicy,
  type SettingValues,
} from '@lms/proto';

const LONGEST_INTERVAL_SECONDS = 86_400;
/** Of one machine by its rows: each costs a manifest, and all of them are told in one report. */
const MAXIMUM_KEPT_POINTS = 2_000;
const DAY_MINUTES = 1_440;

export function checkSettings(values: SettingValues): void {
  const { pointIntervalSeconds, freezeIntervalSeconds, compression, blockStreamUse } = values;
  for (const [field, seconds] of Object.entries({ pointIntervalSeconds, freezeIntervalSeconds })) {
    if (seconds === undefined || (seconds >= 1 && seconds <= LONGEST_INTERVAL_SECONDS)) continue;
    throw wrong(field, `${field} must be 1 to ${LONGEST_INTERVAL_SECONDS} seconds, not ${seconds}`);
  }
  if (compression === Compression.UNRECOGNIZED) throw wrong('compression', 'compression must be adaptive, on or off');
  if (blockStreamUse === BlockStreamUse.UNRECOGNIZED) {
    throw wrong('blockStream.use', 'the use of addresses must be any, public or private');
  }
  if (values.retention !== undefined) checkRetention(values.retention);
  checkHost('blockStream.public', values.blockStreamPublic);
  checkHost('blockStream.private', values.blockStreamPrivate);
  if (values.bandwidth !== undefined) checkBandwidth('bandwidth', values.bandwidth);
}

export function checkBandwidth(field: string, { limitBitsPerSecond, schedule, timeZone }: BandwidthSettings): void {
  if (schedule.length > MAXIMUM_SCHEDULE_ROWS) {
    throw wrong(`${field}.schedule`, `a schedule has at most ${MAXIMUM_SCHEDULE_ROWS} rows`);
  }
  for (const limit of [limitBitsPerSecond, ...schedule.map((window) => window.limitBitsPerSecond)]) {
    if (limit === undefined || limit >= BigInt(MINIMUM_LIMIT_BITS_PER_SECOND)) continue;
    throw wrong(field, `a limit must be at least ${MINIMUM_LIMIT_BITS_PER_SECOND} bit/s, not ${limit}`);
  }
  for (const { days, fromMinute, toMinute } of schedule) {
    const hasDays = days.length > 0 && days.every((day) => day >= 1 && day <= 7);
    if (hasDays && fromMinute < DAY_MINUTES && toMinute <= DAY_MINUTES) continue;
    throw wrong(`${field}.schedule`, 'a row needs days of the week and two times of the day');
  }
  if (!isTimeZone(timeZone)) throw wrong(`${field}.timeZone`, `${timeZone} is no time zone such as Europe/Berlin`);
}

function checkRetention({ rows }: RetentionPolicy): void {
  if (rows.length === 0 || rows.length > MAXIMUM_RETENTION_ROWS) {
    throw wrong('retention', `retention has 1 to ${MAXIMUM_RETENTION_ROWS} rows; the newest point is kept in any case`);
  }
  for (const { everySeconds, keepSeconds } of rows) {
    if (everySeconds >= 1 && keepSeconds >= everySeconds) continue;
    throw wrong('retention', 'a row keeps a point of every so many seconds for at least as long');
  }
  const kept = rows.reduce((sum, { everySeconds, keepSeconds }) => sum + Math.ceil(keepSeconds / everySeconds), 0);
  if (kept <= MAXIMUM_KEPT_POINTS) return;
  throw wrong('retention', `these rows keep ${kept} points of a machine; at most ${MAXIMUM_KEPT_POINTS} can be kept`);
}

function checkHost(field: string, address: BlockStreamHost | undefined): void {
  if (address === undefined) return;
  const { host, port } = address;
  if (host !== '' && host.length <= 253 && !/[\s/@]/.test(host) && port <= 65_535) return;
  throw wrong(field, 'an address is a host name or IP address, and a port');
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '';
  } catch {
    return false;
  }
}

function wrong(field: string, message: string): LmsError {
  return new LmsError('INVALID_ARGUMENT', message, { field });
}
