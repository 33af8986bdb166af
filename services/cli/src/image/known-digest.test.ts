import { beforeEach, expect, test } from '@jest/globals';
import type { DiskImage, Operation } from '@lms/api';
import { LmsError } from '@lms/errors';
import { findDigest } from './known-digest.ts';
import { Patience } from './patience.ts';

const { signal } = new AbortController();
const SHA256 = 'ab'.repeat(32);
const identity = { etag: '"one"', sizeBytes: 10, sha256: null };
const done = (change: object): Operation =>
  ({ state: 'succeeded', sha256: null, verifyReport: null, ...change }) as Operation;

let operations: Record<string, Operation[]>;
let now: { etag: string; sizeBytes: number; sha256: string | null };
let asked: string[];

beforeEach(() => {
  operations = {};
  now = identity;
  asked = [];
});

const api = {
  operation: (id: string) => {
    const next = operations[id]?.length === 1 ? operations[id][0] : operations[id]?.shift();
    return next === undefined ? Promise.reject(new LmsError('NOT_FOUND', 'no operation')) : Promise.resolve(next);
  },
  diskImageIdentity: () => Promise.resolve(now),
  diskImage: (_place: unknown, { offsetBytes }: { readonly offsetBytes: number }) => {
    asked.push(`from ${offsetBytes}`);
    const body = (async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
    })();
    return Promise.resolve({ ...identity, offsetBytes, operationId: 'last-byte', body } satisfies DiskImage);
  },
  verifyPoint: () => {
    asked.push('verify');
    return Promise.resolve({ operationId: 'verify' });
  },
};

function find(operationId: string | null): Promise<string> {
  const patience = new Patience({
    limitMilliseconds: 60_000,
    signal,
    onPause: () => undefined,
    onOutage: () => Promise.resolve(),
  });
  const place = { idOrName: 'web', sequence: 3, diskId: 'd' };
  return findDigest({ api, place, identity, operationId, patience, onVerify: () => undefined, signal });
}

test('the operation that brought the end tells it, a moment later perhaps', async () => {
  operations['export'] = [done({ state: 'pending' }), done({ sha256: SHA256 })];
  expect(await find('export')).toBe(SHA256);
  expect(asked).toEqual([]);
});

test('a manager that lost the operation may know it of the point', async () => {
  now = { ...identity, sha256: SHA256 };
  expect(await find('export')).toBe(SHA256);
  expect(asked).toEqual([]);
});

test('where the operation failed at the last moment, the last byte brings it', async () => {
  operations = { export: [done({ state: 'failed', code: 'UNAVAILABLE' })], 'last-byte': [done({ sha256: SHA256 })] };
  expect(await find('export')).toBe(SHA256);
  expect(asked).toEqual(['from 9']);
});

test('where nobody remembers, the point is verified', async () => {
  operations = {
    'last-byte': [done({})],
    verify: [done({ state: 'pending' }), done({ verifyReport: { mismatchedBlocks: 0, sha256: { d: SHA256 } } })],
  };
  expect(await find(null)).toBe(SHA256);
  expect(asked).toEqual(['from 9', 'verify']);
});

test('a point that does not match its digests, or bytes that changed on the way, are DATA_LOSS', async () => {
  operations = { 'last-byte': [done({})], verify: [done({ verifyReport: { mismatchedBlocks: 1, sha256: {} } })] };
  await expect(find(null)).rejects.toMatchObject({ code: 'DATA_LOSS', exit: 'failed' });
  operations['export'] = [done({ state: 'failed', code: 'DATA_LOSS', message: 'other bytes' })];
  await expect(find('export')).rejects.toMatchObject({ code: 'DATA_LOSS', message: 'other bytes' });
});

test('another point under the same number is no answer', async () => {
  now = { ...identity, etag: '"two"', sha256: SHA256 };
  await expect(find(null)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
