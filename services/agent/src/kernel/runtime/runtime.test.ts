import { afterEach, expect, test } from '@jest/globals';
import { existsSync, rmSync } from 'node:fs';
import { BUFFER_SIZE_BYTES, createBufferPool } from './buffer-pool.ts';
import { openRuntimeMemory } from './runtime-memory.ts';
import { RUNTIME_ROOT, isInMemory, removeRuntimeFolder, runtimeFolder } from './runtime-root.ts';
import { systemClock } from './system-clock.ts';

const never = new AbortController().signal;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test('a pool gives no more buffers than it has; who waits gets the next one, in order', async () => {
  const pool = createBufferPool(2);
  const first = await pool.acquire(never);
  const second = await pool.acquire(never);
  expect(first.byteLength).toBe(BUFFER_SIZE_BYTES);
  const order: string[] = [];
  const third = pool.acquire(never).then((buffer) => (order.push('third'), buffer));
  const fourth = pool.acquire(never).then((buffer) => (order.push('fourth'), buffer));
  pool.release(first);
  expect(await third).toBe(first);
  pool.release(second);
  expect(await fourth).toBe(second);
  expect(order).toEqual(['third', 'fourth']);
});

test('who gives up waiting takes no buffer with him', async () => {
  const pool = createBufferPool(1);
  const only = await pool.acquire(never);
  const stop = new AbortController();
  const waiting = pool.acquire(stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(pool.acquire(stop.signal)).rejects.toThrow('enough');
  pool.release(only);
  expect(await pool.acquire(never)).toBe(only);
});

test('a buffer cannot be given back twice', async () => {
  const pool = createBufferPool(1);
  const buffer = await pool.acquire(never);
  pool.release(buffer);
  expect(() => pool.release(buffer)).toThrow('not given out');
  expect(() => createBufferPool(0)).toThrow('a pool of 0 buffers');
});

test('runtime memory keeps records and files, in memory, for the next process', async () => {
  const id = `test-${process.pid}`;
  folders.push(runtimeFolder(id));
  const memory = await openRuntimeMemory(id);
  expect(isInMemory(runtimeFolder(id))).toBe(true);
  expect(memory.read('record')).toBeNull();
  memory.replace('record', Buffer.from('one'));
  memory.replace('record', Buffer.from('two'));
  memory.allocate('map', 100_000);
  memory.writeAt('map', 99_998, Uint8Array.of(7, 8));
  memory.writeAt('map', 0, Uint8Array.of(9));
  memory.close();
  const next = await openRuntimeMemory(id);
  expect(Buffer.from(next.read('record') ?? []).toString()).toBe('two');
  const map = next.read('map');
  expect([map?.length, map?.[0], map?.[1], map?.[99_998], map?.[99_999]]).toEqual([100_000, 9, 0, 7, 8]);
  next.allocate('map', 10);
  next.writeAt('map', 0, Uint8Array.of(1));
  expect(Array.from(next.read('map') ?? [])).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  next.close();
});

test("removal takes this agent's memory and leaves that of others", async () => {
  const ids = [`test-remove-${process.pid}`, `test-other-${process.pid}`] as const;
  for (const id of ids) {
    folders.push(runtimeFolder(id));
    (await openRuntimeMemory(id)).close();
  }
  expect(await removeRuntimeFolder(ids[0])).toEqual([`runtime memory ${runtimeFolder(ids[0])}`]);
  expect(existsSync(runtimeFolder(ids[0]))).toBe(false);
  expect(existsSync(runtimeFolder(ids[1]))).toBe(true);
  expect(isInMemory(RUNTIME_ROOT)).toBe(true);
  expect(await removeRuntimeFolder(ids[0])).toEqual([]);
});

test('names that lead out of the folder are refused', async () => {
  expect(() => runtimeFolder('../x')).toThrow('not an id');
  const id = `test-names-${process.pid}`;
  folders.push(runtimeFolder(id));
  const memory = await openRuntimeMemory(id);
  expect(() => memory.read('../x')).toThrow('not a name');
  memory.close();
});

test('the clock counts on, agrees with the wall, and a sleep ends with its signal', async () => {
  const before = systemClock.monotonicMilliseconds();
  expect(Math.abs(systemClock.wallMicroseconds() / 1000 - Date.now())).toBeLessThan(1000);
  await systemClock.sleep(1, never);
  expect(systemClock.monotonicMilliseconds()).toBeGreaterThan(before);
  const stop = new AbortController();
  const sleeping = systemClock.sleep(1_000_000, stop.signal);
  stop.abort(new Error('woken'));
  await expect(sleeping).rejects.toThrow('woken');
});
