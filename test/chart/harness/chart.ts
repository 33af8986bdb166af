// The chart as helm renders it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { requireCommand, runCommand, type CommandResult } from '../../harness/command.ts';
import { kubeProgram } from '../../harness/kube-programs.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
export const CHART = join(REPOSITORY, 'charts/live-migration-service');
export const RELEASE = 'lms';
export const NAMESPACE = 'lms';

const OBJECT = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
});
export type ChartObject = z.infer<typeof OBJECT>;

export interface ValuesFile {
  readonly name: string;
  readonly path: string;
}

/** The examples that people are shown, and what else there is to be tried. */
export function valuesFiles(): readonly ValuesFile[] {
  return [join(CHART, 'examples'), join(import.meta.dirname, '../values')].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.yaml'))
      .sort()
      .map((file) => ({ name: file.replace('.yaml', ''), path: join(folder, file) })),
  );
}

export function valuesNamed(name: string): string {
  const found = valuesFiles().find((file) => file.name === name);
  if (found === undefined) throw new Error(`there are no values ${name}`);
  return found.path;
}

export type Values = Readonly<Record<string, unknown>>;

/** Helm 4 as an operator runs it, except that nothing of this machine's own configuration is looked at. */
export function helm(
  parameters: readonly string[],
  options: { readonly values?: Values; readonly kubeconfig?: string } = {},
): Promise<CommandResult> {
  return runCommand(kubeProgram('helm'), withValues(parameters, options.values), {
    input: JSON.stringify(options.values ?? {}),
    environment: { KUBECONFIG: options.kubeconfig ?? '/dev/null', HELM_NAMESPACE: NAMESPACE },
  });
}

function withValues(parameters: readonly string[], values: Values | undefined): readonly string[] {
  return values === undefined ? parameters : [...parameters, '--values', '-'];
}

/** What `helm template` writes. */
export async function renderText(options: { readonly file?: string; readonly values?: Values } = {}): Promise<string> {
  const parameters = ['template', RELEASE, CHART, '--namespace', NAMESPACE, '--kube-version', '1.37.0'];
  if (options.file !== undefined) parameters.push('--values', options.file);
  return requireCommand(kubeProgram('helm'), withValues(parameters, options.values), {
    input: JSON.stringify(options.values ?? {}),
    environment: { KUBECONFIG: '/dev/null' },
  });
}

export async function render(
  options: { readonly file?: string; readonly values?: Values } = {},
): Promise<readonly ChartObject[]> {
  return parseObjects(await renderText(options));
}

export function parseObjects(text: string): readonly ChartObject[] {
  return parseAllDocuments(text)
    .map((document) => {
      const [error] = document.errors;
      if (error !== undefined) throw error;
      return document.toJS() as unknown;
    })
    .filter((content) => content !== null)
    .map((content) => OBJECT.parse(content));
}

export function find(objects: readonly ChartObject[], kind: string, name: string): ChartObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`the chart makes no ${kind} ${name}`);
  return found;
}

export function readChartFile(path: string): string {
  return readFileSync(join(CHART, path), 'utf8');
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8');
}
