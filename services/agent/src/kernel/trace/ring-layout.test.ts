import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parseRingLayout, type RingDescription } from './ring-layout.ts';

const { formats } = JSON.parse(readFileSync(new URL('./recorded-ring.json', import.meta.url), 'utf8')) as {
  readonly formats: RingDescription;
};

test('the formats of a 6.18 kernel are understood', () => {
  expect(parseRingLayout(formats)).toEqual({
    page: { sizeBytes: 4096, commitOffset: 8, dataOffset: 16 },
    queue: expect.objectContaining({ deviceOffset: 8, sectorOffset: 16, sectorCountOffset: 24, lettersOffset: 28 }),
    issue: expect.objectContaining({ sectorCountOffset: 24, lettersOffset: 34, lettersSize: 10, minimumBytes: 44 }),
    complete: expect.objectContaining({ sectorCountOffset: 24, lettersOffset: 34, minimumBytes: 44 }),
    marker: { id: 19, markerOffset: 8, minimumBytes: 12 },
  });
});

test('fields that moved are followed', () => {
  const moved = formats.blockRqComplete.replace('rwbs[10];\toffset:34;\tsize:10;', 'rwbs[8];\toffset:32;\tsize:8;');
  expect(parseRingLayout({ ...formats, blockRqComplete: moved }).complete).toMatchObject({
    lettersOffset: 32,
    lettersSize: 8,
  });
});

const BROKEN: readonly (readonly [keyof RingDescription, string, string, string])[] = [
  ['blockRqIssue', 'nr_sector;', 'sectors;', 'block_rq_issue has no field "nr_sector"'],
  [
    'blockRqComplete',
    'sector_t sector;\toffset:16;\tsize:8',
    'sector_t sector;\toffset:16;\tsize:4',
    '4 bytes in "sector", not 8',
  ],
  ['blockBioQueue', 'rwbs[10]', 'letters[10]', 'block_bio_queue has no field "rwbs"'],
  ['blockBioQueue', 'ID: ', 'Id: ', 'block_bio_queue has no ID'],
  ['rawData', 'int id;', 'int number;', 'raw_data has no field "id"'],
  ['rawData', 'common_type;\toffset:0', 'common_type;\toffset:4', 'raw_data does not begin with "common_type"'],
  ['headerPage', 'local_t commit', 'local_t committed', 'header_page has no field "commit"'],
  ['headerPage', 'char data', 'char content', 'header_page has no field "data"'],
  ['headerEvent', 'type == 30', 'type == 31', 'header_event does not say'],
  ['headerEvent', '27 bits', '32 bits', 'header_event does not say'],
];

test.each(BROKEN)('a kernel whose %s says otherwise ("%s" → "%s") is refused', (key, from, to, message) => {
  const text = formats[key];
  expect(text).toContain(from);
  expect(() => parseRingLayout({ ...formats, [key]: text.replace(from, to) })).toThrow(message);
});
