import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { requestedRange, requireMatch } from './byte-range.ts';

const ETAG = '"abc"';
const SIZE = 1_000;
const ask = (range?: string, ifRange?: string) => requestedRange({ range, ifRange }, ETAG, SIZE);
const part = (offsetBytes: number, lengthBytes: number) => ({ offsetBytes, lengthBytes });

test('one range is served as it was meant', () => {
  expect(ask('bytes=0-')).toEqual(part(0, 1_000));
  expect(ask('bytes=400-')).toEqual(part(400, 600));
  expect(ask('bytes=999-')).toEqual(part(999, 1));
  expect(ask('bytes=0-0')).toEqual(part(0, 1));
  expect(ask('bytes=10-19')).toEqual(part(10, 10));
  expect(ask('bytes=990-5000')).toEqual(part(990, 10));
  expect(ask('bytes=-1')).toEqual(part(999, 1));
  expect(ask('bytes=-5000')).toEqual(part(0, 1_000));
  expect(ask('Bytes=5-')).toEqual(part(5, 995));
});

test('what is no range, and what is several, is answered with the whole', () => {
  for (const range of [undefined, '', 'bytes', 'bytes=', 'bytes=-', 'bytes=a-', 'bytes=1', 'bytes=5-3', 'items=0-']) {
    expect(ask(range)).toBeNull();
  }
  expect(ask('bytes=0-1,4-5')).toBeNull();
  expect(ask(`bytes=${'9'.repeat(40)}-`)).toBeNull();
});

test('a range behind the end is not satisfiable', () => {
  for (const range of ['bytes=1000-', 'bytes=1000-1001', 'bytes=99999-', 'bytes=-0']) {
    expect(() => ask(range)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'Range' }));
  }
  expect(() => requestedRange({ range: 'bytes=0-' }, ETAG, 0)).toThrow('behind the end');
});

test('If-Range lets a range count for exactly this content only', () => {
  expect(ask('bytes=400-', ETAG)).toEqual(part(400, 600));
  for (const other of ['"abd"', `W/${ETAG}`, 'Tue, 01 Dec 2026 00:00:00 GMT', '']) {
    expect(ask('bytes=400-', other)).toBeNull();
    // Nor is it an error then, however far the range lies.
    expect(ask('bytes=5000-', other)).toBeNull();
  }
});

test('If-Match refuses other content and weak tags', () => {
  for (const match of [undefined, '*', ETAG, `"x", ${ETAG}`]) requireMatch(match, ETAG);
  for (const match of ['"x"', `W/${ETAG}`, 'abc', '']) {
    expect(() => requireMatch(match, ETAG)).toThrow(expect.objectContaining({ code: 'ABORTED', field: 'If-Match' }));
  }
});

test('whatever is asked, what is served lies within the disk and is never empty', () => {
  const number = fc.option(fc.nat(3_000), { nil: null });
  fc.assert(
    fc.property(number, number, fc.nat(2_000), (first, last, sizeBytes) => {
      let served;
      try {
        served = requestedRange({ range: `bytes=${first ?? ''}-${last ?? ''}` }, ETAG, sizeBytes);
      } catch (error) {
        expect(error).toMatchObject({ field: 'Range' });
        return;
      }
      if (served === null) return;
      expect(served.offsetBytes).toBeGreaterThanOrEqual(0);
      expect(served.lengthBytes).toBeGreaterThan(0);
      expect(served.offsetBytes + served.lengthBytes).toBeLessThanOrEqual(sizeBytes);
    }),
  );
});
