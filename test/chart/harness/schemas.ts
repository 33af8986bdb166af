// JSON schemas of the kinds that an API server has, from the description that it gives of itself: what is valid is what
// that server would take. Strict, so that a field which nobody reads is found.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const OPENAPI = z.object({ definitions: z.record(z.string(), z.record(z.string(), z.json())) });
const KINDS = z.array(z.object({ group: z.string(), version: z.string(), kind: z.string() }));

const KINDS_OF_EVERY_GROUP = 3;
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';

/** One file for each kind, named as kubeconform looks for it by `SCHEMA_LOCATION`. */
export async function writeSchemas(openapi: unknown, folder: string): Promise<void> {
  const { definitions } = OPENAPI.parse(openapi);
  await mkdir(folder, { recursive: true });
  const strict = new Map(Object.entries(definitions).map(([name, definition]) => [name, strictly(definition)]));
  strict.set(QUANTITY, { anyOf: [{ type: 'string' }, { type: 'number' }] });
  for (const [name, definition] of Object.entries(definitions)) {
    const kinds = KINDS.parse(definition['x-kubernetes-group-version-kind'] ?? []);
    if (kinds.length > KINDS_OF_EVERY_GROUP) continue;
    for (const { group, version, kind } of kinds) {
      const used = reachable(name, strict);
      const schema = { $ref: `#/definitions/${name}`, definitions: Object.fromEntries(used) };
      await writeFile(join(folder, schemaFile(group, version, kind)), JSON.stringify(schema));
    }
  }
}

export function schemaLocation(folder: string): string {
  return join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json');
}

function schemaFile(group: string, version: string, kind: string): string {
  const short = group.split('.')[0] ?? '';
  return `${kind}${short === '' ? '' : `-${short}`}-${version}.json`.toLowerCase();
}

function strictly(value: Json): Json {
  if (Array.isArray(value)) return value.map(strictly);
  if (value === null || typeof value !== 'object') return value;
  const { properties, ...rest } = value;
  const kept = Object.entries(rest).filter(([key]) => key !== 'default' && !key.startsWith('x-kubernetes-'));
  const schema: { [key: string]: Json } = Object.fromEntries(kept.map(([key, inner]) => [key, strictly(inner)]));
  if (schema['format'] === 'int-or-string') return { anyOf: [{ type: 'string' }, { type: 'integer' }] };
  if (properties === undefined || properties === null || typeof properties !== 'object' || Array.isArray(properties)) {
    return schema;
  }
  // Here keys are names of fields, and one of them may be called as a keyword is.
  schema['properties'] = Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, strictly(inner)]));
  schema['additionalProperties'] ??= false;
  return schema;
}

function reachable(name: string, definitions: ReadonlyMap<string, Json>): ReadonlyMap<string, Json> {
  const found = new Map<string, Json>();
  const waiting = [name];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const definition = definitions.get(next);
    if (found.has(next) || definition === undefined) continue;
    found.set(next, definition);
    for (const [, reference = ''] of JSON.stringify(definition).matchAll(/"#\/definitions\/([^"]+)"/g)) {
      waiting.push(reference);
    }
  }
  return found;
}
