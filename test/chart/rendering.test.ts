// The chart rendered over many values: helm's own lint, and every object valid by the schemas of the API server that the
// other tests use.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requireCommand, runCommand } from '../harness/command.ts';
import { KubeApiServer } from '../harness/kube-api-server.ts';
import { kubeProgram } from '../harness/kube-programs.ts';
import { TemporaryFolder } from '../integration/harness/temporary-folder.ts';
import { CHART, helm, parseObjects, renderText, valuesFiles } from './harness/chart.ts';
import { policyRules } from './harness/policy-rules.ts';
import { schemaLocation, writeSchemas } from './harness/schemas.ts';

const LIMIT_MILLISECONDS = 180_000;
/** Kinds that an API server has only by definitions of others: those of test/chart/schemas. */
const OWN_SCHEMAS = join(import.meta.dirname, 'schemas');

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await TemporaryFolder.create();
  const server = await KubeApiServer.start();
  try {
    await writeFile(join(folder.path, 'kubeconfig'), server.adminKubeconfig(), { mode: 0o600 });
    const openapi = await requireCommand(kubeProgram('kubectl'), ['get', '--raw', '/openapi/v2'], {
      environment: { KUBECONFIG: join(folder.path, 'kubeconfig') },
    });
    await writeSchemas(JSON.parse(openapi), join(folder.path, 'schemas'));
  } finally {
    await server[Symbol.asyncDispose]();
  }
}, LIMIT_MILLISECONDS);
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

function validate(manifests: string): Promise<{ readonly exitCode: number; readonly stdout: string }> {
  const parameters = ['-strict', '-summary', '-verbose'];
  for (const location of [join(folder.path, 'schemas'), OWN_SCHEMAS]) {
    parameters.push('-schema-location', schemaLocation(location));
  }
  return runCommand(kubeProgram('kubeconform'), [...parameters, '-'], { input: manifests });
}

test('there are many values to try', () => {
  expect(valuesFiles().length).toBeGreaterThanOrEqual(15);
});

test.each(valuesFiles())('helm lint finds nothing with $name', async ({ path }) => {
  const { exitCode, stdout, stderr } = await helm(['lint', '--strict', CHART, '--values', path]);
  expect(`${stdout}${stderr}`).not.toMatch(/\[(WARNING|ERROR)\]/);
  expect(exitCode).toBe(0);
});

test.each(valuesFiles())('all objects are valid with $name', async ({ path }) => {
  const manifests = await renderText({ file: path });
  const { exitCode, stdout } = await validate(manifests);
  expect(stdout.split('\n').filter((line) => !line.endsWith(' is valid'))).toEqual([
    expect.stringMatching(/Valid: \d+, Invalid: 0, Errors: 0, Skipped: 0$/),
    '',
  ]);
  expect(exitCode).toBe(0);
  const names = parseObjects(manifests).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test.each([
  ['the staging area', policyRules(['staging'])],
  ['the manager', policyRules(['manager'])],
  ['source machines by a proxy', policyRules(['source', 'proxy'], { proxied: true })],
])('policies that `lms network rules` writes are valid: %s', async (_name, manifests) => {
  const { exitCode, stdout } = await validate(manifests);
  expect(stdout).toMatch(/Valid: [12], Invalid: 0, Errors: 0, Skipped: 0/);
  expect(exitCode).toBe(0);
});

test('what is not valid would be found: a field that nobody reads, and a value of another type', async () => {
  for (const wrong of ['replica: 1', 'replicas: many']) {
    const manifest = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {${wrong}}\n`;
    expect((await validate(manifest)).exitCode).toBe(1);
  }
});
