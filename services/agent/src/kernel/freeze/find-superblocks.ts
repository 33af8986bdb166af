/**
 * R16: every writable superblock on any of the machine's disks, each once, children before parents.
 *
 * Situation: a file system may lie on a partition, on a logical volume over two disks, on a loop device whose file lies
 * on another file system, or be mounted at two places or in a container only. Mechanism: devices on the disks are
 * collected through the block graph; file systems on them are taken; loop devices with files on those are added; again,
 * until nothing new comes.
 * Special cases: btrfs has no device number of its own: it is found by its source and by the other members of its
 * group; if its source cannot be resolved it is taken anyway, since one freeze too many does no harm.
 * Order: a file system on a loop file is the child of the one with the file: frozen first, since its last writes still
 * have to reach its parent.
 */
import { statSync } from 'node:fs';
import { deviceIdToKernelNumber, kernelNumberMajor } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import { closure, type BlockGraph } from './block-graph.ts';
import type { MountRow } from './mount-table.ts';

export interface Superblock {
  readonly deviceNumber: DeviceNumber;
  readonly fileSystemType: string;
  /** Its mounts: any of them that can be opened will do. */
  readonly mounts: readonly MountRow[];
}

/** Numbers of the block devices that this source names; empty when it names none. */
export type ResolveSource = (row: MountRow) => readonly DeviceNumber[];

/** File systems nest in loop files no deeper than this; a cycle cannot be mounted. */
const MAXIMUM_DEPTH = 64;

export function findSuperblocks(
  disks: readonly DeviceNumber[],
  mounts: readonly MountRow[],
  graph: BlockGraph,
  resolveSource: ResolveSource = resolveSourceByStat,
): Superblock[] {
  const candidates = groupBySuperblock(mounts.filter((row) => row.writable));
  const devicesOf = new Map(candidates.map((one) => [one, superblockDevices(one, graph, resolveSource)]));
  const depthOf = new Map<Superblock, number>();
  let devices = closure(graph, disks);
  for (let depth = 0; devices.size > 0 && depth < MAXIMUM_DEPTH; depth++) {
    const reached = candidates.filter((one) => {
      const own = devicesOf.get(one);
      if (own === undefined || own === 'none') return false;
      return own === 'unknown' ? depth === 0 : [...own].some((device) => devices.has(device));
    });
    for (const one of reached) depthOf.set(one, depth);
    const fileSystems = new Set(
      reached.flatMap((one) => [one.deviceNumber, ...one.mounts.map((row) => row.deviceNumber)]),
    );
    devices = closure(
      graph,
      graph.loops.filter(({ fileSystem }) => fileSystems.has(fileSystem)).map(({ loop }) => loop),
    );
  }
  return [...depthOf].sort(([, first], [, second]) => second - first).map(([superblock]) => superblock);
}

function groupBySuperblock(rows: readonly MountRow[]): Superblock[] {
  const byDevice = new Map<DeviceNumber, MountRow[]>();
  for (const row of rows) {
    const others = byDevice.get(row.deviceNumber);
    if (others === undefined) byDevice.set(row.deviceNumber, [row]);
    // The same mount is listed once for every root folder that processes of its namespace have.
    else if (others.every((other) => other.mountId !== row.mountId)) others.push(row);
  }
  return [...byDevice.values()].map((group) => {
    const [first] = group as [MountRow, ...MountRow[]];
    return { deviceNumber: first.deviceNumber, fileSystemType: first.fileSystemType, mounts: group };
  });
}

function superblockDevices(
  superblock: Superblock,
  graph: BlockGraph,
  resolveSource: ResolveSource,
): ReadonlySet<DeviceNumber> | 'unknown' | 'none' {
  if (kernelNumberMajor(superblock.deviceNumber) !== 0) return new Set([superblock.deviceNumber]);
  const named = superblock.mounts.flatMap((row) => resolveSource(row));
  if (named.length === 0) return superblock.fileSystemType === 'btrfs' ? 'unknown' : 'none';
  const members = graph.groups
    .filter((group) => named.some((device) => group.has(device)))
    .flatMap((group) => [...group]);
  return new Set([...named, ...members]);
}

/** bcachefs writes several devices with colons between them. */
function resolveSourceByStat(row: MountRow): DeviceNumber[] {
  if (!row.source.startsWith('/')) return [];
  return row.source.split(':').flatMap((path) => {
    for (const candidate of [`${row.namespaceRoot}${path}`, path]) {
      const status = statSync(candidate, { bigint: true, throwIfNoEntry: false });
      if (status?.isBlockDevice() === true) return [deviceIdToKernelNumber(status.rdev)];
    }
    return [];
  });
}
