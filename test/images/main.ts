// Measures the images and writes the table of docs/images.md anew: node test/images/main.ts

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { TARGETS } from '../../scripts/images/targets.ts';
import { openImages } from './built-images.ts';
import { measureSizes, type ImageSize } from './sizes.ts';
import { measureStartTimes, type StartTime } from './start-times.ts';

const PAGE = 'docs/images.md';
const BEGIN = '<!-- measured by test/images/main.ts -->';
const END = '<!-- end -->';
const MEGABYTE = 1_000_000;

const docker = await openImages();
try {
  const times = await measureStartTimes(docker);
  const { images, all } = await measureSizes(docker);
  const rows = images.map((size) => row(size, times.get(size.target)));
  const table = [
    BEGIN,
    '',
    '| image | compressed, MB | unpacked, MB | of that its own, MB | start, s | until |',
    '|---|--:|--:|--:|--:|---|',
    ...rows,
    `| all ${TARGETS.length}, every layer once | ${megabytes(all.compressedBytes)} | ${megabytes(all.unpackedBytes)} | | | |`,
    '',
    `Measured on ${cpus().length} processors and ${Math.round(totalmem() / 2 ** 30)} GiB.`,
    '',
    END,
  ].join('\n');
  const page = readFileSync(PAGE, 'utf8');
  const [before = '', rest = ''] = page.split(BEGIN);
  writeFileSync(PAGE, `${before}${table}${rest.split(END)[1] ?? ''}`);
  process.stdout.write(`${table}\n`);
} finally {
  await docker.close();
}

function row({ target, whole, own }: ImageSize, time: StartTime | undefined): string {
  const seconds = time === undefined ? '' : time.medianSeconds.toFixed(1);
  const sizes = [whole.compressedBytes, whole.unpackedBytes, own.unpackedBytes].map(megabytes).join(' | ');
  return `| ${target} | ${sizes} | ${seconds} | ${time?.until ?? ''} |`;
}

function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(bytes < MEGABYTE ? 3 : 0);
}
