import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { DiskMap } from './disk-map.ts';
import type { RuntimeMemory, SourceDisk } from './ports.ts';
import { SavedMap, type MapHeader } from './saved-map.ts';

const HEADER: MapHeader = {
  mapEpoch: 'epoch',
  nextMarkId: 3,
  acknowledgedMark: 1,
  checkpoint: null,
  freezeFailures: 0,
  statistics: [{ processor: 0, overrun: 0, commitOverrun: 0, droppedEvents: 0, readEvents: 9 }],
  initialSync: [],
  openRanges: [],
};

class Memory implements RuntimeMemory {
  readonly files = new Map<string, Uint8Array>();
  read(name: string): Uint8Array | null {
    return this.files.get(name)?.slice() ?? null;
  }
  replace(name: string, data: Uint8Array): void {
    this.files.set(name, data.slice());
  }
  allocate(name: string, sizeBytes: number): void {
    this.files.set(name, new Uint8Array(sizeBytes));
  }
  writeAt(name: string, offsetBytes: number, data: Uint8Array): void {
    this.files.get(name)?.set(data, offsetBytes);
  }
}

function sourceDisk(changes: Partial<SourceDisk> = {}): SourceDisk {
  return {
    diskId: 'disk',
    device: '/dev/sda',
    sizeBytes: 100_000 * BLOCK_SIZE_BYTES,
    deviceNumber: 1,
    generation: 'one',
    read: () => Promise.resolve(),
    inspect: () => ({ present: true, sizeBytes: 0, generation: 'one' }),
    writesInFlight: () => 0,
    ...changes,
  };
}

function saved() {
  const memory = new Memory();
  const disk = sourceDisk();
  const map = new DiskMap(disk.sizeBytes);
  const savedMap = new SavedMap(memory, 'boot');
  savedMap.begin([{ disk, map }]);
  map.markDirty(70_000, 2);
  map.suspect.add(5, 1);
  map.changedPages.addAll();
  map.takeDirty(0, 1);
  savedMap.save([{ disk, map }], HEADER);
  return { memory, disk, map, savedMap };
}

test('a map comes back with dirty, unacknowledged and suspect blocks, and its header', () => {
  const { memory, disk } = saved();
  const restored = new SavedMap(memory, 'boot').restore([disk]);
  if (typeof restored === 'string') throw new Error(restored);
  const map = restored.disks[0]?.map;
  expect([map?.dirty.has(70_000), map?.dirty.has(70_001), map?.dirty.count]).toEqual([true, true, 2]);
  expect(map?.suspect.has(5)).toBe(true);
  expect(restored.header).toMatchObject(HEADER);
});

test('only pages that changed are written again', () => {
  const { memory, disk, map, savedMap } = saved();
  const written: number[] = [];
  const writeAt = memory.writeAt.bind(memory);
  memory.writeAt = (name, offsetBytes, data) => {
    written.push(offsetBytes);
    writeAt(name, offsetBytes, data);
  };
  map.markDirty(40_000, 1);
  savedMap.save([{ disk, map }], HEADER);
  expect(written).toEqual([4096, 4096]);
});

test.each<[string, string, Partial<SourceDisk>]>([
  ['restarted', 'another boot', {}],
  ['not the disk', 'boot', { generation: 'two' }],
  ['not the disk', 'boot', { sizeBytes: 99_999 * BLOCK_SIZE_BYTES }],
  ['not the disk', 'boot', { diskId: 'other' }],
])('R4: a map is void when it says "%s"', (reason, bootId, changes) => {
  const { memory } = saved();
  expect(new SavedMap(memory, bootId).restore([sourceDisk(changes)])).toContain(reason);
});

test('R4: a map that was invalidated, torn, or saved for other disks is void', () => {
  const invalidated = saved();
  invalidated.savedMap.invalidate();
  expect(typeof new SavedMap(invalidated.memory, 'boot').restore([invalidated.disk])).toBe('string');

  const torn = saved();
  torn.memory.replace('header.json', torn.memory.files.get('header.json')?.subarray(0, 30) ?? new Uint8Array());
  expect(typeof new SavedMap(torn.memory, 'boot').restore([torn.disk])).toBe('string');

  const incomplete = saved();
  incomplete.memory.files.delete('disk-0.suspect');
  expect(new SavedMap(incomplete.memory, 'boot').restore([incomplete.disk])).toContain('not complete');

  const { memory, disk } = saved();
  expect(new SavedMap(memory, 'boot').restore([disk, disk])).toContain('other disks');
});
