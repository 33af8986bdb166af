// The table of values in the chart's README: path, default and comment of each value in values.yaml.

import { isMap, isScalar, parseDocument, type Node, type Pair, type YAMLMap } from 'yaml';

const START = '<!-- values: written by scripts/chart/main.ts from values.yaml -->';
const END = '<!-- end of values -->';
/** Maps that are one value for a person: parts of a pod's manifest. */
const WHOLE = /(^|\.)(\w*[rR]esources|podSecurityContext)$/;

interface Row {
  readonly path: string;
  /** Null: a group, which has no default of its own. */
  readonly standard: string | null;
  readonly meaning: string;
}

/** The page with the table of these values in it. */
export function withValuesTable(page: string, valuesYaml: string): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start === -1 || end < start) throw new Error(`the page has no place for the table: ${START} … ${END}`);
  return `${page.slice(0, start)}${START}\n\n${tableOf(valuesYaml)}\n\n${page.slice(end)}`;
}

function tableOf(valuesYaml: string): string {
  const { contents } = parseDocument(valuesYaml);
  if (!isMap(contents)) throw new Error('values.yaml is no map');
  const rows = rowsOf(contents, '').map(({ path, standard, meaning }) => {
    const shown = standard === null ? '' : ` \`${standard}\``;
    return `| \`${path}\` |${shown} | ${meaning}${meaning === '' ? '' : ' '}|`;
  });
  return ['| value | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

function rowsOf(map: YAMLMap, prefix: string): readonly Row[] {
  return map.items.flatMap((pair, index): readonly Row[] => {
    const { key, value } = pair as Pair<Node, Node | null>;
    const path = `${prefix}${String(isScalar(key) ? key.value : key)}`;
    const meaning = meaningOf(
      index === 0 ? (map.commentBefore ?? key.commentBefore) : key.commentBefore,
      prefix === '' && index === 0,
    );
    if (isMap(value) && value.items.length > 0 && !WHOLE.test(path)) {
      const inner = rowsOf(value, `${path}.`);
      return meaning === '' ? inner : [{ path, standard: null, meaning }, ...inner];
    }
    return [{ path, standard: JSON.stringify(value?.toJSON() ?? null), meaning }];
  });
}

/** Comments are cut into lines; the last block is about the value, and what stands before an empty line is not. */
function meaningOf(comment: string | null | undefined, first: boolean): string {
  const block = (first ? comment?.split('\n\n').at(-1) : comment) ?? '';
  return block
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ')
    .replaceAll('|', '\\|')
    .replaceAll(/<(\w+)>/g, '&lt;$1&gt;');
}
