import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Route } from '@lms/proto';
import { parseMap } from './map-file.ts';
import { RouteTable } from './route-table.ts';

const route = (id: string, address = '10.0.0.1'): Route => ({
  machineId: id,
  host: `rs-${id}.ns.svc`,
  port: 1500,
  address,
});
const answer = (routes: Route[], complete: boolean, removedMachineIds: string[] = []) => ({
  routes,
  removedMachineIds,
  complete,
});
const names = (table: RouteTable): string[] => [...table.entries.keys()].map((name) => name.split('.')[0] ?? '');

test('a first picture counts when it is whole, and takes away whoever is not in it', () => {
  const table = new RouteTable('cluster.local', new Map([['m-old.block-stream.lms.internal', '10.0.0.9|1500|x']]));
  table.begin();
  expect(table.take(answer([route('m-1')], false)).complete).toBe(false);
  expect(names(table)).toEqual(['m-old']);
  expect(table.take(answer([route('m-2')], true)).complete).toBe(true);
  expect([...table.entries]).toEqual([
    ['m-1.block-stream.lms.internal', '10.0.0.1|1500|rs-m-1.ns.svc.cluster.local'],
    ['m-2.block-stream.lms.internal', '10.0.0.1|1500|rs-m-2.ns.svc.cluster.local'],
  ]);
});

test('then changes count at once; a stream that breaks in its first picture changes nothing', () => {
  const table = new RouteTable('cluster.local', new Map());
  table.begin();
  table.take(answer([route('m-1'), route('m-2')], true));
  const before = table.entries;
  table.take(answer([route('m-2', ''), route('m-3')], true, ['m-1']));
  expect(names(table)).toEqual(['m-2', 'm-3']);
  expect(table.entries.get('m-2.block-stream.lms.internal')).toBe('|1500|rs-m-2.ns.svc.cluster.local');
  expect(before.size).toBe(2);
  table.begin();
  table.take(answer([route('m-4')], false));
  table.begin();
  expect(names(table)).toEqual(['m-2', 'm-3']);
});

test.each([
  ['a machine id with a dot', { ...route('m-1'), machineId: 'm-1.evil' }],
  ['a line break', { ...route('m-1'), host: 'a\ndel map x' }],
  ['a separator', { ...route('m-1'), host: 'a|b' }],
  ['a semicolon', { ...route('m-1'), host: 'a;b' }],
  ['an address that is none', { ...route('m-1'), address: 'localhost' }],
  ['port 0', { ...route('m-1'), port: 0 }],
  ['no host', { ...route('m-1'), host: '' }],
])('%s is left out, and the others are taken', (_name, bad) => {
  const table = new RouteTable('cluster.local', new Map());
  table.begin();
  expect(table.take(answer([bad, route('m-2')], true)).refused).toEqual([bad.machineId]);
  expect(names(table)).toEqual(['m-2']);
});

test('whatever it is told, each entry is one key and one value on one line', () => {
  const anyRoute = fc.record({
    machineId: fc.string(),
    host: fc.string(),
    port: fc.integer(),
    address: fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()),
  });
  fc.assert(
    fc.property(fc.array(anyRoute), (routes) => {
      const table = new RouteTable('cluster.local', new Map());
      table.begin();
      table.take(answer(routes, true));
      const lines = [...table.entries].map(([key, value]) => `${key} ${value}\n`).join('');
      expect(parseMap(lines)).toEqual(table.entries);
      expect(lines).not.toMatch(/[;\\"'#]/);
    }),
  );
});
