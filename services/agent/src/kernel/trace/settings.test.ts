import { expect, test } from '@jest/globals';
import { kernelDeviceNumber } from '@lms/linux';
import { QUEUE_FILTER, requestFilter } from './event-filter.ts';
import { instanceSettings, maskedProcessors } from './instance-folder.ts';
import { parseRingStatistics } from './ring-statistics.ts';

test("the filter names the disks in the kernel's encoding, and leaves out nothing but pure reads", () => {
  const filter = requestFilter([kernelDeviceNumber(8, 0), kernelDeviceNumber(259, 3)]);
  expect(filter).toBe(
    '(dev==8388608||dev==271581187)&&(sector==1920||(rwbs!="R"&&rwbs!="RA"&&rwbs!="RS"&&rwbs!="RM"&&rwbs!="RAS"&&rwbs!="RAM"&&rwbs!="RSM"&&rwbs!="RASM"))',
  );
});

test('a filter without disks, or with more than the kernel takes, is refused', () => {
  expect(() => requestFilter([])).toThrow('would let everything through');
  const many = Array.from({ length: 300 }, (_, minor) => kernelDeviceNumber(259, minor));
  expect(() => requestFilter(many)).toThrow('300 disks do not fit');
  expect(() => requestFilter(many.slice(0, 200))).not.toThrow();
});

test('filters are set before their events are switched on, and tracing last of all (R5)', () => {
  const files = instanceSettings([1], 4096).map(({ file }) => file);
  for (const event of ['block_bio_queue', 'block_rq_issue', 'block_rq_complete']) {
    const filter = files.indexOf(`events/block/${event}/filter`);
    expect(filter).toBeGreaterThanOrEqual(0);
    expect(filter).toBeLessThan(files.indexOf(`events/block/${event}/enable`));
  }
  expect(files.at(-1)).toBe('tracing_on');
  expect(QUEUE_FILTER).not.toContain('dev');
});

test('a mask that leaves a processor out is seen, over words of 32 bits', () => {
  expect(maskedProcessors('3\n', [0, 1])).toEqual([]);
  expect(maskedProcessors('1\n', [0, 1])).toEqual([1]);
  expect(maskedProcessors('00000001,ffffffff\n', [0, 31, 32])).toEqual([]);
  expect(maskedProcessors('ffffffff\n', [0, 32])).toEqual([32]);
});

const STATISTICS = [
  'entries: 5',
  'overrun: 12',
  'commit overrun: 3',
  'bytes: 96692',
  'oldest event ts:  2003.511079',
  'now ts:  2062.742850',
  'dropped events: 4',
  'read events: 1472',
  '',
].join('\n');

test('the figures of a ring are told apart although one label ends in another', () => {
  expect(parseRingStatistics(STATISTICS)).toEqual({
    overrun: 12,
    commitOverrun: 3,
    droppedEvents: 4,
    readEvents: 1472,
  });
});

test('a figure that is missing is an error, never 0', () => {
  expect(() => parseRingStatistics(STATISTICS.replace('read events', 'events'))).toThrow(
    'have no figure "read events:"',
  );
});
