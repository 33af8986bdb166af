// skaffold.yaml as Skaffold itself understands it: checked by Skaffold's own schema first, so that the rest may trust its form.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';

export const REPOSITORY = join(import.meta.dirname, '../..');
const SCHEMA = join(import.meta.dirname, 'schema/v4beta11.json');

export interface Artifact {
  readonly image: string;
  readonly docker: { readonly dockerfile: string; readonly target: string };
}

interface Release {
  readonly name: string;
  readonly namespace: string;
  readonly chartPath: string;
  readonly valuesFiles: readonly string[];
  readonly setValues?: Readonly<Record<string, string>>;
  readonly setValueTemplates: Readonly<Record<string, string>>;
}

interface Patch {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

export interface SkaffoldFile {
  readonly build: { readonly artifacts: readonly Artifact[] };
  readonly deploy: { readonly helm: { readonly releases: readonly [Release] } };
  readonly portForward: readonly {
    readonly resourceType: string;
    readonly resourceName: string;
    readonly namespace: string;
    readonly port: number;
    readonly localPort: number;
    readonly address?: string;
  }[];
  readonly profiles: readonly { readonly name: string; readonly patches: readonly Patch[] }[];
}

export async function readSkaffoldDocument(): Promise<unknown> {
  return parse(await readFile(join(REPOSITORY, 'skaffold.yaml'), 'utf8')) as unknown;
}

/** What Skaffold would refuse, a line each. */
export async function findSchemaErrors(document: unknown): Promise<readonly string[]> {
  const schema = JSON.parse(await readFile(SCHEMA, 'utf8')) as Record<string, unknown>;
  const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);
  if (validate(document)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? ''}`);
}

/** The file with one profile laid over it, as far as this repository's profiles use patches: `add` to an object. */
export function applyProfile(file: SkaffoldFile, name: string): SkaffoldFile {
  const patched = structuredClone(file);
  const profile = file.profiles.find((candidate) => candidate.name === name);
  if (profile === undefined) throw new Error(`skaffold.yaml has no profile ${name}`);
  for (const { op, path, value } of profile.patches) {
    const keys = path.split('/').slice(1);
    const last = keys.pop();
    let target: unknown = patched;
    for (const key of keys) target = (target as Record<string, unknown> | undefined)?.[key];
    if (op !== 'add' || last === undefined || typeof target !== 'object' || target === null)
      throw new Error(`profile ${name}: ${op} ${path} leads nowhere`);
    (target as Record<string, unknown>)[last] = value;
  }
  return patched;
}
