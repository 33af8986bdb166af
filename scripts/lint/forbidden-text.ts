// Text that is never committed, each with the reason. The patterns are written so that they do not match themselves.

import { homedir } from 'node:os';
import { dirname } from 'node:path';
import process from 'node:process';
import { isTest, isTypeScript } from './tree.ts';
import type { SourceFile } from './tree.ts';

interface ForbiddenText {
  readonly pattern: RegExp;
  readonly reason: string;
  readonly applies: (file: SourceFile) => boolean;
}

function literally(text: string): RegExp {
  return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

const everywhere = (): boolean => true;

const FORBIDDEN: readonly ForbiddenText[] = [
  {
    pattern: /\b(?:it|test|describe)\.(?:skip|only|todo)\b|\b[fx](?:it|describe)\(/,
    reason: 'a test runs always and with all others, or it is not there',
    applies: (file) => isTypeScript(file) && isTest(file),
  },
  {
    pattern: /setTimeout\([^;]*\b(?:resolve|done)\b|\bawait sleep\(|timers\/promises/,
    reason: 'a test waits for a condition, never for a time (test/harness/condition.ts)',
    applies: (file) => isTypeScript(file) && isTest(file) && file.path !== 'test/harness/condition.ts',
  },
  {
    pattern: /toBeLessThan(?:OrEqual)?\(.*(?:ms|[sS]econds)\b/,
    reason: 'no test asserts a duration: machines differ',
    applies: (file) => isTypeScript(file) && isTest(file),
  },
  {
    pattern: /\b(?:TO[D]O|FIX[M]E|XX[X])\b|@ts-(?:ignore|nocheck|expect-error)|(?:es|ox)lint-disabl[e]/,
    reason: 'nothing is left open in the tree, and no check is switched off from inside a file',
    applies: everywhere,
  },
  {
    pattern: literally(`${dirname(process.cwd())}/`),
    reason: 'a path of this machine',
    // A clone in the root folder or in a temporary one would forbid every path.
    applies: () =>
      dirname(process.cwd()).split('/').length > 1 && !['/', '/tmp', '/root'].includes(dirname(process.cwd())),
  },
  { pattern: literally(`${homedir()}/`), reason: 'a path of this machine', applies: everywhere },
];

export function checkForbiddenText(tree: readonly SourceFile[]): string[] {
  return FORBIDDEN.flatMap(({ pattern, reason, applies }) =>
    tree
      .filter(applies)
      .flatMap(({ path, lines }) =>
        lines.flatMap((line, index) =>
          pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()} (${reason})`] : [],
        ),
      ),
  );
}
