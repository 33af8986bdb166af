import { expect, test } from '@jest/globals';
import {
  formatAddress,
  formatBandwidth,
  formatRetention,
  parseAddress,
  parseLimit,
  parseRetention,
  parseSchedule,
} from './setting-texts.ts';

test('retention is typed as it is shown', () => {
  const text = '10m:1h,1h:1d,1d:7d';
  expect(parseRetention(text)).toEqual([
    { everySeconds: 600, keepSeconds: 3_600 },
    { everySeconds: 3_600, keepSeconds: 86_400 },
    { everySeconds: 86_400, keepSeconds: 604_800 },
  ]);
  expect(formatRetention(parseRetention(text))).toBe(text);
  expect(formatRetention(parseRetention('90s:45m'))).toBe('90s:45m');
});

test.each(['10m', '10m:1h:1d', '10:60', '', '10m:1h;1h:1d'])('%j is no retention', (text) => {
  expect(() => parseRetention(text)).toThrow();
});

test('a limit is a rate or none', () => {
  expect(parseLimit('50Mbit/s')).toBe(50_000_000);
  expect(parseLimit('none')).toBeNull();
  expect(() => parseLimit('50')).toThrow('a number and a unit');
});

test('a schedule names days, ranges over the end of the week too', () => {
  const rows = parseSchedule('mon-fri 08:00-18:00 10Mbit/s; sat-mon 00:00-24:00 none; daily 22:00-06:00 1Gbit/s');
  expect(rows.map(({ days }) => days.length)).toEqual([5, 3, 7]);
  expect(rows[1]).toMatchObject({ days: ['saturday', 'sunday', 'monday'], limitBitsPerSecond: null });
  expect(parseSchedule('none')).toEqual([]);
  const bandwidth = {
    limitBitsPerSecond: null,
    schedule: [...parseSchedule('mon 08:00-18:00 10Mbit/s')],
    timeZone: 'UTC',
  };
  expect(formatBandwidth(bandwidth)).toBe('mon 08:00-18:00 10Mbit/s; otherwise none (UTC)');
});

test.each(['mon', 'someday 08:00-18:00 none', 'm 08:00-18:00 none', 'mon 8-18 none', 'mon 08:00-18:00'])(
  '%j is no schedule',
  (text) => {
    expect(() => parseSchedule(text)).toThrow();
  },
);

test('an address has a port, or that which was found', () => {
  expect(parseAddress('10.0.0.15')).toEqual({ host: '10.0.0.15', port: null });
  expect(parseAddress('stream.example:31500')).toEqual({ host: 'stream.example', port: 31_500 });
  expect(parseAddress('[2001:db8::1]:1500')).toEqual({ host: '2001:db8::1', port: 1500 });
  for (const text of ['10.0.0.15:1500', 'stream.example', '[2001:db8::1]']) {
    expect(formatAddress(parseAddress(text))).toBe(text);
  }
  for (const wrong of ['', ':1500', 'a:0', 'a:70000', 'user@host', '2001:db8::1', 'http://a']) {
    expect(() => parseAddress(wrong)).toThrow();
  }
});
