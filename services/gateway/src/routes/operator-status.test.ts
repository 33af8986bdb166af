import { expect, test } from '@jest/globals';
import { COMPONENT_NAMES } from '@lms/api';
import { componentRows } from './operator-status.ts';

const well = (name: string, dependencies: { name: string; pid?: number; healthy: boolean; detail: string }[] = []) => ({
  component: { name, pid: 7, healthy: true, detail: '' },
  startedAt: undefined,
  version: '1',
  dependencies,
});

test('there is a row for each component whoever answers, in one order', () => {
  const rows = componentRows(new Map([['registry', { error: 'refused' }]]));
  const names = rows.map((row) => row.name);
  expect(names).toEqual(COMPONENT_NAMES.filter((name) => names.includes(name)));
  expect(rows.find((row) => row.name === 'nats')).toMatchObject({ healthy: false, pid: null });
  expect(rows.find((row) => row.name === 'registry')).toMatchObject({
    healthy: false,
    detail: 'does not answer: refused',
  });
});

test('what a component watches for the others comes with its answer', () => {
  const nats = { name: 'nats', pid: 9, healthy: false, detail: 'away' };
  const rows = componentRows(new Map([['registry', well('registry', [nats])]]));
  expect(rows.find((row) => row.name === 'nats')).toEqual({ name: 'nats', pid: 9, healthy: false, detail: 'away' });
  expect(rows.find((row) => row.name === 'registry')).toEqual({
    name: 'registry',
    pid: 7,
    healthy: true,
    detail: null,
  });
});
