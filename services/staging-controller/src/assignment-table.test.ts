import { expect, test } from '@jest/globals';
import { Machine } from '@lms/proto';
import { AssignmentTable, type AssignmentTableOptions } from './assignment-table.ts';
import type { Assignment, Removal } from './store.ts';

type Listener<Value> = (key: string, entry: { key: string; value: Value; revision: number } | null) => void;

/** A bucket whose changes the test makes. */
class Bucket<Value> {
  readonly values = new Map<string, Value>();
  #listener: Listener<Value> = () => undefined;

  put(key: string, value: Value): void {
    this.values.set(key, value);
    this.#listener(key, { key, value, revision: 1 });
  }

  remove(key: string): void {
    this.values.delete(key);
    this.#listener(key, null);
  }

  entries() {
    return [...this.values].map(([key, value]) => ({ key, value, revision: 1 }));
  }

  get(key: string) {
    const value = this.values.get(key);
    return value === undefined ? null : { key, value, revision: 1 };
  }

  onChange(listener: Listener<Value>) {
    this.#listener = listener;
    return () => undefined;
  }
}

class Area {
  readonly assignments = new Bucket<Assignment>();
  readonly removals = new Bucket<Removal>();
  readonly machines = new Map<string, Machine>();
  readonly asked: string[] = [];
  /** Told to rs-1. */
  keepNothingOf: readonly string[] = [];

  table(): AssignmentTable {
    const machine: AssignmentTableOptions['machine'] = (machineId) => {
      this.asked.push(machineId);
      return this.machines.get(machineId) ?? null;
    };
    return new AssignmentTable({
      assignments: this.assignments,
      removals: this.removals,
      machine,
      serverOf: () => 'rs-1',
      removedOf: (server) => (server === 'rs-1' ? this.keepNothingOf : []),
    });
  }

  know(machineId: string, name = machineId): void {
    this.machines.set(machineId, Machine.fromPartial({ machineId, name }));
  }

  assign(machineId: string, replicationServer: string): void {
    this.assignments.put(machineId, { replicationServer, assignedAt: '2026-11-28T00:00:00Z' });
  }

  removeMachine(machineId: string): void {
    this.removals.put(machineId, { requestedAt: '2026-11-28T00:00:00Z', completedAt: null });
  }
}

const idsOf = (table: AssignmentTable, server: string): readonly string[] =>
  table.of(server).machines.map(({ machineId }) => machineId);

test('a server is told its own machines, those from before the start too, and none that the registry does not know', () => {
  const area = new Area();
  for (const machineId of ['m-1', 'm-2', 'm-3']) area.know(machineId);
  area.assign('m-2', 'rs-a');
  const table = area.table();
  area.assign('m-1', 'rs-a');
  area.assign('m-3', 'rs-b');
  area.assign('m-4', 'rs-b');
  expect(idsOf(table, 'rs-a')).toEqual(['m-1', 'm-2']);
  expect(idsOf(table, 'rs-b')).toEqual(['m-3']);
  expect(idsOf(table, 'rs-c')).toEqual([]);
  area.assign('m-1', 'rs-b');
  expect(idsOf(table, 'rs-a')).toEqual(['m-2']);
  expect(idsOf(table, 'rs-b')).toEqual(['m-1', 'm-3']);
});

test('state that was lost takes nothing from a server; an operator’s removal does', () => {
  const area = new Area();
  area.know('m-1');
  area.know('m-2');
  area.assign('m-1', 'rs-a');
  area.assign('m-2', 'rs-a');
  const table = area.table();
  area.assignments.remove('m-1');
  expect(idsOf(table, 'rs-a')).toEqual(['m-1', 'm-2']);
  area.removeMachine('m-2');
  expect(idsOf(table, 'rs-a')).toEqual(['m-1']);
});

test('a question about one server looks at its machines, however many others there are', () => {
  const area = new Area();
  for (let index = 0; index < 1_000; index += 1) {
    area.know(`m-${index}`);
    area.assign(`m-${index}`, `rs-${index}`);
  }
  const table = area.table();
  expect(idsOf(table, 'rs-7')).toEqual(['m-7']);
  expect(area.asked).toEqual(['m-7']);
});

test('news wake the server that they concern, and only it', () => {
  const area = new Area();
  area.know('m-1');
  area.assign('m-1', 'rs-a');
  const table = area.table();
  const woken: string[] = [];
  const forget = table.onChange('rs-a', () => woken.push('a'));
  table.onChange('rs-b', () => woken.push('b'));
  table.machineChanged('m-1');
  table.machineChanged('m-unknown');
  expect(woken).toEqual(['a']);
  area.assign('m-1', 'rs-b');
  expect(woken).toEqual(['a', 'a', 'b']);
  forget();
  area.removeMachine('m-1');
  expect(woken).toEqual(['a', 'a', 'b', 'b']);
});

test('the answer is the same for as long as there is nothing else to tell, and another one when there is', () => {
  const area = new Area();
  area.know('m-1', 'old-name');
  area.assign('m-1', 'rs-a');
  const table = area.table();
  const first = table.of('rs-a');
  expect(table.of('rs-a')).toBe(first);
  area.know('m-1', 'new-name');
  expect(table.of('rs-a').revision).not.toBe(first.revision);
  expect(table.of('rs-a').machines[0]?.name).toBe('new-name');
});

test('a machine that was removed is told to the server that has its staging, also when it is assigned no longer', () => {
  const area = new Area();
  const table = area.table();
  const woken: string[] = [];
  for (const server of ['rs-1', 'rs-2']) table.onChange(server, () => woken.push(server));
  const before = table.of('rs-1');
  area.keepNothingOf = ['m-gone'];
  area.removeMachine('m-gone');
  expect(woken).toEqual(['rs-1']);
  expect(table.of('rs-1')).toMatchObject({ machines: [], removedMachineIds: ['m-gone'] });
  expect(table.of('rs-1').revision).not.toBe(before.revision);
  expect(table.of('rs-2').removedMachineIds).toEqual([]);
});
