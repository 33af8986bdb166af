// Which keys the chart's values.yaml has.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { REPOSITORY } from './skaffold-file.ts';

type Values = Readonly<Record<string, unknown>>;

export async function readValues(path: string): Promise<Values> {
  return parse(await readFile(join(REPOSITORY, path), 'utf8')) as Values;
}

/** `a.b.c` of each leaf. */
export function leafKeys(values: Values, prefix = ''): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isMap(value) ? leafKeys(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

/** A component may also have what stands in componentDefaults. */
export function hasKey(values: Values, key: string): boolean {
  const { component, rest } = /^(?<component>replication\.server|\w+)\.(?<rest>.+)$/.exec(key)?.groups ?? {};
  if (find(values, key) !== undefined) return true;
  if (component === undefined || rest === undefined || find(values, component) === undefined) return false;
  return find(values, `componentDefaults.${rest}`) !== undefined;
}

function find(values: Values, key: string): unknown {
  let found: unknown = values;
  for (const name of key.split('.')) found = isMap(found) ? found[name] : undefined;
  return found;
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
