import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { StateEntry } from '@lms/events';
import { BlockStreamUse, Machine, type BlockStreamSettings } from '@lms/proto';
import { createLogger } from '@lms/telemetry';
import { textOf, type Endpoint, type FoundWays } from './block-stream-ways.ts';
import { MachineWays } from './machine-ways.ts';
import type { StoredWays } from './stored-ways.ts';
import { WayChanges } from './way-changes.ts';

const ID = 'm-1';
const OUTSIDE = '192.0.2.7:1500';
const INSIDE = '10.0.0.15:1500';
const NOW = new Date('2026-11-28T12:00:00Z');
const { ANY, PUBLIC, PRIVATE } = BlockStreamUse;

let found: FoundWays;
let settings: BlockStreamSettings;
let stored: StoredWays | null;
let sendsData: boolean;
let isRemoved: boolean;
let checked: string[];
/** By address: null: the agent reaches it. */
let verdicts: Record<string, string | null>;
let ways: MachineWays;
let changes: WayChanges;

const state = <Value>(value: () => Value | null) => ({
  get: () => {
    const now = value();
    return now === null ? null : { key: ID, value: now, revision: 1 };
  },
});

function start(): void {
  const store = {
    assignments: state(() => ({ replicationServer: 'host', assignedAt: '' })),
    servers: state(() => ({ address: '', port: 1500, interfaceAddresses: [], formerAddresses: [] })),
    initiations: state(() => ({
      steps: sendsData ? [{ step: 'START_DATA_TRANSFER', state: 'SUCCEEDED' }] : [],
    })),
    ways: {
      ...state(() => stored),
      modify: async (_key: string, change: (before: StoredWays | null) => StoredWays) => {
        stored = change(stored);
        return { key: ID, value: stored, revision: 1 } satisfies StateEntry<StoredWays>;
      },
    },
  } as unknown as ConstructorParameters<typeof MachineWays>[0]['store'] &
    ConstructorParameters<typeof WayChanges>[0]['store'];
  const machines = { get: () => Machine.fromPartial({ machineId: ID, settings: { blockStream: settings } }) };
  ways = new MachineWays({ store, driver: { place: 'host', usualWays: () => found, waysOf: () => found }, machines });
  changes = new WayChanges({
    store,
    ways,
    machine: () => (isRemoved ? null : machines.get()),
    logger: createLogger('test'),
    checkWay: async (_machineId: string, endpoint: Endpoint) => {
      checked.push(textOf(endpoint));
      return verdicts[textOf(endpoint)] ?? null;
    },
  });
}

beforeEach(() => {
  found = { public: address(OUTSIDE), private: address(INSIDE), prefer: 'public' };
  settings = { use: ANY, public: undefined, private: undefined };
  [stored, sendsData, isRemoved, checked, verdicts] = [null, true, false, [], {}];
  start();
});
afterEach(() => changes.stop());

function address(text: string): Endpoint {
  const [host = '', port] = text.split(':');
  return { host, port: Number(port) };
}

function named(): string[] {
  return ways.named(ID).map(textOf);
}

async function follow(now = NOW): Promise<void> {
  await changes.follow([ID], now);
  await changes.idle();
}

test('without anything set nothing is asked and nothing is written', async () => {
  await follow();
  expect(named()).toEqual([OUTSIDE, INSIDE]);
  expect([checked, stored]).toEqual([[], null]);
});

test('until the agent has reached the new address it is told the old one too, and first', async () => {
  settings = { ...settings, use: PRIVATE };
  expect(named()).toEqual([OUTSIDE, INSIDE]);
  expect(ways.describe(ID).pending?.reason).toMatch('about to be asked');
  await follow();
  expect(checked).toEqual([INSIDE]);
  expect(named()).toEqual([INSIDE]);
  expect(ways.describe(ID)).toMatchObject({ withdrawn: [], pending: undefined });
});

test('an address that the agent does not reach stays pending with its reason, over a restart, until it does', async () => {
  settings = { ...settings, use: PRIVATE };
  verdicts = { [INSIDE]: 'no answer within 15 s' };
  await follow();
  expect(named()).toEqual([OUTSIDE, INSIDE]);
  expect(ways.describe(ID).pending).toMatchObject({ reason: expect.stringMatching(/10\.0\.0\.15.*no answer/) });
  start();
  expect(ways.describe(ID).pending?.reason).toMatch('no answer');
  // Not asked again at once.
  await follow(new Date());
  expect(checked).toEqual([INSIDE]);
  verdicts = {};
  await follow(new Date(Date.now() + 3_600_000));
  expect(named()).toEqual([INSIDE]);
});

test('one of several addresses is enough', async () => {
  settings = { use: ANY, public: { host: '198.51.100.1', port: 1500 }, private: { host: '10.9.9.9', port: 1500 } };
  verdicts = { '198.51.100.1:1500': 'refused' };
  await follow();
  expect(checked).toEqual(['198.51.100.1:1500', '10.9.9.9:1500']);
  expect(named()).toEqual(['198.51.100.1:1500', '10.9.9.9:1500']);
});

test('a setting that is taken back is pending no longer, and nothing has moved', async () => {
  settings = { ...settings, use: PRIVATE };
  verdicts = { [INSIDE]: 'refused' };
  await follow();
  settings = { ...settings, use: ANY };
  await follow();
  expect(stored).toMatchObject({ applied: { use: 'any' }, pending: null });
  expect(named()).toEqual([OUTSIDE, INSIDE]);
});

test('what takes nothing away takes effect at once, unasked', async () => {
  settings = { ...settings, use: PUBLIC };
  await follow();
  settings = { ...settings, use: ANY };
  expect(named()).toEqual([OUTSIDE, INSIDE]);
  await follow();
  expect(checked).toEqual([OUTSIDE]);
  expect(stored).toMatchObject({ applied: { use: 'any' } });
});

test('a machine that never sent data is told what is set, and keeps that as what has taken effect', async () => {
  [sendsData, settings] = [false, { ...settings, use: PRIVATE }];
  expect(named()).toEqual([INSIDE]);
  await follow();
  sendsData = true;
  expect(named()).toEqual([INSIDE]);
  expect(checked).toEqual([]);
});

test('a check that ends after the machine was removed leaves nothing of it', async () => {
  settings = { ...settings, use: PRIVATE };
  await changes.follow([ID], NOW);
  [stored, isRemoved] = [null, true];
  await changes.idle();
  expect(stored).toBeNull();
});

test('settings that name no known address move nobody, and say so', async () => {
  found = { ...found, private: null };
  settings = { ...settings, use: PRIVATE };
  await follow();
  expect(named()).toEqual([OUTSIDE]);
  expect(ways.describe(ID).pending?.reason).toMatch('No address');
  expect(checked).toEqual([]);
});

test('an address that the installation finds anew is told as it is', async () => {
  found = { ...found, public: address('192.0.2.8:1500') };
  expect(named()).toEqual(['192.0.2.8:1500', INSIDE]);
});

test('what others settings would take away is told beforehand', () => {
  const { wanted, withdrawn, named: now } = ways.describe(ID, { ...settings, use: PRIVATE });
  expect([wanted, withdrawn, now].map((some) => some.map(textOf))).toEqual([[INSIDE], [OUTSIDE], [OUTSIDE, INSIDE]]);
});
