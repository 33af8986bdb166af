import { expect, test } from '@jest/globals';
import { UNLIMITED } from '@lms/api';
import { Command } from 'commander';
import { addSettingOptions, changeOf, type SettingOptions } from './setting-options.ts';

const current = { bandwidth: { ...UNLIMITED, timeZone: 'Europe/Berlin' } };

function change(...words: string[]) {
  const command = addSettingOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  command.parse(words, { from: 'user' });
  return changeOf(command.opts<SettingOptions>(), current);
}

test('only what is given is changed', () => {
  expect(change()).toEqual({});
  expect(change('--freezing', 'off', '--point-interval', '20s')).toEqual({
    freezing: false,
    pointIntervalSeconds: 20,
  });
  expect(change('--block-stream-use', 'private', '--private-address', '10.0.0.15:1500')).toEqual({
    blockStream: { use: 'private', private: { host: '10.0.0.15', port: 1500 } },
  });
});

test('a limit leaves the schedule and its time zone, and a schedule the limit', () => {
  expect(change('--bandwidth', '50Mbit/s').bandwidth).toEqual({
    limitBitsPerSecond: 50_000_000,
    schedule: [],
    timeZone: 'Europe/Berlin',
  });
  expect(change('--bandwidth-schedule', 'mon 08:00-18:00 1Mbit/s').bandwidth).toMatchObject({
    limitBitsPerSecond: null,
    schedule: [{ days: ['monday'] }],
  });
});

test('what is unset is null, also a part of the addresses', () => {
  expect(change('--unset', 'retention', '--unset', 'blockStream.public')).toEqual({
    retention: null,
    blockStream: { public: null },
  });
  expect(() => change('--unset', 'color')).toThrow('One of pointIntervalSeconds');
});

test.each([
  ['--point-interval', '2d'],
  ['--block-stream-use', 'both'],
  ['--retention', 'often'],
])('%s %s is wrong usage', (...words) => {
  expect(() => change(...words)).toThrow();
});
