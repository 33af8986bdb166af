import { expect, test } from '@jest/globals';
import { Bandwidth, LimitBitsPerSecond, UNLIMITED } from './index.ts';

const row = { days: ['monday'], from: '08:00', to: '18:00', limitBitsPerSecond: 1_000_000 };
const accepted = (value: unknown): boolean => Bandwidth.safeParse(value).success;

test('a limit is at least 256 kbit/s, or none at all, and the refusal says so', () => {
  expect(LimitBitsPerSecond.safeParse(256_000).success).toBe(true);
  expect(LimitBitsPerSecond.safeParse(null).success).toBe(true);
  for (const limit of [0, 1, 255_999, -1, 1.5, 2e12, '256000']) {
    expect(LimitBitsPerSecond.safeParse(limit).success).toBe(false);
  }
  expect(LimitBitsPerSecond.safeParse(0).error?.issues[0]?.message).toContain('256 kbit/s');
});

test('a time zone is one that this machine knows by name', () => {
  for (const timeZone of ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe']) {
    expect(accepted({ ...UNLIMITED, timeZone })).toBe(true);
  }
  for (const timeZone of ['', 'Europe/Atlantis', '+01:00', 'local']) {
    expect(accepted({ ...UNLIMITED, timeZone })).toBe(false);
  }
});

test('a row names days once, and times of one day', () => {
  expect(accepted({ ...UNLIMITED, schedule: [row] })).toBe(true);
  expect(accepted({ ...UNLIMITED, schedule: [{ ...row, from: '22:00', to: '06:00' }] })).toBe(true);
  expect(accepted({ ...UNLIMITED, schedule: [{ ...row, to: '24:00' }] })).toBe(true);
  const broken = [
    { days: [] },
    { days: ['monday', 'monday'] },
    { days: ['Monday'] },
    { from: '8:00' },
    { from: '24:00' },
    { to: '24:01' },
  ];
  for (const change of broken) expect(accepted({ ...UNLIMITED, schedule: [{ ...row, ...change }] })).toBe(false);
});
