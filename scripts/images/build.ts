// Builds the targets that changed, and says what their names are.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCommand } from '../../test/harness/command.ts';
import type { Docker } from './docker.ts';
import { digestInputs } from './inputs.ts';
import { ensureLocalImages } from './local-images.ts';
import { imageName, TARGETS, type Naming } from './targets.ts';

/** In it: what this machine trusts, so that a build trusts it too while it lasts. Nothing of it stays in an image. */
const TRUST_STORE = '/etc/ssl/certs/ca-certificates.crt';
export const INPUTS_LABEL = 'live-migration-service.inputs';

export interface BuildOptions extends Naming {
  /** Another tag for the same images. */
  readonly alsoTag: string | null;
  /** Images to pull; null: they are made here. */
  readonly images: { readonly base: string | null } | null;
  readonly report: (line: string) => void;
}

export async function buildImages(docker: Docker, options: BuildOptions): Promise<void> {
  const parameters = await buildParameters(docker, options);
  const inputs = await digestInputs(parameters);
  const names = TARGETS.map((target) => imageName(target, options));
  const built = await docker.ask(
    'image',
    'inspect',
    '--format',
    `{{index .Config.Labels "${INPUTS_LABEL}"}}`,
    ...names,
  );
  if (
    built
      ?.trim()
      .split('\n')
      .every((label) => label === inputs)
  )
    options.report('nothing has changed');
  else await buildAll(docker, options, [...parameters, ...(await labelParameters(options, inputs))]);
  const { alsoTag } = options;
  if (alsoTag === null) return;
  for (const target of TARGETS)
    await docker.run('tag', imageName(target, options), imageName(target, { ...options, tag: alsoTag }));
}

/** The first makes what is shared; the others then take a second each. */
async function buildAll(docker: Docker, options: BuildOptions, parameters: readonly string[]): Promise<void> {
  for (const target of TARGETS) {
    options.report(imageName(target, options));
    await docker.run('build', ...parameters, '--target', target, '--tag', imageName(target, options), '.');
  }
  // What was built before and lost its name. Layers that builds may use again stay, up to a bound.
  await docker.run('image', 'prune', '--force');
  await docker.ask('builder', 'prune', '--force', '--keep-storage', '6gb');
}

/** Of what `npm install` has put there, by npm itself, which no image holds. */
export async function readNpmBill(docker: Docker, options: BuildOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'lms-npm-bill-'));
  try {
    const target = ['--target', 'npm-bill', '--output', folder];
    await docker.run('build', ...(await buildParameters(docker, options)), ...target, '.');
    return readFileSync(join(folder, 'npm.json'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function buildParameters(docker: Docker, { images, report }: BuildOptions): Promise<string[]> {
  const secret = existsSync(TRUST_STORE) ? ['--secret', `id=ca,src=${TRUST_STORE}`] : [];
  if (images !== null) return [...secret, ...(images.base === null ? [] : buildArgument('BASE_IMAGE', images.base))];
  const { base, nodeBuild, natsServer } = await ensureLocalImages(docker, report);
  return [
    ...secret,
    // A daemon of our own gives containers no way out.
    ...['--network', 'host'],
    ...buildArgument('BASE_IMAGE', base),
    ...buildArgument('NODE_BUILD_IMAGE', nodeBuild),
    ...buildArgument('NATS_SERVER', natsServer),
  ];
}

async function labelParameters({ tag }: BuildOptions, inputs: string): Promise<string[]> {
  const revision = (await requireCommand('git', ['rev-parse', 'HEAD'])).trim();
  const source = process.env['IMAGE_SOURCE'] ?? '';
  return [
    ...buildArgument('VERSION', tag),
    ...buildArgument('REVISION', revision),
    ...buildArgument('INPUTS', inputs),
    ...(source === '' ? [] : buildArgument('SOURCE', source)),
  ];
}

function buildArgument(name: string, value: string): string[] {
  return ['--build-arg', `${name}=${value}`];
}
