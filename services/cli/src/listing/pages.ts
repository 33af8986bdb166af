/** Lists come in pages; commands show all of it. */
import type { PageQuery } from '@lms/api';

const PAGE_SIZE = 1_000;

interface Page {
  readonly nextPageToken: string | null;
}

export async function* eachPage<Answer extends Page>(
  fetchPage: (query: PageQuery) => Promise<Answer>,
): AsyncGenerator<Answer> {
  let pageToken: string | null = null;
  do {
    const answer: Answer = await fetchPage(
      pageToken === null ? { pageSize: PAGE_SIZE } : { pageSize: PAGE_SIZE, pageToken },
    );
    yield answer;
    pageToken = answer.nextPageToken;
  } while (pageToken !== null);
}

/** Everything that `itemsOf` finds in all pages, in their order. */
export async function listAll<Answer extends Page, Item>(
  fetchPage: (query: PageQuery) => Promise<Answer>,
  itemsOf: (answer: Answer) => readonly Item[],
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for await (const answer of eachPage(fetchPage)) items.push(...itemsOf(answer));
  return items;
}
