import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SparseWriter } from './sparse-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-sparse-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function writeSparse(name: string, content: Buffer, partLengths: readonly number[]): Promise<string> {
  const path = join(folder, name);
  const file = await open(path, 'w+');
  await file.truncate(content.length);
  const writer = new SparseWriter(file);
  for (let offset = 0, index = 0; offset < content.length; index++) {
    const length = partLengths[index % partLengths.length] ?? 1;
    await writer.append(content.subarray(offset, offset + length));
    offset += length;
  }
  await writer.flush();
  expect(writer.lengthBytes).toBe(content.length);
  await file.close();
  return path;
}

test('what is read back is what was given, however it was cut and wherever it is zero', async () => {
  const segment = fc.record({
    zero: fc.boolean(),
    length: fc.integer({ min: 1, max: 200_000 }),
    byte: fc.integer({ min: 1, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(segment, { minLength: 1, maxLength: 24 }),
      fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 5 }),
      async (segments, partLengths) => {
        const content = Buffer.concat(segments.map(({ zero, length, byte }) => Buffer.alloc(length, zero ? 0 : byte)));
        const path = await writeSparse('image', content, partLengths);
        expect(readFileSync(path).equals(content)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test('zero blocks take no room', async () => {
  const content = Buffer.alloc(16 * 1024 * 1024);
  content.fill(7, 4 * 1024 * 1024, 4 * 1024 * 1024 + 65_536);
  const path = await writeSparse('holes', content, [16_384]);
  expect(statSync(path).blocks * 512).toBeLessThan(1024 * 1024);
  expect(readFileSync(path).equals(content)).toBe(true);
});
