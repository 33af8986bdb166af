import { expect, test } from '@jest/globals';
import { namedWays } from '../block-stream-ways.ts';
import { waysOf } from './exposure.ts';
import type { KeptService } from './kept.ts';
import { MACHINE, NAME, service, settingsWith } from './test/observed.ts';

const OUTSIDE = { host: 'stream.example', port: 1500 };
const INSIDE = { host: '10.0.0.15', port: 31_500 };
const BOTH = { public: OUTSIDE, private: INSIDE };
const HOSTS = { public: { host: OUTSIDE.host }, private: { host: INSIDE.host } };
const outer = service({ name: `${NAME}-public`, externalHost: '192.0.2.7', nodePort: 30_001 });
const inner = service({ name: `${NAME}-private`, externalHost: '10.9.9.9', nodePort: 30_002 });

function endpoints(exposure: Readonly<Record<string, unknown>>, services: readonly KeptService[] = []) {
  const found = waysOf(settingsWith({ exposure }), MACHINE, { services });
  return namedWays(found).map(({ host, port }) => `${host}:${port}`);
}

test('by one router there are as many addresses as Services lead to it, the preferred one first', () => {
  const mode = 'router';
  expect(endpoints({ mode, advertise: OUTSIDE })).toEqual(['stream.example:1500']);
  expect(endpoints({ mode, advertise: BOTH })).toEqual(['stream.example:1500', '10.0.0.15:31500']);
  expect(endpoints({ mode, advertise: BOTH, prefer: 'private' })).toEqual(['10.0.0.15:31500', 'stream.example:1500']);
  expect(endpoints({ mode, advertise: { private: INSIDE } })).toEqual(['10.0.0.15:31500']);
  expect(endpoints({ mode: 'tlsroute', parentRefs: [{ name: 'a' }], advertise: BOTH })).toHaveLength(2);
});

test('node ports: one port, by two addresses of the nodes', () => {
  const mode = 'nodePort';
  expect(endpoints({ mode, advertise: HOSTS })).toEqual([]);
  expect(endpoints({ mode, advertise: HOSTS }, [outer])).toEqual(['stream.example:30001', '10.0.0.15:30001']);
  expect(endpoints({ mode, advertise: { private: HOSTS.private } }, [outer])).toEqual(['10.0.0.15:30001']);
});

test('load balancers: those that have an address, of those that the settings want', () => {
  const mode = 'loadBalancer';
  const both = { public: {}, private: {} };
  expect(endpoints({ mode, ...both }, [outer, inner])).toEqual(['192.0.2.7:1500', '10.9.9.9:1500']);
  expect(endpoints({ mode, ...both, prefer: 'private' }, [outer, inner])).toEqual(['10.9.9.9:1500', '192.0.2.7:1500']);
  expect(endpoints({ mode, ...both }, [{ ...outer, externalHost: null }, inner])).toEqual(['10.9.9.9:1500']);
  expect(endpoints({ mode, private: {} }, [outer, inner])).toEqual(['10.9.9.9:1500']);
  expect(endpoints({ mode, ...both })).toEqual([]);
});
