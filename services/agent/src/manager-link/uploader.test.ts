import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { Spool } from './spool.ts';
import { Uploader } from './uploader.ts';

const root = mkdtempSync(join(tmpdir(), 'lms-uploader-'));
afterAll(() => rmSync(root, { recursive: true }));

const schema = z.object({ number: z.int() });
let spool: Spool<z.infer<typeof schema>>;
let count = 0;
beforeEach(() => {
  spool = new Spool({ folder: join(root, String(count++)), limitBytes: 1_000_000, schema });
});

/** Runs until `send` was called `calls` times. */
async function runFor(
  calls: number,
  answer: (call: number) => 'taken' | LmsError,
  push: (uploader: Uploader<z.infer<typeof schema>>) => void,
): Promise<{ readonly sent: number[][]; readonly uploader: Uploader<z.infer<typeof schema>> }> {
  const sent: number[][] = [];
  const done = new AbortController();
  let call = 0;
  const uploader = new Uploader({
    spool,
    batchRecords: 3,
    batchBytes: 1_000,
    intervalMilliseconds: 1,
    send: (batch) => {
      call++;
      if (call >= calls) done.abort();
      const outcome = answer(call);
      if (outcome !== 'taken') return Promise.reject(outcome);
      sent.push(batch.map((record) => record.number));
      return Promise.resolve();
    },
  });
  push(uploader);
  await uploader.run(done.signal);
  return { sent, uploader };
}

test('records go in batches, in their order, and none is left', async () => {
  const { sent, uploader } = await runFor(
    3,
    () => 'taken',
    (target) => {
      for (let number = 1; number <= 7; number++) target.push({ number });
    },
  );
  expect(sent).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  expect([spool.oldest(), uploader.droppedRecords]).toEqual([null, 0]);
});

test('while the manager is away nothing is lost, and the next life sends it first', async () => {
  const away = new LmsError('UNAVAILABLE', 'away');
  const first = await runFor(
    1,
    () => away,
    (target) => target.push({ number: 1 }),
  );
  expect(first.sent).toEqual([]);
  const { sent } = await runFor(
    2,
    () => 'taken',
    (target) => target.push({ number: 2 }),
  );
  expect(sent).toEqual([[1], [2]]);
});

test('a batch that the manager refuses for what it is does not stop those behind it', async () => {
  const { sent, uploader } = await runFor(
    2,
    (call) => (call === 1 ? new LmsError('INVALID_ARGUMENT', 'no') : 'taken'),
    (target) => {
      for (let number = 1; number <= 4; number++) target.push({ number });
    },
  );
  expect(sent).toEqual([[4]]);
  expect(uploader.droppedRecords).toBe(3);
});

test('R10: what is in memory is bounded by records and by bytes', () => {
  const uploader = new Uploader({
    spool,
    batchRecords: 1_000_000,
    batchBytes: 100,
    intervalMilliseconds: 1,
    send: () => Promise.resolve(),
  });
  for (let number = 0; number < 1_000; number++) uploader.push({ number });
  expect(spool.usedBytes).toBeGreaterThan(0);
  expect(spool.oldest()?.records.length).toBeLessThan(10);
});
