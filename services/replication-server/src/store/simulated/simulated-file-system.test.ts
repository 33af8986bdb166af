import { expect, test } from '@jest/globals';
import type { StoreFileSystem } from '../store-file-system.ts';
import { SimulatedDeath, SimulatedFileSystem, simulatedError } from './index.ts';
import type { Verdict } from './index.ts';

/** mulberry32: small, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

async function put(files: StoreFileSystem, path: string, content: Uint8Array, sync: boolean): Promise<void> {
  const file = await files.create(path);
  await file.write(0, content);
  if (sync) await file.sync('segment.seal');
  await file.close();
}

/** What different seeds leave of the same history after a power cut. */
async function outcomes(history: (system: SimulatedFileSystem) => Promise<void>): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = 1; seed <= 100; seed += 1) {
    const system = new SimulatedFileSystem({ random: seeded(seed) });
    await history(system);
    system.powerCut();
    const files = system.mount();
    const names = await files.list('');
    const contents = await Promise.all(
      names.map(async (name) => `${name}:${String((await files.readWhole(name))[0])}`),
    );
    found.add(contents.join(' '));
  }
  return found;
}

test('what was synced, file and folder, survives every power cut', async () => {
  const found = await outcomes(async (system) => {
    const files = system.mount();
    await put(files, 'a', bytes(10_000, 7), true);
    await files.syncFolder('', 'open.root-folder');
  });
  expect([...found]).toEqual(['a:7']);
});

test('a file whose folder was not synced may vanish, and a rename kept without its content gives an empty file', async () => {
  const found = await outcomes(async (system) => {
    const files = system.mount();
    await put(files, 'tmp', bytes(8192, 7), false);
    await files.rename('tmp', 'a');
  });
  expect(found).toContain('');
  expect(found).toContain('a:7');
  expect(found).toContain('a:undefined');
});

test('unsynced overwrites are kept, dropped and torn at sector level, each page for itself', async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const system = new SimulatedFileSystem({ random: seeded(seed) });
    const files = system.mount();
    await put(files, 'a', bytes(16_384, 1), true);
    await files.syncFolder('', 'open.root-folder');
    const file = await files.open('a');
    await file.write(0, bytes(16_384, 2));
    system.powerCut();
    const content = await system.mount().readWhole('a');
    expect(content.length).toBe(16_384);
    for (let page = 0; page < 16_384; page += 4096) {
      const values = new Set(content.subarray(page, page + 4096));
      seen.add(values.size === 2 ? 'torn' : values.has(1) ? 'dropped' : 'kept');
      for (let sector = page; sector < page + 4096; sector += 512) {
        expect(new Set(content.subarray(sector, sector + 512)).size).toBe(1);
      }
    }
  }
  expect([...seen].sort()).toEqual(['dropped', 'kept', 'torn']);
});

test('after a failed sync the cache shows content that a later sync does not write', async () => {
  let verdict: Verdict = 'proceed';
  const system = new SimulatedFileSystem({
    random: seeded(3),
    onOperation: ({ kind }) => (kind === 'sync' ? verdict : 'proceed'),
  });
  const files = system.mount();
  await put(files, 'a', bytes(4096, 1), true);
  await files.syncFolder('', 'open.root-folder');
  const file = await files.open('a');
  await file.write(0, bytes(4096, 2));
  verdict = simulatedError('EIO', 'a');
  await expect(file.sync('segment.seal')).rejects.toThrow('EIO');
  verdict = 'proceed';
  await file.sync('segment.seal');
  expect((await files.readWhole('a'))[0]).toBe(2);
  await file.dropCache();
  const seen = (await files.readWhole('a'))[0];
  system.powerCut();
  expect((await system.mount().readWhole('a'))[0]).toBe(seen);
});

test('a clone shares space with its source and keeps its content when the source changes', async () => {
  const system = new SimulatedFileSystem({ random: seeded(4) });
  const files = system.mount();
  await put(files, 'a', bytes(65_536, 1), true);
  const { freeBytes } = await files.space();
  await files.clone('a', 'b');
  expect((await files.space()).freeBytes).toBe(freeBytes);
  const file = await files.open('a');
  await file.write(0, bytes(4096, 2));
  expect((await files.space()).freeBytes).toBe(freeBytes - 4096);
  expect((await files.readWhole('b'))[0]).toBe(1);
  await files.removeFile('b');
  expect((await files.space()).freeBytes).toBe(freeBytes);
});

test('a full disk refuses a write and may have taken a part of it', async () => {
  const system = new SimulatedFileSystem({ random: seeded(5), capacityBytes: 16_384 });
  const file = await system.mount().create('a');
  await expect(file.write(0, bytes(32_768, 1))).rejects.toMatchObject({ code: 'ENOSPC' });
  await file.truncate(0);
  await file.write(0, bytes(16_384, 1));
});

test('a dead process does nothing more, and its files stay as its caches had them', async () => {
  const system = new SimulatedFileSystem({ random: seeded(6) });
  const before = system.mount();
  const file = await before.create('a');
  await file.write(0, bytes(100, 1));
  system.kill();
  await expect(file.write(0, bytes(100, 2))).rejects.toThrow(SimulatedDeath);
  await expect(before.list('')).rejects.toThrow(SimulatedDeath);
  expect((await system.mount().readWhole('a'))[0]).toBe(1);
});

test('the hook can end the process at any operation, and the same seed leaves the same bytes', async () => {
  const run = async (): Promise<string> => {
    const system = new SimulatedFileSystem({
      random: seeded(7),
      onOperation: ({ index }) => (index === 2 ? 'powerCut' : 'proceed'),
    });
    const files = system.mount();
    const file = await files.create('a');
    await file.write(0, bytes(32_768, 1));
    await expect(file.write(32_768, bytes(32_768, 2))).rejects.toThrow(SimulatedDeath);
    const after = system.mount();
    return (await after.exists('a')) ? Buffer.from(await after.readWhole('a')).toString('hex') : 'gone';
  };
  expect(await run()).toBe(await run());
});
