/**
 * Power loss on a real file system (R12 to R15, R18), without a second machine: `xfs_io -x -c shutdown` ends a mounted file
 * system at once; after unmount and mount, what was not fsynced is gone.
 *
 * Each life: a process runs the store and acknowledges on a pipe; at a random moment the power goes, now and then while the
 * kernel writes back; the next life opens the store and compares every acknowledged point bit for bit.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CrashOracle, seeded } from '@lms/replication-server/store-test-support';
import type { OracleState } from '@lms/replication-server/store-test-support';
import { requireCommand, runCommand } from '../harness/command.ts';
import { unmount } from '../harness/unmount.ts';
import { TORTURE_DISKS } from './disks.ts';
import type { ReportedCall } from './reporting-oracle.ts';

export interface PowerCutOptions {
  readonly form: 'reflink' | 'journal';
  readonly cuts: number;
  readonly seed: number;
  /** Called after each life. */
  readonly onCut?: (report: PowerCutReport) => void;
}

export interface PowerCutReport {
  readonly cuts: number;
  /** Points that were acknowledged, over all lives. */
  readonly pointsAcknowledged: number;
  readonly marksAcknowledged: number;
  /** Points that a life found and compared. */
  readonly pointsCompared: number;
}

const FILE_SYSTEM_BYTES = 512 * 1024 * 1024;
/** Acknowledgements and requests after which the power goes, at most. */
const MAXIMUM_LINES = 120;
const WRITE_BACK_PROBABILITY = 0.3;

const ACKNOWLEDGEMENTS: ReadonlySet<string> = new Set<ReportedCall | 'state'>([
  'state',
  'disksAcknowledged',
  'markAcknowledged',
  'committed',
  'deleted',
  'pinChanged',
]);

interface Line {
  readonly call?: ReportedCall | 'state';
  readonly values?: readonly unknown[];
  readonly violation?: string;
  readonly ended?: string;
  readonly opened?: boolean;
  readonly resumed?: boolean;
  readonly points?: number;
}

export async function runPowerCuts(options: PowerCutOptions): Promise<PowerCutReport> {
  const place = new Place(options.form);
  try {
    await place.make();
    return await new Torture(options, place).run();
  } finally {
    await place.remove();
  }
}

/** A file system of its own on a loop device: ext4 has no clones, XFS has. */
class Place {
  readonly mountPoint: string;
  #form: 'reflink' | 'journal';
  #folder: string;
  #isMounted = false;

  constructor(form: 'reflink' | 'journal') {
    this.#form = form;
    this.#folder = mkdtempSync(join(tmpdir(), 'lms-torture-'));
    this.mountPoint = join(this.#folder, 'mount');
  }

  async make(): Promise<void> {
    const image = join(this.#folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, FILE_SYSTEM_BYTES);
    mkdirSync(this.mountPoint);
    const [program, ...parameters] =
      this.#form === 'reflink' ? ['mkfs.xfs', '-q', '-m', 'reflink=1', image] : ['mkfs.ext4', '-q', '-F', image];
    await requireCommand(program ?? '', parameters);
    await this.mount();
  }

  async mount(): Promise<void> {
    await requireCommand('mount', ['-o', 'loop', join(this.#folder, 'image'), this.mountPoint]);
    this.#isMounted = true;
  }

  async cutPower(): Promise<void> {
    await requireCommand('xfs_io', ['-x', '-c', 'shutdown', this.mountPoint]);
  }

  async unmount(): Promise<void> {
    await unmount(this.mountPoint);
    this.#isMounted = false;
  }

  async remove(): Promise<void> {
    if (this.#isMounted) await this.unmount();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

class Torture {
  #options: PowerCutOptions;
  #place: Place;
  #random: () => number;
  #oracle = new CrashOracle(TORTURE_DISKS);
  #isFirst = true;
  #report = { cuts: 0, pointsAcknowledged: 0, marksAcknowledged: 0, pointsCompared: 0 };

  constructor(options: PowerCutOptions, place: Place) {
    this.#options = options;
    this.#place = place;
    this.#random = seeded(options.seed);
  }

  async run(): Promise<PowerCutReport> {
    for (let life = 1; life <= this.#options.cuts; life += 1) {
      await this.#live(life);
      this.#report.cuts += 1;
      this.#options.onCut?.({ ...this.#report });
      await this.#place.unmount();
      await this.#place.mount();
    }
    // What the last cut left is compared as well.
    await this.#live(this.#options.cuts + 1);
    return { ...this.#report };
  }

  async #live(life: number): Promise<void> {
    const isLast = life > this.#options.cuts;
    const seed = Math.floor(this.#random() * 2 ** 31);
    let linesLeft = Math.floor(this.#random() * MAXIMUM_LINES);
    // Some lives end before they have done more than open, or while they resume.
    const isShort = this.#random() < 0.25;
    const program = fileURLToPath(new URL('store-process.ts', import.meta.url));
    const parameters = [
      '--no-warnings',
      program,
      join(this.#place.mountPoint, 'machine'),
      this.#options.form,
      String(life),
      String(seed),
    ];
    const child = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    child.stdin.end(JSON.stringify(this.#isFirst ? null : this.#oracle.toState()));
    let cut: Promise<void> | null = null;
    let failure: string | null = null;
    let resumed = false;
    for await (const text of createInterface(child.stdout)) {
      const line = JSON.parse(text) as Line;
      this.#note(line, cut !== null);
      if (line.violation !== undefined) failure = line.violation;
      if (line.ended !== undefined && cut === null) failure = `the store failed with its power on: ${line.ended}`;
      resumed ||= line.resumed === true;
      if (line.resumed === true && isLast) child.kill('SIGKILL');
      if (isLast || cut !== null || !(resumed || isShort)) continue;
      linesLeft -= 1;
      if (linesLeft <= 0) cut = this.#cut(() => child.kill('SIGKILL'));
    }
    await ended;
    await cut;
    if (failure === null && !isLast && cut === null) failure = 'the process ended before its power was cut';
    if (failure === null && isLast && !resumed) failure = 'the last process did not come to resume';
    if (failure !== null)
      throw new Error(`${failure}; form ${this.#options.form}, seed ${this.#options.seed}, life ${life}`);
  }

  async #cut(kill: () => void): Promise<void> {
    const writeBack =
      this.#random() < WRITE_BACK_PROBABILITY ? runCommand('sync', ['-f', this.#place.mountPoint]) : Promise.resolve();
    await this.#place.cutPower();
    kill();
    await writeBack;
  }

  /**
   * What is acknowledged while the file system goes down is not counted: the kernel lets an fsync that is under way just then return
   * without an error and without effect, as a loop of pwrite and fsync shows; with the power gone, that answer reaches nobody.
   */
  #note({ call, values = [], points }: Line, isCut: boolean): void {
    if (isCut && call !== undefined && ACKNOWLEDGEMENTS.has(call)) return;
    if (points !== undefined) this.#report.pointsCompared += points;
    if (call === undefined) return;
    this.#isFirst = false;
    if (call === 'committed') this.#report.pointsAcknowledged += 1;
    if (call === 'markAcknowledged') this.#report.marksAcknowledged += 1;
    applyReport(this.#oracle, call, values);
  }
}

function applyReport(oracle: CrashOracle, call: ReportedCall | 'state', values: readonly unknown[]): void {
  const [first, second, third] = values;
  switch (call) {
    case 'state':
      return oracle.restore(first as OracleState);
    case 'disksAcknowledged':
      return oracle.disksAcknowledged({ digestKey: Uint8Array.from((first as { digestKey: number[] }).digestKey) });
    case 'sending':
      return oracle.sending(first as number, second as number, third as number);
    case 'asking':
      return oracle.asking(first as { mapEpoch: string; markId: number });
    case 'markAcknowledged':
      return oracle.markAcknowledged();
    case 'committing':
      return oracle.committing(first as string);
    case 'committed':
      return oracle.committed(first as { sequence: number; checkpointId: string });
    case 'deleting':
      return oracle.deleting(first as number[]);
    case 'deleted':
      return oracle.deleted(first as number[]);
    case 'pinning':
      return oracle.pinning(first as number, second as boolean);
    case 'pinChanged':
      return oracle.pinChanged(first as number, second as boolean);
  }
}
