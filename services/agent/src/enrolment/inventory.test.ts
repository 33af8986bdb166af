import { expect, test } from '@jest/globals';
import { Inventory, MachineName } from '@lms/api';
import { machineNameOfHost, readInventory } from './inventory.ts';

test('the inventory is one that the manager takes', () => {
  expect(Inventory.safeParse(readInventory()).error).toBeUndefined();
});

test('every host name becomes a machine name, or none', () => {
  expect(machineNameOfHost('web-1.example.com')).toBe('web-1.example.com');
  expect(machineNameOfHost('-- mein rechner!')).toBe('mein-rechner-');
  expect(machineNameOfHost('***')).toBeNull();
  for (const name of ['web', 'a b', 'x'.repeat(100), '_a', 'ß-1']) {
    expect(MachineName.safeParse(machineNameOfHost(name)).error).toBeUndefined();
  }
});
