// Workspaces: the versions of other people's packages stand in one place, the root, and are exact; names follow folders.

import { readFileSync } from 'node:fs';
import type { SourceFile } from './tree.ts';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function parseManifest(file: SourceFile): Manifest {
  return JSON.parse(file.lines.join('\n')) as Manifest;
}

function checkWorkspace(file: SourceFile): string[] {
  const manifest = parseManifest(file);
  const findings: string[] = [];
  const folder = file.path.split('/').at(-2) ?? '';
  if (manifest.name !== `@lms/${folder}`) findings.push(`${file.path}: the name must be @lms/${folder}`);
  if (manifest.private !== true) findings.push(`${file.path}: must be private`);
  if (manifest.license !== 'Apache-2.0') findings.push(`${file.path}: the licence must be Apache-2.0`);
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }))
    if (!name.startsWith('@lms/')) findings.push(`${file.path}: ${name} belongs into the root package.json`);
  return findings;
}

export function checkPackages(tree: readonly SourceFile[]): string[] {
  const findings: string[] = [];
  for (const file of tree) {
    if (file.path.endsWith('/package.json')) findings.push(...checkWorkspace(file));
    if (file.path !== 'package.json') continue;
    const { dependencies, devDependencies, optionalDependencies } = parseManifest(file);
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }))
      if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
        findings.push(`package.json: ${name} must have an exact version, not ${version}`);
  }
  if (readFileSync('package-lock.json', 'utf8').includes('"resolved": "http'))
    findings.push('package-lock.json names the registry that it came from: install with the .npmrc of this repository');
  return findings;
}
