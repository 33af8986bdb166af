import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BlockMap } from './block-map.ts';

const change = fc.record({ add: fc.boolean(), first: fc.nat(199), count: fc.integer({ min: 1, max: 80 }) });

test('a map holds what a set of numbers holds, whatever ranges were added and removed', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const map = new BlockMap(200);
      const model = new Set<number>();
      for (const { add, first, count } of changes) {
        const length = Math.min(count, 200 - first);
        if (add) map.add(first, length);
        else map.remove(first, length);
        for (let block = first; block < first + length; block++) {
          if (add) model.add(block);
          else model.delete(block);
        }
      }
      expect(map.count).toBe(model.size);
      expect(blocksOf(map)).toEqual([...model].sort((a, b) => a - b));
    }),
  );
});

test('a run never crosses the limit, the end of the map or a gap', () => {
  const map = new BlockMap(70);
  map.add(30, 5);
  map.add(64, 6);
  expect(map.nextRange(0, 16)).toEqual({ firstBlock: 30, blockCount: 5 });
  expect(map.nextRange(31, 2)).toEqual({ firstBlock: 31, blockCount: 2 });
  expect(map.nextRange(35, 16)).toEqual({ firstBlock: 64, blockCount: 6 });
  expect(map.nextRange(70, 16)).toBeNull();
});

test('loading drops bits beyond the last block', () => {
  const map = new BlockMap(33);
  map.load(new Uint8Array(8).fill(0xff));
  expect(map.count).toBe(33);
  expect(map.nextRange(32, 16)).toEqual({ firstBlock: 32, blockCount: 1 });
});

test('a range outside the map is a programmer error', () => {
  const map = new BlockMap(10);
  expect(() => map.add(8, 3)).toThrow(RangeError);
  expect(() => map.remove(-1, 1)).toThrow(RangeError);
});

function blocksOf(map: BlockMap): number[] {
  const blocks: number[] = [];
  for (let range = map.nextRange(0, 7); range !== null; range = map.nextRange(range.firstBlock + range.blockCount, 7)) {
    for (let block = 0; block < range.blockCount; block++) blocks.push(range.firstBlock + block);
  }
  return blocks;
}
