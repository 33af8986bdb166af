/** Which blocks of a point have rotted, and whether verify names exactly these (R15). */
import { BLOCK_SIZE_BYTES, createDigester, DIGEST_BYTES, equalDigests } from '@lms/block-stream';
import type { StagingStore, VerifyReport } from '../../../services/replication-server/src/index.ts';
import { fillSectors, findDifference, SECTOR_BYTES } from './timeline.ts';

export interface RotVerdict {
  /** Blocks whose bytes are not what they were. */
  readonly changedBlocks: number;
  /** Null when verify names every block of which the bytes or the digest rotted, and no other. */
  readonly error: string | null;
}

/** `content`: the versions of the point's sectors, by disk, as they were when it was committed. */
export async function judgeRot(
  store: StagingStore,
  sequence: number,
  content: readonly Uint32Array[],
): Promise<RotVerdict> {
  const report = await store.verifyPoint(sequence, new AbortController().signal);
  const { rotted, changedBlocks } = await findRot(store, sequence, content);
  const named = namedBlocks(report);
  const missed = rotted.filter((block) => !named.includes(block));
  const invented = named.filter((block) => !rotted.includes(block));
  const isRight = missed.length === 0 && invented.length === 0 && report.mismatchedBlocks === rotted.length;
  const error = `${rotted.length} blocks rotted, verify counts ${report.mismatchedBlocks}, missed [${missed.join(', ')}], and names [${invented.join(', ')}] in vain`;
  return { changedBlocks, error: isRight ? null : error };
}

async function findRot(
  store: StagingStore,
  sequence: number,
  content: readonly Uint32Array[],
): Promise<{ readonly rotted: readonly string[]; readonly changedBlocks: number }> {
  const digester = createDigester(store.digestKey);
  const reader = await store.openPoint(sequence);
  const rotted: string[] = [];
  let changedBlocks = 0;
  try {
    for (const { diskId, diskIndex, sizeBytes } of reader.point.disks) {
      const versions = content[diskIndex] as Uint32Array;
      for (let offset = 0; offset < sizeBytes; offset += BLOCK_SIZE_BYTES) {
        const block = new Uint8Array(Math.min(BLOCK_SIZE_BYTES, sizeBytes - offset));
        await reader.read(diskIndex, offset, block);
        const stored = await reader.digests(diskIndex, offset / BLOCK_SIZE_BYTES, 1);
        const firstSector = offset / SECTOR_BYTES;
        const bytesRotted = findDifference(block, versions, firstSector) !== null;
        const words = new Uint32Array(block.buffer);
        for (let sector = 0; sector < block.length / SECTOR_BYTES; sector++) {
          fillSectors(words, sector, 1, versions[firstSector + sector] as number);
        }
        const digest = digester.digestBlocks(block).subarray(0, DIGEST_BYTES);
        if (bytesRotted || !equalDigests(stored, digest)) rotted.push(nameOf(diskId, offset));
        if (bytesRotted) changedBlocks++;
      }
    }
  } finally {
    await reader.close();
  }
  return { rotted, changedBlocks };
}

function namedBlocks({ mismatches }: VerifyReport): readonly string[] {
  return mismatches.flatMap(({ diskId, offsetBytes, lengthBytes }) => {
    const count = Math.ceil(lengthBytes / BLOCK_SIZE_BYTES);
    return Array.from({ length: count }, (_, index) => nameOf(diskId, offsetBytes + index * BLOCK_SIZE_BYTES));
  });
}

function nameOf(diskId: string, offsetBytes: number): string {
  return `${diskId} block ${offsetBytes / BLOCK_SIZE_BYTES}`;
}
