import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
import { Spool } from './spool.ts';

const root = mkdtempSync(join(tmpdir(), 'lms-spool-'));
afterAll(() => rmSync(root, { recursive: true }));

const schema = z.object({ number: z.int(), text: z.string() });
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(root, String(count++));
});

function open(limitBytes = 1_000_000): Spool<z.infer<typeof schema>> {
  return new Spool({ folder, limitBytes, schema });
}

/** Random text: compression must not make the limit meaningless. */
function batch(first: number, length: number, textLength = 10): z.infer<typeof schema>[] {
  const text = (): string => Array.from({ length: textLength }, () => Math.random().toString(36)[2] ?? 'a').join('');
  return Array.from({ length }, (_, index) => ({ number: first + index, text: text() }));
}

test('batches come back oldest first, also to the next process', () => {
  const first = batch(1, 3);
  const second = batch(4, 2);
  const before = open();
  before.put(first);
  before.put(second);
  const spool = open();
  const oldest = spool.oldest();
  expect(oldest?.records).toEqual(first);
  if (oldest !== null) spool.remove(oldest);
  spool.put(batch(6, 1));
  expect(spool.oldest()?.records).toEqual(second);
  expect(spool.droppedRecords).toBe(0);
});

test('beyond the limit the oldest go first, and are counted', () => {
  const spool = open(20_000);
  for (let number = 0; number < 20; number++) spool.put(batch(number * 10, 10, 500));
  expect(spool.usedBytes).toBeLessThanOrEqual(20_000);
  expect(spool.droppedRecords).toBeGreaterThan(0);
  expect(spool.oldest()?.records[0]?.number).toBe(spool.droppedRecords);
  expect(readdirSync(folder).length * 10 + spool.droppedRecords).toBe(200);
});

test('a file that is torn, foreign or half written is dropped, and what is behind it is found', () => {
  const before = open();
  before.put(batch(1, 2));
  before.put(batch(3, 1));
  const [first] = readdirSync(folder).sort();
  writeFileSync(join(folder, first ?? ''), 'torn');
  writeFileSync(join(folder, '000000000009-1.json.zst.new'), 'half');
  const spool = open();
  expect(spool.oldest()?.records[0]?.number).toBe(3);
  expect(spool.droppedRecords).toBe(2);
  expect(readdirSync(folder)).toHaveLength(1);
});

test('a batch that is refused is counted as lost', () => {
  const spool = open();
  spool.put(batch(1, 5));
  const oldest = spool.oldest();
  if (oldest !== null) spool.reject(oldest);
  expect([spool.droppedRecords, spool.oldest()]).toEqual([5, null]);
});
