import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { formatResult, type Result } from './output.ts';
import { formatBytes, formatFields, formatTable } from './table.ts';

const result: Result = {
  value: { machines: [{ id: 'm-1', lagSeconds: null }], nextPageToken: null },
  names: () => ['m-1', 'm-2'],
  table: () => 'a table',
};

test('json and yaml print the value as the API has it, null included', () => {
  expect(JSON.parse(formatResult(result, 'json'))).toEqual(result.value);
  expect(parse(formatResult(result, 'yaml'))).toEqual(result.value);
});

test('name prints one line for each thing, and nothing where there is nothing', () => {
  expect(formatResult(result, 'name')).toBe('m-1\nm-2\n');
  expect(formatResult({ ...result, names: () => [] }, 'name')).toBe('');
  expect(formatResult(result, 'table')).toBe('a table\n');
});

test('a name from another machine cannot send control characters to the terminal', () => {
  expect(formatTable(['NAME'], [['evil\u001b[2Jname']])).toBe('NAME\nevil?[2Jname');
  expect(formatFields([['name', 'a\rb']])).toBe('name: a?b');
});

test('columns are aligned and lines carry no spaces at their end', () => {
  expect(
    formatTable(
      ['ID', 'NAME'],
      [
        ['long-id', ''],
        ['x', 'y'],
      ],
    ),
  ).toBe('ID       NAME\nlong-id\nx        y');
});

test('sizes have units, and unknown is "unknown"', () => {
  expect([null, 0, 1023, 1024, 1_572_864, 2 ** 40].map(formatBytes)).toEqual([
    'unknown',
    '0 B',
    '1023 B',
    '1 KiB',
    '1.5 MiB',
    '1 TiB',
  ]);
});
