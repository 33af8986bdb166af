/**
 * Which limit holds at an instant, and until when. Pure.
 *
 * A row is read as a clock on the wall of its time zone shows it, so that it needs no rule for daylight saving: what is asked is
 * only which day and minute that clock shows. A row in an hour that a clock leaves out does not hold on that day, what reaches
 * out of it holds for the rest; an hour that comes twice has its rows twice. The first row that holds decides.
 */
import type { Bandwidth, BandwidthRow, Weekday } from '@lms/api';

/** As `Temporal` counts them: Monday is 1. */
const WEEKDAYS: readonly Weekday[] = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
/** A row that begins on the same weekday next week, and the day on which it ends. */
const DAYS_LOOKED_AHEAD = 8;

/** Bits per second; null: no limit. */
export function limitAt(bandwidth: Bandwidth, epochMilliseconds: number): number | null {
  if (bandwidth.schedule.length === 0) return bandwidth.limitBitsPerSecond;
  const { dayOfWeek, hour, minute } = zoned(bandwidth, epochMilliseconds);
  const row = bandwidth.schedule.find((candidate) => holds(candidate, dayOfWeek - 1, hour * 60 + minute));
  return row === undefined ? bandwidth.limitBitsPerSecond : row.limitBitsPerSecond;
}

/** When another limit will hold, in epoch milliseconds; null: never. */
export function nextChange(bandwidth: Bandwidth, epochMilliseconds: number): number | null {
  const now = limitAt(bandwidth, epochMilliseconds);
  const changes = instantsOfChange(bandwidth, epochMilliseconds).toSorted((first, second) => first - second);
  return changes.find((change) => change > epochMilliseconds && limitAt(bandwidth, change) !== now) ?? null;
}

/** More than there are: each row's ends on every day, and where the zone's clocks are changed. */
function instantsOfChange(bandwidth: Bandwidth, epochMilliseconds: number): readonly number[] {
  if (bandwidth.schedule.length === 0) return [];
  const today = zoned(bandwidth, epochMilliseconds).toPlainDate();
  const times = new Set(bandwidth.schedule.flatMap(({ from, to }) => [from, to].map(minutesOf)));
  const instants: number[] = [];
  for (let days = 0; days <= DAYS_LOOKED_AHEAD; days += 1) {
    for (const minutes of times) {
      const local = today.add({ days }).toPlainDateTime().add({ minutes });
      for (const disambiguation of ['earlier', 'later'] as const) {
        instants.push(local.toZonedDateTime(bandwidth.timeZone, { disambiguation }).epochMilliseconds);
      }
    }
  }
  const clocksChange = zoned(bandwidth, epochMilliseconds).getTimeZoneTransition('next');
  if (clocksChange !== null) instants.push(clocksChange.epochMilliseconds);
  return instants;
}

function holds({ days, from, to }: BandwidthRow, day: number, minute: number): boolean {
  const begin = minutesOf(from);
  const end = minutesOf(to);
  const isNamed = (index: number): boolean => days.some((name) => WEEKDAYS[index] === name);
  if (begin < end) return isNamed(day) && begin <= minute && minute < end;
  return (isNamed(day) && minute >= begin) || (isNamed((day + 6) % 7) && minute < end);
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function zoned({ timeZone }: Bandwidth, epochMilliseconds: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(epochMilliseconds).toZonedDateTimeISO(timeZone);
}
