/**
 * Finds the enrolled disks again. A disk is known by its identity, never by `sdX` (R7): when the kernel gave its old name
 * to another disk, all disks are looked at. What was found is remembered for this boot: the kernel records while the agent
 * is away, and asking a disk for its serial number again would look like a write of unknown place (R2).
 */
import { readdirSync } from 'node:fs';
import { CommandError, withExit } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { openSourceDisks } from '../kernel/index.ts';
import type { KnownDisk, OpenSourceDisk } from '../kernel/index.ts';
import type { RuntimeMemory } from '../core/index.ts';
import { z } from 'zod';
import type { AgentIdentity } from '../state/agent-identity.ts';

type EnrolledDisk = AgentIdentity['disks'][number];

const KNOWN_FILE = 'disks.json';
const KnownDisks = z.array(
  z.object({ diskId: z.string(), deviceNumber: z.int(), sizeBytes: z.int(), generation: z.string() }),
);

/** All or none, in the order of enrolment. The caller closes them. */
export async function findEnrolledDisks(
  enrolled: readonly EnrolledDisk[],
  memory: RuntimeMemory,
): Promise<readonly OpenSourceDisk[]> {
  const known = readKnown(memory);
  const paths: string[] = [];
  for (const disk of enrolled) paths.push(await pathOf(disk, known));
  let disks: readonly OpenSourceDisk[];
  try {
    disks = await openSourceDisks(paths, known);
  } catch (thrown) {
    throw withExit('failed', thrown);
  }
  const found = disks.map(({ diskId, deviceNumber, sizeBytes, generation }) => ({
    diskId,
    deviceNumber,
    sizeBytes,
    generation,
  }));
  memory.replace(KNOWN_FILE, Buffer.from(JSON.stringify(found)));
  return disks;
}

function readKnown(memory: RuntimeMemory): readonly KnownDisk[] {
  try {
    const data = memory.read(KNOWN_FILE);
    return data === null ? [] : KnownDisks.parse(JSON.parse(Buffer.from(data).toString('utf8')));
  } catch {
    return []; // An older agent's: the disks are asked once more, and compared.
  }
}

async function pathOf(disk: EnrolledDisk, known: readonly KnownDisk[]): Promise<string> {
  let refusal: unknown = null;
  try {
    if ((await diskIdAt(disk.device, known)) === disk.diskId) return disk.device;
  } catch (thrown) {
    refusal = thrown;
  }
  for (const name of readdirSync('/sys/block').sort()) {
    const path = `/dev/${name.replaceAll('!', '/')}`;
    if (path === disk.device) continue;
    // Most are refused (empty loop devices, zram): none of them was enrolled.
    if ((await diskIdAt(path, known).catch(() => null)) === disk.diskId) return path;
  }
  const why = refusal === null ? 'another disk has its name now' : toLmsError(refusal).message;
  const what = `the enrolled disk ${disk.diskId} (${disk.sizeBytes} bytes, ${disk.device} at enrolment) is not there`;
  throw new CommandError('failed', 'NOT_FOUND', `${what}: ${why}`, {
    action:
      'Attach the disk again, with its size unchanged, or uninstall the agent and enrol the disks that there are.',
  });
}

async function diskIdAt(path: string, known: readonly KnownDisk[]): Promise<string> {
  const disks = await openSourceDisks([path], known);
  await Promise.all(disks.map((disk) => disk.close()));
  return disks[0]?.diskId ?? '';
}
