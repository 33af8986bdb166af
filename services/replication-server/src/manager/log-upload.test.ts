import { expect, test } from '@jest/globals';
import { LogBatch } from '@lms/api';
import type { LogRecord } from '@lms/api';
import { LogUpload } from './log-upload.ts';
import { Spool } from './spool.ts';

const signal = new AbortController().signal;

test('every line of the logger becomes a record that the manager takes', async () => {
  const logs = new LogUpload();
  const attributes = { text: 'x'.repeat(10_000), count: 3, none: null, nested: { a: [1] }, ['n'.repeat(500)]: true };
  const time = '2026-11-23T10:00:00.000Z';
  logs.write(JSON.stringify({ level: 'warn', time, component: 'c', message: 'm'.repeat(10_000), ...attributes }));
  logs.write(JSON.stringify({ level: 'loud', message: 7 }));
  const received: LogRecord[] = [];
  await logs.flush((batch) => {
    received.push(...LogBatch.parse({ batch }).batch);
    return Promise.resolve();
  }, signal);
  expect(received[0]).toMatchObject({
    at: time,
    level: 'warn',
    attributes: { count: 3, none: null, nested: '{"a":[1]}' },
  });
  expect(received[1]).toMatchObject({ level: 'info', message: '' });
});

test('while the manager is away lines wait, the oldest are dropped, and their number is told', async () => {
  const logs = new LogUpload();
  await logs.flush(() => Promise.reject(new Error('away')), signal);
  for (let line = 0; line < 5_007; line += 1) logs.write(JSON.stringify({ level: 'info', message: String(line) }));
  const received: LogRecord[] = [];
  await logs.flush((batch) => {
    received.push(...batch);
    return Promise.resolve();
  }, signal);
  expect(received).toHaveLength(5_001);
  expect(received[0]).toMatchObject({ level: 'warn', attributes: { dropped: 7 } });
  expect(received[1]?.message).toBe('7');
});

test('what could not be sent stays in front, and the bound holds', () => {
  const spool = new Spool<number>(3);
  for (const entry of [1, 2, 3]) spool.push(entry);
  const taken = spool.take(2);
  spool.push(4);
  spool.putBack(taken);
  expect(spool.takeDropped()).toBe(1);
  expect(spool.take(10)).toEqual([2, 3, 4]);
  expect(spool.takeDropped()).toBe(0);
});
