// How large images are: as they travel (each layer compressed by gzip) and as they lie on a node, and what of it is shared.

import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { writeArchive } from '../../scripts/images/archive.ts';
import type { Docker } from '../../scripts/images/docker.ts';
import { TARGETS, type Target } from '../../scripts/images/targets.ts';
import { requireCommand } from '../harness/command.ts';
import { image } from './built-images.ts';

interface Size {
  readonly compressedBytes: number;
  readonly unpackedBytes: number;
}

export interface ImageSize {
  readonly target: Target;
  readonly whole: Size;
  /** Layers that no other image has. */
  readonly own: Size;
}

export interface Sizes {
  readonly images: readonly ImageSize[];
  /** Every layer once. */
  readonly all: Size;
}

interface Layer {
  readonly digest: string;
  readonly size: number;
}

export async function measureSizes(docker: Docker): Promise<Sizes> {
  const folder = mkdtempSync(join(tmpdir(), 'lms-sizes-'));
  try {
    await writeArchive(docker, TARGETS.map(image), join(folder, 'archive.tar'));
    await requireCommand('tar', ['--extract', '--file', join(folder, 'archive.tar'), '--directory', folder]);
    return await sizesOf(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sizesOf(folder: string): Promise<Sizes> {
  const blob = (digest: string): string => join(folder, 'blobs', digest.replace(':', '/'));
  const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
    manifests: { digest: string; annotations: Record<string, string> }[];
  };
  const layersOf = new Map<string, readonly Layer[]>();
  for (const { digest, annotations } of manifests) {
    const { layers } = JSON.parse(readFileSync(blob(digest), 'utf8')) as { layers: Layer[] };
    layersOf.set(/([^/]*):/.exec(annotations['io.containerd.image.name'] ?? '')?.[1] ?? '', layers);
  }
  const sizes = new Map<string, Size>();
  for (const { digest, size } of [...layersOf.values()].flat())
    if (!sizes.has(digest)) sizes.set(digest, { unpackedBytes: size, compressedBytes: await gzipSize(blob(digest)) });
  const sum = (digests: Iterable<string>): Size => {
    const chosen = [...new Set(digests)].map((digest) => sizes.get(digest) ?? { compressedBytes: 0, unpackedBytes: 0 });
    return {
      compressedBytes: chosen.reduce((total, { compressedBytes }) => total + compressedBytes, 0),
      unpackedBytes: chosen.reduce((total, { unpackedBytes }) => total + unpackedBytes, 0),
    };
  };
  const images = TARGETS.map((target) => {
    const mine = (layersOf.get(target) ?? []).map(({ digest }) => digest);
    const others = [...layersOf].filter(([name]) => name !== target).flatMap(([, layers]) => layers);
    const shared = new Set(others.map(({ digest }) => digest));
    return { target, whole: sum(mine), own: sum(mine.filter((digest) => !shared.has(digest))) };
  });
  return { images, all: sum(sizes.keys()) };
}

async function gzipSize(path: string): Promise<number> {
  let bytes = 0;
  const count = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of pieces) bytes += piece.length;
  };
  await pipeline(createReadStream(path), createGzip(), count);
  return bytes;
}
