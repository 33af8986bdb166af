/**
 * Finds the enrolled disks again. A disk is known by its identity, never by `sdX` (R7): when the kernel gave its old name
 * to another disk, all disks are looked at.
 */
import { readdirSync } from 'node:fs';
import { CommandError, withExit } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { openSourceDisks } from '../kernel/index.ts';
import type { OpenSourceDisk } from '../kernel/index.ts';
import type { AgentIdentity } from '../state/agent-identity.ts';

type EnrolledDisk = AgentIdentity['disks'][number];

/** All or none, in the order of enrolment. The caller closes them. */
export async function findEnrolledDisks(enrolled: readonly EnrolledDisk[]): Promise<readonly OpenSourceDisk[]> {
  const paths: string[] = [];
  for (const disk of enrolled) paths.push(await pathOf(disk));
  try {
    return await openSourceDisks(paths);
  } catch (thrown) {
    throw withExit('failed', thrown);
  }
}

async function pathOf(disk: EnrolledDisk): Promise<string> {
  let refusal: unknown = null;
  try {
    if ((await diskIdAt(disk.device)) === disk.diskId) return disk.device;
  } catch (thrown) {
    refusal = thrown;
  }
  for (const name of readdirSync('/sys/block').sort()) {
    const path = `/dev/${name.replaceAll('!', '/')}`;
    if (path === disk.device) continue;
    // Most are refused (empty loop devices, zram): none of them was enrolled.
    if ((await diskIdAt(path).catch(() => null)) === disk.diskId) return path;
  }
  const why = refusal === null ? 'another disk has its name now' : toLmsError(refusal).message;
  const what = `the enrolled disk ${disk.diskId} (${disk.sizeBytes} bytes, ${disk.device} at enrolment) is not there`;
  throw new CommandError('failed', 'NOT_FOUND', `${what}: ${why}`, {
    action:
      'Attach the disk again, with its size unchanged, or uninstall the agent and enrol the disks that there are.',
  });
}

async function diskIdAt(path: string): Promise<string> {
  const disks = await openSourceDisks([path]);
  await Promise.all(disks.map((disk) => disk.close()));
  return disks[0]?.diskId ?? '';
}
