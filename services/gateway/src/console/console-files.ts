/** The console's pages as they are in the source tree: read once at the start, since they change with the product only. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../console', import.meta.url));
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface ConsoleFile {
  /** Below `/console/`. */
  readonly path: string;
  readonly mediaType: string;
  readonly etag: string;
  readonly body: Buffer;
}

export async function readConsoleFiles(): Promise<readonly ConsoleFile[]> {
  const names = await readdir(FOLDER, { recursive: true });
  const files: ConsoleFile[] = [];
  for (const path of names.toSorted()) {
    const mediaType = MEDIA_TYPES[extname(path)];
    if (mediaType === undefined) continue;
    const body = await readFile(join(FOLDER, path));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
    files.push({ path, mediaType, etag, body });
  }
  return files;
}
