import { expect, test } from '@jest/globals';
import { BlockStreamUse } from '@lms/proto';
import { namedWays, textOf, withdrawnWays, type FoundWays } from './block-stream-ways.ts';

const OUTSIDE = { host: '192.0.2.7', port: 1500 };
const INSIDE = { host: '10.0.0.15', port: 31_500 };
const both: FoundWays = { public: OUTSIDE, private: INSIDE, prefer: 'public' };
const onHost: FoundWays = { public: OUTSIDE, private: OUTSIDE, prefer: 'public' };
const { ANY, PUBLIC, PRIVATE } = BlockStreamUse;

function named(found: FoundWays, use: BlockStreamUse, set: { public?: string; private?: string } = {}): string[] {
  const address = (host: string | undefined) => (host === undefined ? undefined : { host, port: 0 });
  return namedWays(found, { use, public: address(set.public), private: address(set.private) }).map(textOf);
}

test('without settings all that was found is named, the preferred first', () => {
  expect(namedWays(both)).toEqual([OUTSIDE, INSIDE]);
  expect(named({ ...both, prefer: 'private' }, ANY)).toEqual(['10.0.0.15:31500', '192.0.2.7:1500']);
  expect(named({ ...both, private: null }, ANY)).toEqual(['192.0.2.7:1500']);
});

test('public or private alone is the one address, or none where there is none', () => {
  expect(named(both, PUBLIC)).toEqual(['192.0.2.7:1500']);
  expect(named(both, PRIVATE)).toEqual(['10.0.0.15:31500']);
  expect(named({ ...both, private: null }, PRIVATE)).toEqual([]);
});

test('one address of a host is public and private, and named once', () => {
  expect(named(onHost, ANY)).toEqual(['192.0.2.7:1500']);
  expect(named(onHost, PRIVATE)).toEqual(['192.0.2.7:1500']);
});

test('an address that was set takes the place of the one that was found, and its port where it has none', () => {
  expect(named(both, ANY, { private: '10.1.1.1' })).toEqual(['192.0.2.7:1500', '10.1.1.1:31500']);
  expect(named({ ...both, private: null }, PRIVATE, { private: '10.1.1.1' })).toEqual(['10.1.1.1:1500']);
  expect(named({ public: null, private: null, prefer: 'public' }, ANY, { public: '2001:db8::1' })).toEqual([
    '[2001:db8::1]:1500',
  ]);
});

test('withdrawn is what is named no longer', () => {
  expect(withdrawnWays([OUTSIDE, INSIDE], [INSIDE])).toEqual([OUTSIDE]);
  expect(withdrawnWays([OUTSIDE], [INSIDE, OUTSIDE])).toEqual([]);
});
