// What `skaffold dev` would install: the chart, rendered by helm with the values that Skaffold would hand to it.

import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { requireCommand } from '../harness/command.ts';
import { kubeProgram } from '../harness/kube-programs.ts';
import { REPOSITORY, type SkaffoldFile } from './skaffold-file.ts';

export interface BuiltImage {
  readonly repository: string;
  readonly tag: string;
  /** Empty: loaded into a node, and never pushed. */
  readonly digest: string;
}

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
}

export interface RenderedChart {
  readonly manifests: readonly Manifest[];
  /** Every image that is named anywhere: in pods, and in the settings of who makes pods. */
  readonly images: readonly string[];
}

export function imageReference({ repository, tag, digest }: BuiltImage): string {
  return digest === '' ? `${repository}:${tag}` : `${repository}@${digest}`;
}

export async function renderChart(
  file: SkaffoldFile,
  built: ReadonlyMap<string, BuiltImage>,
  environment: Readonly<Record<string, string>> = {},
): Promise<RenderedChart> {
  const [release] = file.deploy.helm.releases;
  const variables = new Map(Object.entries(environment));
  for (const [image, { repository, tag, digest }] of built) {
    const name = image.replaceAll(/[/\-.:]/g, '_');
    variables.set(`IMAGE_REPO_${name}`, repository).set(`IMAGE_TAG_${name}`, tag).set(`IMAGE_DIGEST_${name}`, digest);
  }
  const values = {
    ...release.setValues,
    ...Object.fromEntries(
      Object.entries(release.setValueTemplates).map(([key, template]) => [key, expand(template, variables)]),
    ),
  };
  const text = await requireCommand(kubeProgram('helm'), [
    'template',
    release.name,
    join(REPOSITORY, release.chartPath),
    `--namespace=${release.namespace}`,
    ...release.valuesFiles.map((path) => `--values=${join(REPOSITORY, path)}`),
    ...Object.entries(values).map(([key, value]) => `--set=${key}=${value}`),
  ]);
  const manifests = parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
  return { manifests, images: [...new Set(imagesIn(manifests))] };
}

/** A ConfigMap holds the settings of staging-controller as JSON: replication servers' image stands there only. */
function imagesIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (typeof inner !== 'string') return imagesIn(inner);
    if (key.endsWith('.json')) return imagesIn(JSON.parse(inner));
    return key === 'image' ? [inner] : [];
  });
}

/** The two forms of Go templates that skaffold.yaml uses; another is refused, so that this stays true. */
function expand(template: string, variables: ReadonlyMap<string, string>): string {
  const variable = /^\{\{\.(?<name>\w+)\}\}$/.exec(template)?.groups?.['name'];
  if (variable !== undefined) {
    const value = variables.get(variable);
    if (value === undefined) throw new Error(`${template}: Skaffold knows no such variable`);
    return value;
  }
  const { fallback, name } = /^\{\{default "(?<fallback>[^"]*)" \.(?<name>\w+)\}\}$/.exec(template)?.groups ?? {};
  if (fallback === undefined || name === undefined) throw new Error(`${template}: a form that this test does not know`);
  return variables.get(name) ?? fallback;
}
