// A part of a page that a program writes, between two comments that readers of the page do not see.

const SOURCE = 'written by scripts/network/main.ts from libs/network';

/** The page with `text` as its part `name`. */
export function withMarkedPart(page: string, name: string, text: string): string {
  const start = `<!-- ${name}: ${SOURCE} -->`;
  const end = `<!-- end of ${name} -->`;
  const from = page.indexOf(start);
  const to = page.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`the page has no place for ${name}: ${start} … ${end}`);
  return `${page.slice(0, from)}${start}\n\n${text}\n\n${page.slice(to)}`;
}
