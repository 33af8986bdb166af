import { expect, test } from '@jest/globals';
import type { AppendLogsRequest } from '@lms/proto';
import { checkBatch, decodeBatch, encodeBatch, sequenceOf } from './batch.ts';

function request(messages: readonly string[]): AppendLogsRequest {
  const batch = messages.map((message) => ({ at: new Date(1000), level: 'info', message, attributesJson: '' }));
  return { source: 'agent', id: 'm-1', batch };
}

test('a batch that is too long is stored in several messages, and nothing of it is lost or reordered', () => {
  const messages = Array.from({ length: 50 }, (_, index) => `${index} ${'x'.repeat(100)}`);
  const encoded = encodeBatch(request(messages), 1000);
  expect(encoded.length).toBeGreaterThan(5);
  for (const payload of encoded) expect(payload.byteLength).toBeLessThanOrEqual(1000);
  const records = encoded.flatMap((payload, index) => decodeBatch(index + 1, payload));
  expect(records.map(({ record }) => record?.message)).toEqual(messages);
});

test('positions grow in the order of storing and lead back to their message', () => {
  const payload = encodeBatch(request(['a', 'b']), 100_000)[0] as Uint8Array;
  const [first, second] = decodeBatch(7, payload);
  const [later] = decodeBatch(8, payload);
  expect((first?.position ?? 0n) < (second?.position ?? 0n)).toBe(true);
  expect((second?.position ?? 0n) < (later?.position ?? 0n)).toBe(true);
  expect(sequenceOf(second?.position ?? 0n)).toBe(7);
});

test('one record that is longer than a message is refused', () => {
  expect(() => encodeBatch(request(['x'.repeat(2000)]), 1000)).toThrow('batch[0]');
});

test.each([
  [{ ...request(['a']), source: 'somebody' }, 'source'],
  [{ ...request(['a']), batch: [{ at: undefined, level: 'info', message: '', attributesJson: '' }] }, 'batch[0].at'],
  [
    { ...request(['a']), batch: [{ at: new Date(), level: 'loud', message: '', attributesJson: '' }] },
    'batch[0].level',
  ],
  [request(['x'.repeat(9000)]), 'batch[0].message'],
])('a record that is wrong is refused by the name of its field', (wrong, field) => {
  expect(() => checkBatch(wrong)).toThrow(field);
});
