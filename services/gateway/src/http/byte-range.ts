/**
 * `Range`, `If-Range` and `If-Match` of RFC 9110, for one representation. One range is served; several, and what is no
 * range at all, are answered with the whole, as the RFC allows. No I/O.
 */
import { LmsError } from '@lms/errors';
import { IF_MATCH_FIELD, RANGE_FIELD } from './problem.ts';

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface RangeHeaders {
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
}

/** Larger than any disk; beyond, numbers are not exact. */
const FORM = /^bytes=(\d{1,15})?-(\d{1,15})?$/i;

/** Null: the whole. INVALID_ARGUMENT with `RANGE_FIELD` where the range lies behind the end. */
export function requestedRange({ range, ifRange }: RangeHeaders, etag: string, sizeBytes: number): ByteRange | null {
  // A date, or a weak tag, names no bytes: the range counts only for exactly this content.
  if (range === undefined || (ifRange !== undefined && ifRange.trim() !== etag)) return null;
  const [, first, last] = FORM.exec(range.trim()) ?? [];
  if (first === undefined) return last === undefined ? null : suffix(Number(last), sizeBytes);
  const offsetBytes = Number(first);
  const end = last === undefined ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (last !== undefined && Number(last) < offsetBytes) return null;
  if (offsetBytes >= sizeBytes) throw notSatisfiable(range, sizeBytes);
  return { offsetBytes, lengthBytes: end - offsetBytes };
}

function suffix(lengthBytes: number, sizeBytes: number): ByteRange {
  const length = Math.min(lengthBytes, sizeBytes);
  if (length === 0) throw notSatisfiable(`bytes=-${lengthBytes}`, sizeBytes);
  return { offsetBytes: sizeBytes - length, lengthBytes: length };
}

function notSatisfiable(range: string, sizeBytes: number): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${range} lies behind the end: there are ${sizeBytes} bytes`, {
    field: RANGE_FIELD,
    action: 'if these are all bytes that you have, you have them all',
  });
}

/** ABORTED with `IF_MATCH_FIELD` unless one of the tags is this one. Weak tags never match. */
export function requireMatch(ifMatch: string | undefined, etag: string): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (tags.includes('*') || tags.includes(etag)) return;
  throw new LmsError('ABORTED', `the content is ${etag}, and ${ifMatch} was asked for`, {
    field: IF_MATCH_FIELD,
    action: 'what you have is of another point; begin anew',
  });
}
