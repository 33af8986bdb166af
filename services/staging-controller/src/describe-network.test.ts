import { expect, test } from '@jest/globals';
import { AddressKind, BlockStreamUse, StagingPlace, type BlockStreamSettings } from '@lms/proto';
import type { FoundWays } from './block-stream-ways.ts';
import { describeNetwork } from './describe-network.ts';

const ONE = { host: '198.51.100.9', port: 1500 };
const TWO = { host: '10.20.0.9', port: 31_500 };
const SHARED: FoundWays = { public: ONE, private: TWO, prefer: 'private' };
const NONE: FoundWays = { public: null, private: null, prefer: 'public' };
const anyway: BlockStreamSettings = { use: BlockStreamUse.ANY, public: undefined, private: undefined };
const PUBLIC = { kind: AddressKind.PUBLIC, ...ONE };
const PRIVATE = { kind: AddressKind.PRIVATE, ...TWO };

test('machines that have what all have are not named one by one', () => {
  const machines = [{ machineId: 'a', found: SHARED, settings: anyway }];
  expect(describeNetwork({ place: 'kubernetes', usual: SHARED, settings: anyway, machines })).toEqual({
    place: StagingPlace.KUBERNETES,
    addresses: [PRIVATE, PUBLIC],
    machines: [],
  });
});

test('before there is a machine, addresses are those that every machine will have, as the settings name them', () => {
  const settings = { ...anyway, use: BlockStreamUse.PUBLIC, public: { host: 'stream.example.com', port: 0 } };
  expect(describeNetwork({ place: 'host', usual: SHARED, settings, machines: [] }).addresses).toEqual([
    { kind: AddressKind.PUBLIC, host: 'stream.example.com', port: 1500 },
  ]);
});

test('a machine with an address or a setting of its own is named, and one that has no address yet is not', () => {
  const machines = [
    { machineId: 'own-setting', found: SHARED, settings: { ...anyway, use: BlockStreamUse.PRIVATE } },
    { machineId: 'own-address', found: { ...NONE, public: ONE }, settings: anyway },
    { machineId: 'none-yet', found: NONE, settings: anyway },
  ];
  const { addresses, machines: others } = describeNetwork({
    place: 'kubernetes',
    usual: NONE,
    settings: anyway,
    machines,
  });
  expect(addresses).toEqual([]);
  expect(others).toEqual([
    { machineId: 'own-setting', addresses: [PRIVATE] },
    { machineId: 'own-address', addresses: [PUBLIC] },
  ]);
});

test('one address that is both is said of both: whoever asks for one kind gets it', () => {
  const host: FoundWays = { public: ONE, private: ONE, prefer: 'public' };
  const { addresses } = describeNetwork({ place: 'host', usual: host, settings: undefined, machines: [] });
  expect(addresses).toEqual([PUBLIC, { kind: AddressKind.PRIVATE, ...ONE }]);
});
