/** Sizes are bigint in the contracts and JSON numbers in REST: both ends hold them below 2^53. Unknown is null, never 0. */
import { LmsError } from '@lms/errors';

export function count(value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new LmsError('INTERNAL', `${value} is more than JSON can say exactly`);
}

export function optionalCount(value: bigint | undefined): number | null {
  return value === undefined ? null : count(value);
}

export function instant(date: Date | undefined): string {
  if (date === undefined) throw new LmsError('INTERNAL', 'a service sent no time where there is always one');
  return date.toISOString();
}

export function optionalInstant(date: Date | undefined): string | null {
  return date === undefined ? null : date.toISOString();
}

export function optionalText(text: string): string | null {
  return text === '' ? null : text;
}

/** Of who has just sent this, by its own clock. The way here counts as time: it is for minutes, not for milliseconds. */
export function clockAhead(sentAt: string | undefined): { readonly clockAheadMilliseconds?: bigint } {
  return sentAt === undefined ? {} : { clockAheadMilliseconds: BigInt(Date.parse(sentAt) - Date.now()) };
}
