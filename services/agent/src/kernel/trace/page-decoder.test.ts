/** On pages that a 6.18 kernel wrote (`recorded-ring.json`), and on pages that no kernel should write. */
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { RecordingVisitor } from '../testing/recording-visitor.ts';
import { PageDecoder } from './page-decoder.ts';
import { parseRingLayout, type RingDescription } from './ring-layout.ts';

interface Recording {
  readonly formats: RingDescription;
  readonly pages: readonly { readonly processor: number; readonly usedHex: string }[];
}

const recording = JSON.parse(readFileSync(new URL('./recorded-ring.json', import.meta.url), 'utf8')) as Recording;
const layout = parseRingLayout(recording.formats);
const LOOP0 = 7 * 2 ** 20;

function decode(
  content: Uint8Array,
  lengthBytes = layout.page.sizeBytes,
): { records: number; visitor: RecordingVisitor } {
  const page = new Uint8Array(layout.page.sizeBytes);
  page.set(content);
  const visitor = new RecordingVisitor();
  return { records: new PageDecoder(layout, page).decode(lengthBytes, visitor), visitor };
}

function recordedPage(processor: number): Buffer {
  const page = recording.pages.find((one) => one.processor === processor);
  if (page === undefined) throw new Error('the recording has no such page');
  return Buffer.from(page.usedHex, 'hex');
}

test('a recorded page gives what the kernel itself printed of it', () => {
  const { visitor } = decode(recordedPage(1));
  const short = visitor.events.map((event) => `${event.kind} ${event.operation} ${event.sector} ${event.sectorCount}`);
  expect(short).toEqual([
    'complete write 800 8',
    'issue flush 0 0',
    'complete flush 0 0',
    'complete flush 800 0', // printed as "WS 800 + 0": the end of a FUA write
    'complete flush 0 0',
    'complete flush 0 0', // printed as "WS 0 + 0": the end of an empty flush
    'complete write 808 8',
    'issue flush 0 0',
    'complete flush 0 0',
    'complete flush 808 0',
    'complete flush 0 0',
    'complete flush 0 0',
    'complete discard 16384 2048',
    'complete other 32768 2048',
    'complete write 32768 1024',
    'complete write 33792 1024',
  ]);
  expect(visitor.events.every((event) => event.deviceNumber === LOOP0)).toBe(true);
  expect(visitor.markers).toEqual([77]);
  expect(visitor.losses).toEqual([]);
});

test('queue events, the canary and time extensions are decoded, and every record is counted', () => {
  const { records, visitor } = decode(recordedPage(0));
  expect(visitor.of('queue', 'discard')).toEqual([
    { kind: 'queue', deviceNumber: LOOP0, sector: 16_384, sectorCount: 2048, operation: 'discard' },
  ]);
  expect(visitor.of('queue', 'other').map((event) => event.sector)).toEqual([32_768]);
  expect(visitor.of('complete', 'read').map((event) => event.sector)).toEqual([1920]);
  expect(records).toBe(visitor.events.length + visitor.markers.length);
  expect(records).toBe(13);
});

test('a LOST mark is a loss, with the number where the kernel gives it', () => {
  const page = recordedPage(1);
  const commit = page.readUInt32LE(layout.page.commitOffset);
  page.writeUInt32LE((commit | 0x8000_0000) >>> 0, layout.page.commitOffset);
  const without = decode(page);
  expect(without.visitor.losses).toEqual(['the kernel dropped events']);
  expect(without.visitor.events.length).toBe(16);
  const counted = Buffer.concat([page, Buffer.from([0xd2, 0x04, 0, 0, 0, 0, 0, 0])]);
  counted.writeUInt32LE((commit | 0xc000_0000) >>> 0, layout.page.commitOffset);
  expect(decode(counted).visitor.losses).toEqual(['the kernel dropped 1234 events']);
});

/** One record with these bytes, as the only one of its page. */
function pageWith(record: Uint8Array): Buffer {
  const page = Buffer.alloc(layout.page.dataOffset + 8 + record.length);
  page.writeUInt32LE(8 + record.length, layout.page.commitOffset);
  page.writeUInt32LE(0, layout.page.dataOffset); // type 0: the length stands behind it
  page.writeUInt32LE(record.length + 4, layout.page.dataOffset + 4);
  page.set(record, layout.page.dataOffset + 8);
  return page;
}

function completion(letters: string, sector: bigint, sectorCount: number): Buffer {
  const record = Buffer.alloc(layout.complete.minimumBytes + 4);
  record.writeUInt16LE(layout.complete.id, 0);
  record.writeUInt32LE(LOOP0, layout.complete.deviceOffset);
  record.writeBigUInt64LE(sector, layout.complete.sectorOffset);
  record.writeUInt32LE(sectorCount, layout.complete.sectorCountOffset);
  record.write(letters, layout.complete.lettersOffset, 'latin1');
  return record;
}

test('sectors above 2^32 are exact; a write without a sector is a loss', () => {
  const far = decode(pageWith(completion('W', 0x1234_5678_9an, 8)));
  expect(far.visitor.events[0]?.sector).toBe(0x1234_5678_9a);
  const nowhere = decode(pageWith(completion('W', 0xffff_ffff_ffff_ffffn, 8)));
  expect(nowhere.visitor.losses).toEqual(['a complete event without a sector']);
});

test.each([
  ['W', 'write'],
  ['WS', 'write'],
  ['WFSM', 'write'],
  ['FWFS', 'flushWrite'],
  ['D', 'discard'],
  ['DE', 'discard'],
  ['NS', 'other'],
  ['WZ', 'other'],
  ['ZA', 'other'],
  ['Q', 'other'],
  ['RA', 'read'],
  ['FF', 'flush'],
])('the letters %s mean %s', (letters, operation) => {
  expect(decode(pageWith(completion(letters, 8n, 8))).visitor.events[0]?.operation).toBe(operation);
});

test('a passthrough or a discard of no sectors is handed on as it is: it cannot be trusted', () => {
  expect(decode(pageWith(completion('N', 0n, 0))).visitor.events[0]).toMatchObject({
    operation: 'other',
    sectorCount: 0,
  });
  expect(decode(pageWith(completion('D', 0n, 0))).visitor.events[0]).toMatchObject({ operation: 'discard' });
});

test('an event that is not ours, and one that is too short, are losses', () => {
  const foreign = Buffer.alloc(32);
  foreign.writeUInt16LE(9, 0);
  expect(decode(pageWith(foreign)).visitor.losses).toEqual(['an event that is not ours (ID 9, 32 bytes)']);
  const short = completion('W', 8n, 8).subarray(0, 20);
  expect(decode(pageWith(short)).visitor.losses).toEqual(['a complete event of only 20 bytes']);
});

test('a page that claims more than it has is a loss, and nothing of it is believed', () => {
  const page = recordedPage(1);
  page.writeUInt32LE(5000, layout.page.commitOffset);
  const { records, visitor } = decode(page);
  expect(records).toBe(0);
  expect(visitor.events).toEqual([]);
  expect(visitor.losses).toEqual([expect.stringContaining('claims')]);
});

test('no page, whatever its bytes, throws, hangs, or reads beyond itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 256 }), fc.nat(4096), (bytes, claimed) => {
      const page = Buffer.from(bytes);
      page.writeUInt32LE(claimed, layout.page.commitOffset);
      const { records, visitor } = decode(page, 256);
      expect(records).toBeLessThanOrEqual(64);
      expect(visitor.events.length + visitor.markers.length).toBeLessThanOrEqual(records);
    }),
  );
});
