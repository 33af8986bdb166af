// The files that the checks of the tree look at: what git knows or would add, without what is generated.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

const NOT_OURS = /^(package-lock\.json|LICENSE|proto\/generated\/|charts\/)/;
const TEXT = /(\.(ts|js|cjs|mjs|json|md|proto|ya?ml|toml)|Makefile|^\.ci\/run|^bin\/[^/]+|^scripts\/[^/.]+)$/;

export function readTree(): readonly SourceFile[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { encoding: 'utf8' })
    .split('\0')
    .filter((path) => TEXT.test(path) && !NOT_OURS.test(path) && existsSync(path))
    .map((path) => ({ path, lines: readFileSync(path, 'utf8').split('\n') }));
}

export function isTypeScript({ path }: SourceFile): boolean {
  return path.endsWith('.ts');
}

export function isTest({ path }: SourceFile): boolean {
  return path.endsWith('.test.ts') || path.startsWith('test/');
}
