/** Pages of lists that are in memory, in the order of a key that each item has. */
import { LmsError } from '@lms/errors';

const DEFAULT_PAGE_SIZE = 100;
const MAXIMUM_PAGE_SIZE = 1_000;

export interface PageRequest {
  /** 0: 100; at most 1,000. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

export interface Page<Item> {
  readonly items: Item[];
  /** Empty: this was the last. */
  readonly nextPageToken: string;
}

/** The token is the key of the last item, so that what comes and goes meanwhile neither repeats nor hides another one. */
export function pageOf<Item>(items: readonly Item[], keyOf: (item: Item) => string, request: PageRequest): Page<Item> {
  const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAXIMUM_PAGE_SIZE);
  const after = request.pageToken === '' ? null : decodeToken(request.pageToken);
  const sorted = items
    .map((item) => ({ key: keyOf(item), item }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = sorted.slice(0, size);
  const last = page.at(-1);
  const more = sorted.length > page.length && last !== undefined;
  return { items: page.map(({ item }) => item), nextPageToken: more ? encodeToken(last.key) : '' };
}

function encodeToken(key: string): string {
  return Buffer.from(`1:${key}`).toString('base64url');
}

function decodeToken(token: string): string {
  const decoded = Buffer.from(token, 'base64url').toString('utf8');
  if (decoded.startsWith('1:')) return decoded.slice(2);
  throw new LmsError('INVALID_ARGUMENT', 'this page token is not one of ours', {
    field: 'pageToken',
    action: 'begin with the first page, without a page token',
  });
}
