/**
 * The layout of ring-buffer pages and of the events in them, from the kernel's own description.
 *
 * Fields move between kernels, so nothing is assumed: a field that is missing, or has another size than the decoder
 * reads, refuses this kernel with a message. Numbers are little-endian, as on every machine that we support.
 */
import { LmsError } from '@lms/errors';

export interface PageLayout {
  /** Bytes of one page as `trace_pipe_raw` hands it out. */
  readonly sizeBytes: number;
  readonly commitOffset: number;
  readonly dataOffset: number;
}

export interface BlockEventLayout {
  readonly id: number;
  readonly deviceOffset: number;
  readonly sectorOffset: number;
  readonly sectorCountOffset: number;
  readonly lettersOffset: number;
  readonly lettersSize: number;
  /** A record shorter than this cannot hold the fields. */
  readonly minimumBytes: number;
}

export interface MarkerLayout {
  readonly id: number;
  readonly markerOffset: number;
  readonly minimumBytes: number;
}

export interface RingLayout {
  readonly page: PageLayout;
  readonly queue: BlockEventLayout;
  readonly issue: BlockEventLayout;
  readonly complete: BlockEventLayout;
  readonly marker: MarkerLayout;
}

export interface RingDescription {
  readonly headerPage: string;
  readonly headerEvent: string;
  readonly blockBioQueue: string;
  readonly blockRqIssue: string;
  readonly blockRqComplete: string;
  readonly rawData: string;
}

interface Field {
  readonly offset: number;
  readonly size: number;
}

export function parseRingLayout(description: RingDescription): RingLayout {
  checkEventHeader(description.headerEvent);
  const queue = parseBlockEvent('block_bio_queue', description.blockBioQueue);
  const issue = parseBlockEvent('block_rq_issue', description.blockRqIssue);
  const complete = parseBlockEvent('block_rq_complete', description.blockRqComplete);
  const marker = parseMarker(description.rawData);
  if (new Set([queue.id, issue.id, complete.id, marker.id]).size !== 4) throw unsupported('events', 'share one ID');
  return { page: parsePage(description.headerPage), queue, issue, complete, marker };
}

function parsePage(text: string): PageLayout {
  const what = 'header_page';
  const fields = parseFields(text);
  const commit = requireField(fields, what, 'commit', 8);
  const data = fields.get('data');
  if (data === undefined) throw unsupported(what, 'has no field "data"');
  return { sizeBytes: data.offset + data.size, commitOffset: commit.offset, dataOffset: data.offset };
}

/** The four kinds of entries that the decoder steps over have had these numbers since 2009; if not, it must not guess. */
function checkEventHeader(text: string): void {
  const wanted: readonly RegExp[] = [
    /type_len\s*:\s*5 bits/,
    /time_delta\s*:\s*27 bits/,
    /array\s*:\s*32 bits/,
    /padding\s*:\s*type == 29\b/,
    /time_extend\s*:\s*type == 30\b/,
    /data max type_len\s*== 28\b/,
  ];
  for (const pattern of wanted) {
    if (!pattern.test(text)) throw unsupported('header_event', `does not say ${pattern.source}`);
  }
}

function parseBlockEvent(name: string, text: string): BlockEventLayout {
  const fields = parseFields(text);
  checkCommonType(fields, name);
  const device = requireField(fields, name, 'dev', 4);
  const sector = requireField(fields, name, 'sector', 8);
  const sectorCount = requireField(fields, name, 'nr_sector', 4);
  const letters = fields.get('rwbs');
  if (letters === undefined || letters.size < 2) throw unsupported(name, 'has no field "rwbs"');
  const ends = [device, sector, sectorCount, letters].map((field) => field.offset + field.size);
  return {
    id: parseId(name, text),
    deviceOffset: device.offset,
    sectorOffset: sector.offset,
    sectorCountOffset: sectorCount.offset,
    lettersOffset: letters.offset,
    lettersSize: letters.size,
    minimumBytes: Math.max(...ends),
  };
}

function parseMarker(text: string): MarkerLayout {
  const name = 'raw_data';
  const fields = parseFields(text);
  checkCommonType(fields, name);
  const marker = requireField(fields, name, 'id', 4);
  return { id: parseId(name, text), markerOffset: marker.offset, minimumBytes: marker.offset + marker.size };
}

/** Every record begins with the ID of its event; the decoder reads it before it knows which event it has. */
function checkCommonType(fields: ReadonlyMap<string, Field>, name: string): void {
  const type = requireField(fields, name, 'common_type', 2);
  if (type.offset !== 0) throw unsupported(name, 'does not begin with "common_type"');
}

function parseId(name: string, text: string): number {
  const match = /^ID:\s*(\d+)$/m.exec(text);
  if (match === null) throw unsupported(name, 'has no ID');
  return Number(match[1]);
}

function requireField(fields: ReadonlyMap<string, Field>, what: string, name: string, size: number): Field {
  const field = fields.get(name);
  if (field === undefined) throw unsupported(what, `has no field "${name}"`);
  if (field.size !== size) throw unsupported(what, `has ${field.size} bytes in "${name}", not ${size}`);
  return field;
}

function parseFields(text: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  const pattern = /field:\s*[^;]*?(\w+)(?:\[\w*\])?;\s*offset:(\d+);\s*size:(\d+);/g;
  for (const [, name, offset, size] of text.matchAll(pattern)) {
    fields.set(name as string, { offset: Number(offset), size: Number(size) });
  }
  return fields;
}

function unsupported(what: string, why: string): LmsError {
  return new LmsError('UNSUPPORTED', `this kernel's trace format is not known: ${what} ${why}`, {
    action: 'Report the kernel version (uname -r) and the format file; this agent cannot track changes on this kernel.',
  });
}
