import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pageOf } from './paging.ts';

test('walking through the pages sees every item once and in order, whatever the page size', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.integer({ min: 1, max: 7 }), (items, pageSize) => {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = pageOf(items, (item) => item, { pageSize, pageToken });
        expect(page.items.length).toBeLessThanOrEqual(pageSize);
        seen.push(...page.items);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(seen).toEqual([...items].sort((a, b) => (a < b ? -1 : 1)));
    }),
  );
});

test('an item that goes between two pages hides no other', () => {
  const first = pageOf(['a', 'b', 'c'], (item) => item, { pageSize: 2, pageToken: '' });
  const second = pageOf(['a', 'c'], (item) => item, { pageSize: 2, pageToken: first.nextPageToken });
  expect(second).toEqual({ items: ['c'], nextPageToken: '' });
});

test('a page token that is not ours is refused', () => {
  expect(() => pageOf(['a'], (item) => item, { pageSize: 1, pageToken: 'garbage' })).toThrow('page token');
});

test('a page never has more than 1,000 items', () => {
  const items = Array.from({ length: 1_500 }, (_unused, index) => String(index).padStart(5, '0'));
  expect(pageOf(items, (item) => item, { pageSize: 1_000_000, pageToken: '' }).items).toHaveLength(1_000);
});

test('walking through many items that come in any order looks at each a few times for a page, and sorts few', () => {
  const count = 20_000;
  const items = Array.from({ length: count }, (_unused, index) => String((index * 7_919) % count).padStart(5, '0'));
  let compared = 0;
  const keyOf = (item: string): string => {
    compared += 1;
    return item;
  };
  const seen: string[] = [];
  let pages = 0;
  let pageToken = '';
  do {
    const page = pageOf(items, keyOf, { pageSize: 500, pageToken });
    seen.push(...page.items);
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken !== '');
  expect(seen).toEqual(items.toSorted());
  expect(compared).toBe(pages * count);
});
