/**
 * Our instance in tracefs: made, set up, taken over from an earlier process, removed.
 *
 * The settings are one list of (file, content): written in order when the instance is made (filters before the events
 * are switched on, R5), compared when it is adopted, and compared again by every check of the running instance (R4).
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import { isSystemError, onlineProcessors } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import { QUEUE_FILTER, requestFilter } from './event-filter.ts';
import { ensureTracefs, mountedTracefs, unmountPrivateTracefs } from './tracefs.ts';
import { parseRingLayout, type RingLayout } from './ring-layout.ts';

/** 4 MiB a processor: half a second of 173,000 requests a second, measured without an overrun. */
export const DEFAULT_BUFFER_SIZE_KIB = 4096;

const NAME_PATTERN = /^lms-[a-z0-9-]{1,64}$/;
export const EVENTS = ['block_bio_queue', 'block_rq_issue', 'block_rq_complete'] as const;

export interface Setting {
  /** Relative to the instance. */
  readonly file: string;
  readonly content: string;
  /** The kernel rounds up what was asked for: any number from `content` on is right. */
  readonly atLeast?: true;
}

/** In the order in which they are written. `tracing_on` is last: nothing is recorded before all else is set. */
export function instanceSettings(deviceNumbers: readonly DeviceNumber[], bufferSizeKib: number): Setting[] {
  const filter = requestFilter(deviceNumbers);
  return [
    { file: 'buffer_size_kb', content: String(bufferSizeKib), atLeast: true },
    { file: 'options/markers', content: '1' },
    { file: 'current_tracer', content: 'nop' },
    { file: 'events/block/block_bio_queue/filter', content: QUEUE_FILTER },
    { file: 'events/block/block_rq_issue/filter', content: filter },
    { file: 'events/block/block_rq_complete/filter', content: filter },
    ...EVENTS.map((event) => ({ file: `events/block/${event}/enable`, content: '1' })),
    { file: 'tracing_on', content: '1' },
  ];
}

/** Empty in a new instance, and to stay so: each leaves processes out. */
const PROCESS_FILTERS = ['set_event_pid', 'set_event_notrace_pid'] as const;
/** Files whose content is what the kernel gives a new instance, and must stay so. */
export const UNTOUCHED_FILES = [...PROCESS_FILTERS, 'tracing_cpumask'] as const;

export interface PreparedInstance {
  readonly folder: string;
  readonly adopted: boolean;
}

/**
 * The instance, set up and recording. `adopt` keeps what an earlier process left when every setting is as it must be;
 * otherwise, and with `fresh`, it is made anew. FAILED_PRECONDITION when another process still reads the old one.
 */
export async function prepareInstance(
  name: string,
  settings: readonly Setting[],
  mode: 'adopt' | 'fresh',
): Promise<PreparedInstance> {
  const folder = join(await ensureTracefs(), 'instances', checkName(name));
  if (existsSync(folder)) {
    if (mode === 'adopt' && settingDifference(folder, settings) === null) return { folder, adopted: true };
    removeFolder(folder, name);
  }
  try {
    mkdirSync(folder);
    for (const { file, content } of [{ file: 'tracing_on', content: '0' }, ...settings]) {
      writeFileSync(join(folder, file), content);
    }
  } catch (thrown) {
    if (existsSync(folder)) removeFolder(folder, name);
    throw new LmsError('UNSUPPORTED', `the kernel's tracing cannot be set up: ${(thrown as Error).message}`, {
      action: 'Run the agent as root on a kernel with block events that is not locked down.',
      cause: thrown,
    });
  }
  const difference = settingDifference(folder, settings);
  if (difference !== null) {
    removeFolder(folder, name);
    throw new LmsError('UNSUPPORTED', `the kernel's tracing cannot be set up: ${difference}`);
  }
  return { folder, adopted: false };
}

/** What is not as it must be, in words; null when all is. */
export function settingDifference(folder: string, settings: readonly Setting[]): string | null {
  for (const { file, content, atLeast } of settings) {
    const now = readFileSync(join(folder, file), 'latin1').trim();
    if (atLeast === true ? !(Number(now) >= Number(content)) : now !== content)
      return `${file} is "${now}", not "${content}"`;
  }
  for (const file of PROCESS_FILTERS) {
    const processes = readFileSync(join(folder, file), 'latin1').trim();
    if (processes !== '') return `${file} leaves processes out`;
  }
  const masked = maskedProcessors(readFileSync(join(folder, 'tracing_cpumask'), 'latin1'), onlineProcessors());
  if (masked.length > 0) return `tracing_cpumask leaves out processors ${masked.join(' and ')}`;
  const enabled = readFileSync(join(folder, 'set_event'), 'latin1').trim().split('\n').sort().join(' ');
  const wanted = EVENTS.map((event) => `block:${event}`)
    .sort()
    .join(' ');
  return enabled === wanted ? null : `events "${enabled}" are on, not "${wanted}"`;
}

/** `mask`: hexadecimal words of 32 bits, the highest first, with commas between them. */
export function maskedProcessors(mask: string, processors: readonly number[]): number[] {
  const bits = BigInt(`0x${mask.trim().replaceAll(',', '')}`);
  return processors.filter((processor) => ((bits >> BigInt(processor)) & 1n) === 0n);
}

export function readRingLayout(folder: string): RingLayout {
  const text = (file: string): string => readFileSync(join(folder, 'events', file), 'latin1');
  // Older kernels describe the page and the marker at the top only, beside all instances.
  const top = (file: string): string =>
    existsSync(join(folder, 'events', file)) ? text(file) : readFileSync(join(folder, '../../events', file), 'latin1');
  return parseRingLayout({
    headerPage: top('header_page'),
    headerEvent: top('header_event'),
    blockBioQueue: text('block/block_bio_queue/format'),
    blockRqIssue: text('block/block_rq_issue/format'),
    blockRqComplete: text('block/block_rq_complete/format'),
    rawData: top('ftrace/raw_data/format'),
  });
}

/** For uninstall: removes the instance, and our own mount of tracefs when nothing of ours is left. Says what it removed. */
export function removeTraceInstance(name: string): string[] {
  const removed: string[] = [];
  const tracefs = mountedTracefs();
  if (tracefs === null) return removed;
  const folder = join(tracefs, 'instances', checkName(name));
  if (existsSync(folder)) {
    removeFolder(folder, name);
    removed.push(`trace instance ${name}`);
  }
  const others = readdirSync(join(tracefs, 'instances')).filter((other) => other.startsWith('lms-'));
  if (others.length === 0 && unmountPrivateTracefs()) removed.push(`mount of tracefs at ${tracefs}`);
  return removed;
}

/** Of this product's instances, whoever made them; none where tracefs is not mounted. */
export function traceInstanceNames(): string[] {
  const tracefs = mountedTracefs();
  if (tracefs === null) return [];
  return readdirSync(join(tracefs, 'instances')).filter((name) => NAME_PATTERN.test(name));
}

/** The kernel's object, not its name: another instance of the same name has another number. */
export function instanceIdentity(folder: string): bigint {
  return statSync(folder, { bigint: true }).ino;
}

function removeFolder(folder: string, name: string): void {
  try {
    rmdirSync(folder);
  } catch (thrown) {
    if (!isSystemError(thrown, 'EBUSY')) throw thrown;
    throw new LmsError('FAILED_PRECONDITION', `trace instance ${name} is in use by another process`, {
      action: `End the process that has files below ${folder} open.`,
      cause: thrown,
    });
  }
}

function checkName(name: string): string {
  if (!NAME_PATTERN.test(name)) throw new RangeError(`not a name of a trace instance: ${name}`);
  return name;
}
