import { expect, test } from '@jest/globals';
import { Operation } from '@lms/proto';
import { OperationIndex, type OperationBucket } from './operation-index.ts';

const never = new AbortController().signal;

/** A bucket whose changes the test makes. */
class Bucket implements OperationBucket {
  readonly #values = new Map<string, Operation>();
  #listener: Parameters<OperationBucket['onChange']>[0] = () => undefined;

  put(operationId: string, machineId: string, second: number): void {
    const value = Operation.fromPartial({ operationId, machineId, createdAt: new Date(second * 1_000) });
    this.#values.set(operationId, value);
    this.#listener(operationId, { key: operationId, value, revision: 1 });
  }

  remove(operationId: string): void {
    this.#values.delete(operationId);
    this.#listener(operationId, null);
  }

  /** As when JetStream was lost: nobody is told. */
  lose(): void {
    this.#values.clear();
  }

  entries() {
    return [...this.#values].map(([key, value]) => ({ key, value, revision: 1 }));
  }

  get(key: string) {
    const value = this.#values.get(key);
    return value === undefined ? null : { key, value, revision: 1 };
  }

  onChange(listener: Parameters<OperationBucket['onChange']>[0]) {
    this.#listener = listener;
    return () => undefined;
  }
}

const idsOf = (index: OperationIndex, machineId: string): readonly string[] =>
  index.of(machineId).map(({ operationId }) => operationId);

test('a machine has its own operations, oldest first, those from before the start too', () => {
  const bucket = new Bucket();
  bucket.put('before', 'm-1', 2);
  const index = new OperationIndex(bucket);
  bucket.put('later', 'm-1', 3);
  bucket.put('other', 'm-2', 1);
  bucket.put('oldest', 'm-1', 1);
  expect(idsOf(index, 'm-1')).toEqual(['oldest', 'before', 'later']);
  bucket.remove('before');
  expect(idsOf(index, 'm-1')).toEqual(['oldest', 'later']);
  expect(idsOf(index, 'm-2')).toEqual(['other']);
  expect(idsOf(index, 'm-3')).toEqual([]);
});

test('a wait is looked at for news of its machines, and for no others', async () => {
  const bucket = new Bucket();
  const index = new OperationIndex(bucket);
  let looks = 0;
  const waiting = index.waitFor(
    ['m-1', 'm-2'],
    () => {
      looks += 1;
      return index.of('m-2').length > 0;
    },
    never,
  );
  expect(looks).toBe(1);
  for (let other = 0; other < 100; other += 1) bucket.put(`other-${other}`, `m-9${other}`, other);
  expect(looks).toBe(1);
  bucket.put('first', 'm-1', 1);
  expect(looks).toBe(2);
  bucket.put('second', 'm-2', 2);
  await waiting;
  expect(looks).toBe(3);
  bucket.put('third', 'm-2', 3);
  expect(looks).toBe(3);
});

test('a wait hears that an operation is gone, ends with its signal, and fails as its condition does', async () => {
  const bucket = new Bucket();
  bucket.put('one', 'm-1', 1);
  const index = new OperationIndex(bucket);
  const gone = index.waitFor(['m-1'], () => index.of('m-1').length === 0, never);
  const failing = index.waitFor(
    ['m-1'],
    () => {
      if (bucket.get('one') === null) throw new Error('it is gone');
      return false;
    },
    never,
  );
  const given = new AbortController();
  const ended = index.waitFor(['m-1'], () => false, given.signal);
  bucket.remove('one');
  await gone;
  await expect(failing).rejects.toThrow('it is gone');
  given.abort(new Error('given up'));
  await expect(ended).rejects.toThrow('given up');
});

test('what a lost bucket held is no longer there', () => {
  const bucket = new Bucket();
  const index = new OperationIndex(bucket);
  bucket.put('one', 'm-1', 1);
  bucket.lose();
  expect(idsOf(index, 'm-1')).toEqual([]);
  bucket.put('two', 'm-1', 2);
  expect(idsOf(index, 'm-1')).toEqual(['two']);
});
