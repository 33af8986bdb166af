// The images, built without an image registry, and containers of them as a cluster with Pod Security "restricted" runs them.

import { readFileSync } from 'node:fs';
import process from 'node:process';
import { buildImages, type BuildOptions } from '../../scripts/images/build.ts';
import { Docker } from '../../scripts/images/docker.ts';
import { imageName, type Target } from '../../scripts/images/targets.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

export const BUILD: BuildOptions = {
  registry: '',
  tag: version,
  alsoTag: null,
  images: null,
  report: (line) => process.stderr.write(`images: ${line}\n`),
};

/** What "restricted" asks for, and a root file system that nobody can write to. The user is the image's own. */
export const RESTRICTED = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'] as const;

export async function openImages(): Promise<Docker> {
  const docker = await Docker.open();
  try {
    await buildImages(docker, BUILD);
    return docker;
  } catch (error) {
    await docker.close();
    throw error;
  }
}

export function image(target: Target): string {
  return imageName(target, BUILD);
}
