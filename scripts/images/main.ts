// make images [IMAGE_TAG=…] [IMAGE_REGISTRY=…] [BASE_IMAGE=…]
//
// Builds the images of the Dockerfile with Docker, and writes the bill of materials of each (CycloneDX) to .tools/images/TAG.
//
//   --no-registry   pull nothing: base and build images are made here, from Debian's packages
//   --archive       write them to .tools/images/TAG.tar, for `ctr images import` or `docker load`, instead of the bills
//   --also-tag TAG  give them a second tag, in the archive too

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { writeArchive } from './archive.ts';
import { buildImages, type BuildOptions } from './build.ts';
import { writeBills } from './bill-of-materials.ts';
import { Docker } from './docker.ts';
import { digestInputs } from './inputs.ts';
import { imageName, TARGETS } from './targets.ts';

const FOLDER = '.tools/images';

const { values } = parseArgs({
  options: {
    'no-registry': { type: 'boolean', default: false },
    archive: { type: 'boolean', default: false },
    'also-tag': { type: 'string' },
  },
});

function variable(name: string): string | null {
  const value = process.env[name] ?? '';
  return value === '' ? null : value;
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const options: BuildOptions = {
  registry: variable('IMAGE_REGISTRY') ?? '',
  tag: variable('IMAGE_TAG') ?? version,
  alsoTag: values['also-tag'] ?? null,
  images: values['no-registry'] ? null : { base: variable('BASE_IMAGE') },
  report: (line) => process.stderr.write(`images: ${line}\n`),
};

const archive = join(FOLDER, `${options.tag}.tar`);
const stampFile = `${archive}.stamp`;
const stamp = await digestInputs([JSON.stringify({ ...options, ...values })]);
mkdirSync(FOLDER, { recursive: true });

if (values.archive && existsSync(archive) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp)
  options.report(`${archive} is up to date`);
else await build();

async function build(): Promise<void> {
  const docker = await Docker.open();
  try {
    await buildImages(docker, options);
    if (values.archive) await archiveImages(docker);
    else await writeBills(docker, options, join(FOLDER, options.tag));
  } finally {
    await docker.close();
  }
}

async function archiveImages(docker: Docker): Promise<void> {
  rmSync(stampFile, { force: true });
  const tags = [options.tag, ...(options.alsoTag === null ? [] : [options.alsoTag])];
  const names = tags.flatMap((tag) => TARGETS.map((target) => imageName(target, { ...options, tag })));
  options.report(archive);
  await writeArchive(docker, names, archive);
  writeFileSync(stampFile, stamp);
}
