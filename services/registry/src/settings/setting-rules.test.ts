import { expect, test } from '@jest/globals';
import { BlockStreamUse, Compression, ReplicationSettings, SettingValues } from '@lms/proto';
import { checkSettings } from './setting-checks.ts';
import { contentRevision, effectiveSettings, overridesOf, withChange } from './setting-rules.ts';

const values = (some: Partial<SettingValues>): SettingValues => ({ ...SettingValues.fromPartial({}), ...some });
const NOTHING = values({});

test('what was set for the machine wins over what was set for all, and that over the product', () => {
  const defaults = values({ freezing: false, compression: Compression.OFF, blockStreamUse: BlockStreamUse.PRIVATE });
  const overrides = values({ freezing: true, blockStreamUse: BlockStreamUse.PUBLIC });
  expect(effectiveSettings(defaults, overrides)).toMatchObject({
    freezing: true,
    compression: Compression.OFF,
    blockStream: { use: BlockStreamUse.PUBLIC },
    pointIntervalSeconds: 10,
  });
  expect(effectiveSettings()).toMatchObject({ freezing: true, blockStream: { use: BlockStreamUse.ANY } });
});

test('a machine without an override follows a default that is changed later', () => {
  const machine = withChange(NOTHING, { set: values({ freezeIntervalSeconds: 5 }), unset: [] });
  for (const pointIntervalSeconds of [20, 30]) {
    const settings = effectiveSettings(values({ pointIntervalSeconds }), machine);
    expect(settings).toMatchObject({ pointIntervalSeconds, freezeIntervalSeconds: 5 });
  }
});

test('an override that is taken away is gone, and the others stay', () => {
  const before = values({ freezing: false, pointIntervalSeconds: 20, blockStreamPublic: { host: 'a', port: 1 } });
  const after = withChange(before, { set: undefined, unset: ['freezing', 'blockStreamPublic'] });
  expect(after).toEqual(values({ pointIntervalSeconds: 20 }));
  expect(() => withChange(before, { set: undefined, unset: ['color'] })).toThrow('no setting color');
});

test('what a release of before stored becomes overrides only where somebody had changed it', () => {
  const stored = ReplicationSettings.fromPartial({
    pointIntervalSeconds: 10,
    freezeIntervalSeconds: 60,
    freezing: false,
    compression: Compression.ADAPTIVE,
    retention: [{ everySeconds: 600, keepSeconds: 3_600 }],
  });
  expect(overridesOf(stored)).toEqual(values({ freezing: false }));
  expect(overridesOf(undefined)).toEqual(NOTHING);
});

test('the content has the same revision in every registry, and another one when anything differs', () => {
  expect(contentRevision(values({ freezing: false }))).toBe(contentRevision(values({ freezing: false })));
  expect(contentRevision(values({ freezing: false }))).not.toBe(contentRevision(NOTHING));
});

test.each([
  ['pointIntervalSeconds', values({ pointIntervalSeconds: 0 })],
  ['retention', values({ retention: { rows: [] } })],
  ['retention', values({ retention: { rows: [{ everySeconds: 60, keepSeconds: 10 }] } })],
  ['retention', values({ retention: { rows: [{ everySeconds: 1, keepSeconds: 86_400 }] } })],
  ['blockStream.public', values({ blockStreamPublic: { host: 'user@host', port: 0 } })],
  ['blockStream.private', values({ blockStreamPrivate: { host: '10.0.0.1', port: 65_536 } })],
  ['bandwidth', values({ bandwidth: { limitBitsPerSecond: 1n, schedule: [], timeZone: 'UTC' } })],
  ['bandwidth.timeZone', values({ bandwidth: { schedule: [], timeZone: 'Mars/Olympus' } })],
  [
    'bandwidth.schedule',
    values({ bandwidth: { schedule: [{ days: [8], fromMinute: 0, toMinute: 60 }], timeZone: 'UTC' } }),
  ],
])('%s that cannot be is refused, by its name', (field, wrong) => {
  expect(() => checkSettings(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field }));
});

test('what can be is taken', () => {
  const bandwidth = {
    limitBitsPerSecond: 50_000_000n,
    schedule: [{ days: [1, 5], fromMinute: 480, toMinute: 1_440 }],
    timeZone: 'Europe/Berlin',
  };
  const retention = { rows: [{ everySeconds: 600, keepSeconds: 86_400 }] };
  const blockStreamPublic = { host: '2001:db8::1', port: 0 };
  expect(() => checkSettings(values({ bandwidth, retention, blockStreamPublic }))).not.toThrow();
});
