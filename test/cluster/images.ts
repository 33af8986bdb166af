// The images that are tested: built without a registry, under two tags, so that there is a version to upgrade to.

import { join } from 'node:path';
import process from 'node:process';
import { imageName } from '../../scripts/images/targets.ts';
import type { Target } from '../../scripts/images/targets.ts';
import { requireCommand } from '../harness/command.ts';
import packageJson from '../../package.json' with { type: 'json' };

const REPOSITORY = join(import.meta.dirname, '../..');

export const TAG = packageJson.version;
export const NEXT_TAG = `${TAG}-next`;

export function imageOf(target: Target, tag: string): string {
  return imageName(target, { registry: '', tag });
}

/** Quick when nothing has changed. */
export async function imagesArchive(): Promise<string> {
  const words = ['--no-registry', '--archive', '--also-tag', NEXT_TAG];
  await requireCommand(process.execPath, ['scripts/images/main.ts', ...words], { folder: REPOSITORY });
  return join(REPOSITORY, `.tools/images/${TAG}.tar`);
}
