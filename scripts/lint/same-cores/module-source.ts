// What one module imports, hands on and declares, by name. Types do not count: they are gone when the code runs.

import { readFileSync } from 'node:fs';
import { parseSync } from '@swc/core';
import type { ExportSpecifier, Identifier, ImportSpecifier, ModuleItem, Pattern, StringLiteral } from '@swc/core';

/** `'*'` instead of a name: all of them. */
export const EVERYTHING = '*';

export interface NamedImport {
  readonly specifier: string;
  readonly name: string;
}

export interface ModuleSource {
  /** By the name that it has inside this module. */
  readonly imports: ReadonlyMap<string, NamedImport>;
  /** `import './x.ts'`, `import()` and files that are started as workers or programs of their own. */
  readonly wholeModules: readonly string[];
  /** `export { a as b } from`, by the name that others see. */
  readonly handedOn: ReadonlyMap<string, NamedImport>;
  /** `export * from`. */
  readonly handedOnWhole: readonly string[];
  /** `export { local as name }`: the local name, by the name that others see. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Functions, classes and constants at the top of the module, exported or not. */
  readonly declared: ReadonlySet<string>;
}

/** `new URL('./worker.ts', import.meta.url)` and `import('./x.ts')`: the parser's tree is not searched for these. */
const STARTED_FILE = /(?:new URL|import)\(\s*'(\.[^']+\.ts)'/g;

function nameOf(node: Identifier | StringLiteral): string {
  return node.value;
}

function patternNames(pattern: Pattern): string[] {
  if (pattern.type === 'Identifier') return [pattern.value];
  if (pattern.type === 'ArrayPattern')
    return pattern.elements.flatMap((element) => (element ? patternNames(element) : []));
  if (pattern.type === 'ObjectPattern')
    return pattern.properties.flatMap((property) => {
      if (property.type === 'AssignmentPatternProperty') return [property.key.value];
      return patternNames(property.type === 'RestElement' ? property.argument : property.value);
    });
  return [];
}

function declaredNames(item: ModuleItem): string[] {
  switch (item.type) {
    case 'ExportDeclaration':
      return declaredNames(item.declaration);
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return [item.identifier.value];
    case 'VariableDeclaration':
      return item.declarations.flatMap(({ id }) => patternNames(id));
    default:
      return [];
  }
}

function importedName(specifier: ImportSpecifier): string {
  if (specifier.type === 'ImportNamespaceSpecifier') return EVERYTHING;
  if (specifier.type === 'ImportDefaultSpecifier') return 'default';
  return nameOf(specifier.imported ?? specifier.local);
}

function isType(specifier: ImportSpecifier | ExportSpecifier): boolean {
  return 'isTypeOnly' in specifier && specifier.isTypeOnly;
}

export function parseModule(text: string): ModuleSource {
  const imports = new Map<string, NamedImport>();
  const handedOn = new Map<string, NamedImport>();
  const aliases = new Map<string, string>();
  const wholeModules = [...text.matchAll(STARTED_FILE)].map(([, path]) => path ?? '');
  const handedOnWhole: string[] = [];
  const declared = new Set<string>();
  for (const item of parseSync(text, { syntax: 'typescript', target: 'es2022' }).body) {
    for (const name of declaredNames(item)) declared.add(name);
    if (item.type === 'ImportDeclaration' && !item.typeOnly) {
      if (item.specifiers.length === 0) wholeModules.push(item.source.value);
      for (const specifier of item.specifiers)
        if (!isType(specifier))
          imports.set(specifier.local.value, { specifier: item.source.value, name: importedName(specifier) });
    }
    if (item.type === 'ExportAllDeclaration' && !('typeOnly' in item && item.typeOnly === true))
      handedOnWhole.push(item.source.value);
    if (item.type !== 'ExportNamedDeclaration' || ('typeOnly' in item && item.typeOnly === true)) continue;
    for (const specifier of item.specifiers) {
      if (specifier.type !== 'ExportSpecifier' || isType(specifier)) continue;
      const seen = nameOf(specifier.exported ?? specifier.orig);
      if (item.source) handedOn.set(seen, { specifier: item.source.value, name: nameOf(specifier.orig) });
      else aliases.set(seen, nameOf(specifier.orig));
    }
  }
  return { imports, wholeModules, handedOn, handedOnWhole, aliases, declared };
}

export function readModule(path: string): ModuleSource {
  return parseModule(readFileSync(path, 'utf8'));
}
