/** Settings as people type and read them. What is typed wrong is wrong usage (exit 2). */
import { Weekday, type Bandwidth, type BandwidthRow, type BlockStreamHost, type RetentionRow } from '@lms/api';
import { formatLinkRate, parseLinkRate } from '@lms/bandwidth-model';
import { parseDuration } from '@lms/command-line';
import { InvalidArgumentError } from 'commander';

const DAYS = Weekday.options;
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
] as const;

export function parseSeconds(text: string): number {
  const seconds = parseDuration(text) / 1_000;
  if (Number.isInteger(seconds)) return seconds;
  throw new InvalidArgumentError('Whole seconds are needed.');
}

/** The shortest text that `parseSeconds` reads back. */
export function formatSeconds(seconds: number): string {
  const [unit, size] = UNITS.find(([, candidate]) => seconds % candidate === 0) ?? ['s', 1];
  return `${seconds / size}${unit}`;
}

/** `10m:1h,1h:1d,1d:7d`: of every ten minutes one point for an hour, and so on. */
export function parseRetention(text: string): readonly RetentionRow[] {
  return text.split(',').map((row) => {
    const [every = '', keep = '', ...more] = row.trim().split(':');
    if (keep === '' || more.length > 0) {
      throw new InvalidArgumentError('Rows of EVERY:KEEP are needed, such as 10m:1h,1h:1d,1d:7d.');
    }
    return { everySeconds: parseSeconds(every), keepSeconds: parseSeconds(keep) };
  });
}

export function formatRetention(rows: readonly RetentionRow[]): string {
  return rows
    .map(({ everySeconds, keepSeconds }) => `${formatSeconds(everySeconds)}:${formatSeconds(keepSeconds)}`)
    .join(',');
}

/** Bits per second; null: no limit. */
export function parseLimit(text: string): number | null {
  if (text === 'none') return null;
  const bitsPerSecond = parseLinkRate(text);
  if (bitsPerSecond !== null) return Math.round(bitsPerSecond);
  throw new InvalidArgumentError('A rate is a number and a unit, such as 500kbit/s, 50Mbit/s or 1Gbit/s; or none.');
}

export function formatLimit(bitsPerSecond: number | null): string {
  return bitsPerSecond === null ? 'none' : formatLinkRate(bitsPerSecond).replace(' ', '');
}

/** `mon-fri 08:00-18:00 10Mbit/s; sat,sun 00:00-24:00 none`; `none` alone: no rows. */
export function parseSchedule(text: string): readonly BandwidthRow[] {
  if (text.trim() === 'none') return [];
  return text.split(';').map((row) => {
    const match = /^(\S+)\s+(\d\d:\d\d)-(\d\d:\d\d)\s+(\S+)$/.exec(row.trim());
    const [, days = '', from = '', to = '', limit = ''] = match ?? [];
    if (match === null) {
      throw new InvalidArgumentError(
        'Rows of DAYS FROM-TO RATE with ; between them are needed, such as "mon-fri 08:00-18:00 10Mbit/s".',
      );
    }
    return { days: parseDays(days), from, to, limitBitsPerSecond: parseLimit(limit) };
  });
}

function parseDays(text: string): Weekday[] {
  if (text === 'daily') return [...DAYS];
  return text.split(',').flatMap((part) => {
    const [first = '', last = first, ...more] = part.split('-');
    const [from, to] = [indexOfDay(first), indexOfDay(last)];
    if (from < 0 || to < 0 || more.length > 0) {
      throw new InvalidArgumentError('Days are mon tue wed thu fri sat sun, ranges of them, or daily.');
    }
    // Over the end of the week: sat-mon.
    const count = ((to - from + DAYS.length) % DAYS.length) + 1;
    return Array.from({ length: count }, (_, offset) => DAYS[(from + offset) % DAYS.length] ?? 'monday');
  });
}

function indexOfDay(text: string): number {
  return text.length < 3 ? -1 : DAYS.findIndex((day) => day.startsWith(text.toLowerCase()));
}

export function formatBandwidth({ limitBitsPerSecond, schedule, timeZone }: Bandwidth): string {
  const limit = formatLimit(limitBitsPerSecond);
  if (schedule.length === 0) return limit;
  const rows = schedule.map((row) => {
    const days = row.days.map((day) => day.slice(0, 3)).join(',');
    return `${days} ${row.from}-${row.to} ${formatLimit(row.limitBitsPerSecond)}`;
  });
  return `${rows.join('; ')}; otherwise ${limit} (${timeZone})`;
}

/** Without a port: the one that the installation found. */
export function parseAddress(text: string): BlockStreamHost {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s@]+))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? null : Number(match[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port === 0 || (port ?? 0) > 65_535) {
    throw new InvalidArgumentError('HOST or HOST:PORT is needed, such as 10.0.0.15:1500 or [2001:db8::1].');
  }
  return { host, port };
}

export function formatAddress(address: BlockStreamHost | null): string {
  if (address === null) return 'as found';
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return address.port === null ? host : `${host}:${address.port}`;
}
