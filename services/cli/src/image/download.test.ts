import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { DiskImage } from '@lms/api';
import { LmsError } from '@lms/errors';
import fc from 'fast-check';
import { downloadImage } from './download.ts';
import { ImageFile } from './image-file.ts';
import { Patience } from './patience.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-download-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { signal } = new AbortController();
const place = { idOrName: 'web', sequence: 3, diskId: 'd' };
const ETAG = '"one"';
const away = new LmsError('UNAVAILABLE', 'cut off');

/** Sends from there on, in pieces, and is cut off after `length`; null: not at all. */
function answer(content: Buffer, offsetBytes: number, length: number | null): DiskImage {
  const end = length === null ? content.length : Math.min(content.length, offsetBytes + length);
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = offsetBytes; at < end; at += 7_001) yield content.subarray(at, Math.min(end, at + 7_001));
    if (length !== null) throw away;
  };
  return { etag: ETAG, sizeBytes: content.length, sha256: null, offsetBytes, operationId: 'o', body: body() };
}

let files = 0;

async function download(content: Buffer, ask: (offsetBytes: number) => DiskImage, limitMilliseconds = 60_000) {
  const path = join(folder, `image-${(files += 1)}`);
  const file = await ImageFile.create(path, { replace: false, resume: false });
  const identity = { etag: ETAG, sizeBytes: content.length, sha256: null };
  await file.begin({ machine: 'web', sequence: 3, diskId: 'd', ...identity }, signal, () => undefined);
  const patience = new Patience({
    limitMilliseconds,
    signal,
    onPause: () => undefined,
    onOutage: () => Promise.resolve(),
  });
  const diskImage = (_place: unknown, start: { readonly offsetBytes: number; readonly etag: string | null }) => {
    expect(start.etag).toBe(ETAG);
    return Promise.resolve().then(() => ask(start.offsetBytes));
  };
  const api = { diskImage };
  try {
    await downloadImage({ api, place, identity, file, patience, onProgress: () => undefined, signal });
    expect(file.sha256()).toBe(createHash('sha256').update(content).digest('hex'));
    await file.publish();
    return readFileSync(path);
  } finally {
    await file.discard();
  }
}

test('wherever it is cut off, and however often, what is in the file is what was sent', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 200_000 }),
      fc.array(fc.nat(60_000), { maxLength: 4 }),
      async (size, cuts) => {
        const content = randomBytes(size);
        const left = [...cuts];
        const received = await download(content, (offsetBytes) => answer(content, offsetBytes, left.shift() ?? null));
        expect(received.equals(content)).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
});

test('where only the whole is to be had, it begins anew', async () => {
  const content = randomBytes(100_000);
  const asked: number[] = [];
  const received = await download(content, (offsetBytes) => {
    asked.push(offsetBytes);
    return answer(content, 0, asked.length === 1 ? 30_000 : null);
  });
  expect([asked, received.equals(content)]).toEqual([[0, 30_000], true]);
});

test('a download that always begins anew and never gets further is given up', async () => {
  const content = randomBytes(100_000);
  await expect(download(content, () => answer(content, 0, 30_000), 1)).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  });
});

test('more bytes than the disk has are refused', async () => {
  const content = randomBytes(10_000);
  const tooLong = (): DiskImage => ({ ...answer(content, 0, null), body: answer(randomBytes(10_001), 0, null).body });
  await expect(download(content, tooLong)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
});
