import { expect, test } from '@jest/globals';
import { findGateway } from './route-table.ts';

const TABLE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010112C6\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000112C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000000A\tFE0112C6\t0003\t0\t0\t0\t000000FF\t0\t0\t0
eth1\t00000000\t01000A0A\t0003\t0\t0\t100\t00000000\t0\t0\t0
`;

test('the gateway is that of the narrowest route of the device', () => {
  expect(findGateway(TABLE, 'eth0', '192.0.2.1')).toBe('198.18.1.1');
  expect(findGateway(TABLE, 'eth0', '10.1.2.3')).toBe('198.18.1.254');
  expect(findGateway(TABLE, 'eth1', '10.1.2.3')).toBe('10.10.0.1');
});

test('who is in the same network is reached without one, and of an empty table nothing is known', () => {
  expect(findGateway(TABLE, 'eth0', '198.18.1.77')).toBeNull();
  expect(findGateway('', 'eth0', '192.0.2.1')).toBeNull();
});
