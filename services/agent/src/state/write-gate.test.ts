import { expect, test } from '@jest/globals';
import type { Freezer } from '../core/index.ts';
import { WriteGate } from './write-gate.ts';

function recordingFreezer(events: string[], fails = false): Freezer {
  return {
    countMounts: () => Promise.resolve(1),
    flush: () => Promise.resolve(),
    freeze: () => {
      events.push('frozen');
      return fails ? Promise.reject(new Error('busy')) : Promise.resolve([]);
    },
    thaw: () => {
      events.push('thawed');
      return Promise.resolve({ pauseMicroseconds: 1, intact: true });
    },
  };
}

test('R17: a write waits for the thaw', async () => {
  const events: string[] = [];
  const gate = new WriteGate();
  const freezer = gate.guard(recordingFreezer(events));
  await freezer.freeze(2_000);
  const writing = gate.write(() => {
    events.push('written');
    return Promise.resolve();
  });
  await freezer.thaw();
  await writing;
  expect(events).toEqual(['frozen', 'thawed', 'written']);
});

test('R17: a freeze waits for a write that has begun', async () => {
  const events: string[] = [];
  const gate = new WriteGate();
  const freezer = gate.guard(recordingFreezer(events));
  const disk = Promise.withResolvers<void>();
  const writing = gate.write(async () => {
    await disk.promise;
    events.push('written');
  });
  const freezing = freezer.freeze(2_000);
  disk.resolve();
  await Promise.all([writing, freezing]);
  expect(events).toEqual(['written', 'frozen']);
  await freezer.thaw();
});

test('a freeze that fails and a write that fails let the next one in', async () => {
  const events: string[] = [];
  const gate = new WriteGate();
  await expect(gate.guard(recordingFreezer(events, true)).freeze(2_000)).rejects.toThrow('busy');
  await expect(gate.write(() => Promise.reject(new Error('no room')))).rejects.toThrow('no room');
  await gate.write(() => Promise.resolve());
  const freezer = gate.guard(recordingFreezer(events));
  await freezer.freeze(2_000);
  await freezer.thaw();
});
