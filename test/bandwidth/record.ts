// Records write traces of real programs on a real file system.
//
// A loop disk with ext4, the program on it, and the kernel's own block events, with the instants at which requests were
// issued. What comes out is in `traces/`: it is checked in, so that fitting and tests replay the same writes everywhere.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../harness/cleanup.ts';
import { requireCommand } from '../harness/command.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { RECORDINGS } from './recordings.ts';
import { saveTrace, type TracedWrite } from './write-trace.ts';

const DISK_BYTES = 256 * 1024 * 1024;
const INSTANCE = '/sys/kernel/tracing/instances/lms-record';
const EVENT_PATTERN = /(\d+\.\d+): block_rq_issue: \S+ \S*W\S* (\d+) \(.*?\) (\d+) \+/;

export async function record(name: string): Promise<void> {
  const recording = RECORDINGS[name];
  if (recording === undefined) throw new Error(`no recording ${name}: ${Object.keys(RECORDINGS).join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'lms-record-'));
  const cleanup = new Cleanup();
  cleanup.add('remove the folder', () => rmSync(folder, { recursive: true, force: true }));
  try {
    const disk = await LoopDisk.create({ folder, name: 'recorded', sizeBytes: DISK_BYTES, cleanup });
    // Whole at once: what the kernel would write later in the background is no program's write.
    await requireCommand('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', disk.device]);
    const mount = await disk.mount();
    const running = await recording.prepare(mount, cleanup);
    await requireCommand('sync', ['--file-system', mount]);
    const device = (await requireCommand('lsblk', ['--noheadings', '--output', 'MAJ:MIN', disk.device])).trim();
    startRecording(device, cleanup);
    await running(recording.seconds);
    const writes = readWrites(recording.seconds);
    saveTrace(name, writes);
    const bytes = writes.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    process.stdout.write(`${name}: ${writes.length} writes, ${Math.round(bytes / 1024)} KiB\n`);
  } finally {
    for (const problem of await cleanup.run()) process.stderr.write(`${problem}\n`);
  }
}

function startRecording(device: string, cleanup: Cleanup): void {
  const [major, minor] = device.split(':').map(Number) as [number, number];
  cleanup.add('remove the trace instance', () => rmdirSync(INSTANCE));
  mkdirSync(INSTANCE);
  const set = (file: string, content: string): void => writeFileSync(join(INSTANCE, file), content);
  set('buffer_size_kb', '16384');
  set('trace_clock', 'mono');
  set('events/block/block_rq_issue/filter', `dev==${major * 2 ** 20 + minor}`);
  set('events/block/block_rq_issue/enable', '1');
}

function readWrites(seconds: number): readonly TracedWrite[] {
  writeFileSync(join(INSTANCE, 'tracing_on'), '0');
  const found = readFileSync(join(INSTANCE, 'trace'), 'latin1')
    .split('\n')
    .map((line) => EVENT_PATTERN.exec(line));
  const events = found.filter((match) => match !== null && Number(match[2]) > 0) as RegExpExecArray[];
  const beganAt = Math.min(...events.map((match) => Number(match[1])));
  return events
    .map((match) => ({
      milliseconds: Math.round((Number(match[1]) - beganAt) * 1000),
      offsetBytes: Number(match[3]) * 512,
      lengthBytes: Number(match[2]),
    }))
    .filter(({ milliseconds }) => milliseconds < seconds * 1000)
    .toSorted((a, b) => a.milliseconds - b.milliseconds);
}
