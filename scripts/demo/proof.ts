// What the exported images have to stand.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Point } from '@lms/api';
import { Cleanup } from '../../test/harness/cleanup.ts';
import { requireCommand, runCommand } from '../../test/harness/command.ts';
import { firstDifference, sha256OfDisk } from '../../test/harness/disk-content.ts';
import { LoopDisk } from '../../test/harness/loop-disk.ts';
import { readOrderedFolder } from '../../test/harness/ordered-writer.ts';

export interface Equality {
  readonly disk: LoopDisk;
  readonly imagePath: string;
  readonly point: Point;
}

export async function proveEqual({ disk, imagePath, point }: Equality): Promise<string> {
  const source = await sha256OfDisk(disk.device);
  const replica = await sha256OfDisk(imagePath);
  const lines = [`${source}  ${disk.device}`, `${replica}  ${imagePath}`];
  const said = point.disks[0]?.sha256 ?? null;
  if (said !== null) lines.push(`${said}  what the point says`);
  if (source !== replica || (said !== null && said !== source)) {
    const offset = firstDifference(disk.device, imagePath);
    throw new Error(`the replica is NOT equal to the source (first difference at ${offset}):\n${lines.join('\n')}`);
  }
  return lines.join('\n');
}

export interface Goodness {
  readonly imagePath: string;
  readonly folder: string;
  readonly cleanup: Cleanup;
  /** Entries that were durable on the source before the point was asked for. */
  readonly leastEntries: number;
}

export async function proveGood({ imagePath, folder, cleanup, leastEntries }: Goodness): Promise<string> {
  // A copy: mounting it read-write replays the journal, as the target machine will.
  const copyPath = join(folder, 'mounted-copy.raw');
  copyFileSync(imagePath, copyPath);
  const mounts = new Cleanup();
  cleanup.add('put the mounted copy away', async () => {
    const problems = await mounts.run();
    if (problems.length > 0) throw new Error(problems.join('; '));
  });
  const copy = await LoopDisk.attach(copyPath, { folder, name: 'mounted-copy', sizeBytes: 0, cleanup: mounts });
  const mountPoint = await copy.mount();
  const checksums = await runCommand('bash', [
    '-c',
    'cd "$1" && sha256sum --check --quiet tree.sha256',
    'bash',
    mountPoint,
  ]);
  if (checksums.exitCode !== 0) throw new Error(`files differ in the replica: ${checksums.stdout}${checksums.stderr}`);
  const count = await requireCommand('bash', ['-c', 'wc -l < "$1/tree.sha256"', 'bash', mountPoint]);
  const ordered = await readOrderedFolder(join(mountPoint, 'ordered'));
  if (ordered.problems.length > 0) throw new Error(`the image is not of one instant: ${ordered.problems.join(', ')}`);
  if (ordered.entries < leastEntries)
    throw new Error(`the image has ${ordered.entries} entries, ${leastEntries} were durable before it was asked for`);
  await copy.unmount(mountPoint);
  const check = await runCommand('e2fsck', ['-f', '-n', copy.device]);
  if (check.exitCode !== 0) throw new Error(`e2fsck -fn: exit code ${check.exitCode}\n${check.stdout}${check.stderr}`);
  return [
    `${count.trim()} files match their checksums`,
    `${ordered.filesRead} files of the ordered writer match its log (${ordered.entries} entries, at least ${leastEntries} required)`,
    `e2fsck -fn: 0 (${check.stdout.trim().split('\n').at(-1)})`,
  ].join('\n');
}
